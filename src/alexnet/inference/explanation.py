"""What every explanation is made of: a figure with its numbers, a picture, a class that is asked about."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from alexnet.data.picture import read_picture
from alexnet.errors import UnreadablePicture, UsageError
from alexnet.inference.classifier import Classifier
from alexnet.inference.figures import DPI, save_figure
from alexnet.inference.predict import Guess
from alexnet.inference.sources import Source, expand

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["filters", "maps", "heatmap", "occlusion", "guesses"]


@dataclass(frozen=True, eq=False)
class Explanation:
    """A figure, and the numbers in it.

    Attributes:
        kind: which one.
        figure: matplotlib's; a notebook shows it by itself.
        values: what was drawn: kernels (O, H, W, C), a layer's output, heat (size, size); empty for guesses.
        facts: the numbers that the figure's text tells, as `alexnet explain --json` prints them.
    """

    kind: Kind
    figure: "Figure"
    values: np.ndarray
    facts: dict[str, Any] = field(default_factory=dict)

    def save(self, path: str | Path) -> Path:
        """Write the figure as .png, .svg or .pdf, and return its path."""
        return save_figure(self.figure, path)

    def _repr_png_(self) -> bytes:
        with BytesIO() as buffer:
            self.figure.savefig(buffer, format="png", dpi=DPI)
            return buffer.getvalue()


def one_picture(source: Source) -> tuple[str, Image.Image]:
    """The name and the pixels of one picture.

    Raises:
        UsageError: a folder or a glob that leads to several.
        UnreadablePicture: it cannot be read.
    """
    found, *more = expand(source)
    if more:
        raise UsageError(f"{source!r} is {1 + len(more)} pictures; one is explained at a time.")
    if isinstance(found.content, UnreadablePicture):
        raise UnreadablePicture(f"{found.name}: {found.content}")
    return Path(found.name).name, read_picture(found.content, found.name)


def guesses_of(classifier: Classifier, image: Image.Image, top: int = 5) -> Sequence[Guess]:
    """The likeliest classes of one picture."""
    (prediction,) = classifier.predict(image, top=top)
    return prediction.top


def asked_about(classifier: Classifier, target: str | int | None, top: Sequence[Guess]) -> Guess:
    """The class that `target` names, or the likeliest; its probability is NaN where it is not among `top`."""
    if target is None:
        return top[0]
    index = find_class(classifier, target)
    among = next((guess for guess in top if guess.index == index), None)
    return among or Guess(index, classifier.label(index), float("nan"))


def find_class(classifier: Classifier, target: str | int) -> int:
    """The index of a class by its name, its number, or a part of its name that no other has.

    Raises:
        UsageError: no class is called so, or several are.
    """
    text = str(target)
    if text in classifier.labels:
        return classifier.labels.index(text)
    count = classifier.lineage.num_classes
    if text.isdigit() and int(text) < count:
        return int(text)
    near = [index for index, label in enumerate(classifier.labels) if text.lower() in label.lower()]
    if len(near) == 1:
        return near[0]
    which = ", ".join(classifier.labels[index] for index in near[:5])
    hint = f"Several have it in their name: {which}." if near else f"Name a class, or its number below {count}."
    raise UsageError(f"there is no class {text!r}. {hint}")


def called(guess: Guess) -> str:
    """A class with its probability, where that is known."""
    return guess.label if np.isnan(guess.prob) else f"{guess.label} ({guess.prob:.0%})"


def guesses_as_json(top: Sequence[Guess]) -> list[dict[str, Any]]:
    """Guesses with the fields of `alexnet predict --json`."""
    return [{"index": guess.index, "label": guess.label, "prob": guess.prob} for guess in top]
