"""Where on a picture a network looks, and what it guesses, as figures."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.data.picture import read_picture
from alexnet.errors import UnreadablePicture, UsageError
from alexnet.inference.classifier import Classifier
from alexnet.inference.explanation import (
    Explanation,
    asked_about,
    called,
    guesses_as_json,
    guesses_of,
    one_picture,
)
from alexnet.inference.figures import guesses_figure, heat_figure
from alexnet.inference.gradcam import grad_cam, last_maps
from alexnet.inference.occlusion import occlusion_map
from alexnet.inference.predict import Guess
from alexnet.inference.sources import Found, Source, expand
from alexnet.inference.squares import center_pixels

PICTURES_SHOWN = 40  # in one figure


def explain_heatmap(
    classifier: Classifier, picture: Source, target: str | int | None = None, layer: str | None = None
) -> Explanation:
    """Where the evidence for a class lies, by Grad-CAM; the likeliest class unless `target` names another.

    Args:
        classifier: see `load`.
        picture: a file, its bytes, or an opened picture.
        target: name or index of a class.
        layer: one that has maps; None is the last convolution.
    """
    name, image = one_picture(picture)
    top = guesses_of(classifier, image)
    chosen = asked_about(classifier, target, top)
    layer = layer or last_maps(classifier)
    heat = grad_cam(classifier, image, chosen.index, layer)
    title = f"{name}: what speaks for {called(chosen)}, by Grad-CAM at {layer}"
    view = center_pixels(classifier.preprocessing, image)
    figure = heat_figure(title, view, heat, "evidence (1: the most there is)", top, chosen.index)
    return Explanation("heatmap", figure, heat, {"image": name, "layer": layer, **heat_facts(chosen, top, heat)})


def explain_occlusion(
    classifier: Classifier,
    picture: Source,
    target: str | int | None = None,
    patch: int | None = None,
    stride: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Explanation:
    """What a class loses when a gray patch covers a place; the likeliest class unless `target` names another.

    Args:
        classifier: see `load`.
        picture: a file, its bytes, or an opened picture.
        target: name or index of a class.
        patch: side of the patch in pixels of the view; None is a sixth of the view.
        stride: from one patch to the next; None is half a patch.
        progress: called with (patches done, patches in all).
    """
    name, image = one_picture(picture)
    top = guesses_of(classifier, image)
    chosen = asked_about(classifier, target, top)
    heat = occlusion_map(classifier, image, patch, stride, target=chosen.index, progress=progress)
    title = f"{name}: what {called(chosen)} loses where a gray patch lies"
    view = center_pixels(classifier.preprocessing, image)
    figure = heat_figure(title, view, 100 * heat.clip(min=0), "percentage points lost", top, chosen.index)
    return Explanation("occlusion", figure, heat, {"image": name, **heat_facts(chosen, top, heat)})


def explain_guesses(classifier: Classifier, pictures: Source | Iterable[Source], top: int = 5) -> Explanation:
    """Pictures with bars for their likeliest classes below: the paper's figure 4, left.

    A picture in a folder called as a class belongs to it: its name is written above, and its bar is orange.

    Args:
        classifier: see `load`.
        pictures: files, folders (searched through), globs, PIL images, bytes of a file; one or many.
        top: guesses per picture.

    Raises:
        UnreadablePicture: names the first that cannot be read.
        UsageError: more pictures than a figure holds, or none.
    """
    found = list(expand(pictures))
    if not 1 <= len(found) <= PICTURES_SHOWN:
        raise UsageError(f"{len(found)} pictures were named; one figure shows 1 to {PICTURES_SHOWN}.")
    rows = [_row(classifier, each, top) for each in found]
    facts = [
        {
            "image": each.name,
            "label": None if right is None else classifier.labels[right],
            "top": guesses_as_json(guesses),
        }
        for each, (_, _, guesses, right) in zip(found, rows, strict=True)
    ]
    return Explanation("guesses", guesses_figure(rows), np.empty(0), {"pictures": facts})


def _row(classifier: Classifier, found: Found, top: int) -> tuple[str, np.ndarray, Sequence[Guess], int | None]:
    if isinstance(found.content, UnreadablePicture):
        raise UnreadablePicture(f"{found.name}: {found.content}")
    image = read_picture(found.content, found.name)
    folder = Path(found.name).parent.name
    right = classifier.labels.index(folder) if folder in classifier.labels else None
    name = Path(found.name).name if right is None else folder
    return name, center_pixels(classifier.preprocessing, image), guesses_of(classifier, image, top), right


def heat_facts(chosen: Guess, top: Sequence[Guess], heat: np.ndarray) -> dict[str, Any]:
    """The class asked about, where its map (size, size) is largest, and the likeliest classes, as JSON."""
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    return {
        "target": {"index": chosen.index, "label": chosen.label},
        "hottest": {"x": int(column), "y": int(row), "value": float(heat.max())},
        "top": guesses_as_json(top),
    }
