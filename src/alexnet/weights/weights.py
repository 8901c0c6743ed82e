"""A trained network as data: its tensors, and all that makes them mean something."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from alexnet.data.preprocess import Preprocessing
from alexnet.lineages import Lineage


@dataclass(frozen=True)
class Weights:
    """What a file of weights holds, whatever its format.

    Attributes:
        tensors: by name, conv1.weight to fc8.bias, in the layout of torch; float32 when `load` made them.
        lineage: the network they belong to, varied as it was trained.
        labels: names of the classes in the order of the head's rows; empty where nobody knows them.
        preprocessing: what the network expects to be fed.
        provenance: where they come from, as JSON: data, recipe, command, errors measured, source file and sha256.
    """

    tensors: dict[str, Tensor]
    lineage: Lineage
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    provenance: dict[str, Any]
