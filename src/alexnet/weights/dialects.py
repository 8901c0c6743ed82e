"""What other people call our layers: names in a file on the left, ours on the right, None for what is dropped."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from alexnet.errors import UsageError
from alexnet.lineages import Lineage, weighted


@dataclass(frozen=True)
class Dialect:
    """A way of naming the layers; a name that is not in the table is the same in both languages.

    Attributes:
        lineages: networks that speak it; () says nothing.
    """

    name: str
    layers: Mapping[str, str | None]
    lineages: tuple[str, ...] = ()

    def ours(self, name: str) -> str | None:
        """Our name for one of theirs."""
        return self.layers.get(name, name)

    def theirs(self) -> dict[str, str]:
        """The table turned round, for writing; of several names for a layer the first is written."""
        return {ours: theirs for theirs, ours in reversed(list(self.layers.items())) if ours is not None}


OURS = Dialect("alexnet", {})

# Fine-tuned relatives rename the head, so that Caffe starts it anew: flickr style, R-CNN, Places.
CAFFE = Dialect(
    "Caffe",
    {
        "fc8": "fc8", "fc8_flickr": "fc8", "fc-rcnn": "fc8", "fc8_places": "fc8", "fc8-205": "fc8", "fc8-365": "fc8",
    },
    ("bvlc", "caffenet"),
)  # fmt: skip

TORCHVISION = Dialect(
    "torchvision",
    {
        "features.0": "conv1", "features.3": "conv2", "features.6": "conv3", "features.8": "conv4",
        "features.10": "conv5", "classifier.1": "fc6", "classifier.4": "fc7", "classifier.6": "fc8",
    },
    ("torchvision",),
)  # fmt: skip

DIALECTS = (TORCHVISION, CAFFE, OURS)
WRAPPERS = re.compile(r"^module\.|(?<=^features\.)module\.|(?<=^classifier\.)module\.")


def unwrapped(name: str) -> str:
    """A layer's name without what `DataParallel` puts before it, around the whole net or its features."""
    while (shorter := WRAPPERS.sub("", name)) != name:
        name = shorter
    return name


def spoken(names: Iterable[str]) -> Dialect:
    """The dialect that knows the most of these names."""
    names = set(names)
    return max(DIALECTS, key=lambda dialect: len(names & dialect.layers.keys()))


def position(name: str) -> int:
    """Where a layer of ours stands: our names end in their number; the head of a stranger comes last."""
    number = re.search(r"(\d+)$", name)
    return int(number[1]) if number else 1_000_000


def in_torchvision(lineage: Lineage) -> dict[str, str]:
    """The name that torchvision has for each layer of a lineage.

    Raises:
        UsageError: the network does not have their eight layers.
    """
    theirs = TORCHVISION.theirs()
    names = list(weighted(lineage))
    if names != list(TORCHVISION.layers.values()):
        raise UsageError(
            f"torchvision's names are for conv1 to conv5 and fc6 to fc8, and {lineage.name} has {', '.join(names)}. "
            "Save it as safetensors, which holds any lineage."
        )
    return theirs
