"""What a foreign file of weights says, in its own words and its own order of axes; nothing is decided here."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from alexnet.errors import ShapeMismatch, UnreadableWeights
from alexnet.lineages.spec import Layer

# O outputs, I inputs (of one group), H rows and W columns of a kernel, P positions of unshared ones; slowest first.
Axes = Literal["OIHW", "HWIO", "IHWO", "OIWH", "OI", "IO", "POI"]


class Fact(NamedTuple):
    """Something known about a file of weights, and from where: "the file", "the lineage's table", ..."""

    value: Any
    source: str


@dataclass(frozen=True)
class RawLayer:
    """One layer with weights, as the file holds it; the array is a view into the file where that is possible.

    Attributes:
        bias: None where the file says that the layer has none.
        scale: factor for the weights (not the biases): what dropout without rescaling leaves to the next layer.
    """

    name: str
    weight: np.ndarray
    axes: Axes
    bias: np.ndarray | None = None
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight with its axes in our order: (O, I, H, W) or (O, I)."""
        return tuple(self.weight.shape[axis] for axis in self.permutation)

    @property
    def permutation(self) -> tuple[int, ...]:
        """Where each of our axes lies in the file's order."""
        order = {4: "OIHW", 3: "POI", 2: "OI"}[len(self.axes)]
        return tuple(self.axes.index(axis) for axis in order)


@dataclass(frozen=True)
class Raw:
    """A foreign file: its layers with weights in the order of work, and all else it says.

    Attributes:
        format: the file's kind, as people call it.
        detail: which generation or flavour of it.
        lineages: names of those that files of this kind are known to hold; () is any.
        rows: the network in the words of our tables, where the file carries it; () where it does not.
        activation: of those rows.
        facts: by field of `Preprocessing`, and `lineage`, `changes`, `labels`, `flatten`, `mean_image`.
        provenance: what a file of ours says of where it comes from.
        upside_down: the network was trained on pictures turned top to bottom.
        is_owned: the arrays are nobody else's memory, so that tensors may keep it.
    """

    path: Path
    format: str
    layers: tuple[RawLayer, ...]
    detail: str = ""
    lineages: tuple[str, ...] = ()
    rows: tuple[Layer, ...] = ()
    activation: Literal["relu", "tanh", "sigmoid"] = "relu"
    facts: Mapping[str, Fact] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    upside_down: bool = False
    is_owned: bool = False


class Damaged(Exception):
    """What a parser of bytes found wrong; `reading` adds the file and what to do."""


class NotAlexNet(Exception):
    """What a whole file holds that none of our networks has; `reading` adds the file and what to do."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what parsers of `path` find into errors for people.

    Raises:
        UnreadableWeights: the file is of a known kind and cannot be believed.
        ShapeMismatch: it is whole, and no AlexNet.
    """
    try:
        yield
    except Damaged as error:
        raise UnreadableWeights(
            f"{path} is damaged or cut short: {error}. Get an undamaged copy of the file."
        ) from error
    except NotAlexNet as error:
        raise ShapeMismatch(
            f"{path} holds no AlexNet that we know: {error}. `alexnet lineages` lists those that we know."
        ) from error
