"""How much of the first layer's kernels is colour: the paper's figure 3 as a number.

O kernels, C colour planes, H rows, W columns.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from alexnet.inference.classifier import Classifier
from alexnet.lineages.spec import Conv


@dataclass(frozen=True, eq=False)
class Tower:
    """Kernels of the first layer that feed one tower of the second.

    Attributes:
        kernels: (O, H, W, C), planes in the network's order.
        shares: (O,) of each kernel that is colour, 0..1.
    """

    number: int
    first: int
    kernels: np.ndarray
    shares: np.ndarray

    @property
    def mean_share(self) -> float:
        """Colour of a typical kernel."""
        return float(self.shares.mean())

    def to_json(self) -> dict[str, Any]:
        """Fields as `alexnet explain filters --json` prints them."""
        return {
            "tower": self.number,
            "first_kernel": self.first,
            "kernels": len(self.kernels),
            "colour_share": self.mean_share,
            "colour_shares": [round(float(share), 4) for share in self.shares],
        }


def first_layer_towers(classifier: Classifier) -> list[Tower]:
    """The first layer's kernels, split as the second layer's groups read them; one tower where it has none.

    Source: Krizhevsky et al. 2012, sec. 6.1: the kernels on one GPU are largely colour-agnostic, those on the other
    largely colour-specific.
    """
    conv = next(module for module in classifier.model.modules() if isinstance(module, nn.Conv2d))
    kernels = conv.weight.detach().float().cpu().numpy().transpose(0, 2, 3, 1)  # (O, H, W, C)
    convs = [layer for layer in classifier.lineage.layers if isinstance(layer, Conv)]
    groups = convs[1].groups if len(convs) > 1 else 1
    shares = colour_shares(kernels)
    step = len(kernels) // groups
    return [
        Tower(number + 1, number * step, kernels[number * step :][:step], shares[number * step :][:step])
        for number in range(groups)
    ]


def colour_shares(kernels: np.ndarray) -> np.ndarray:
    """Share of each kernel's energy that is lost when its planes are averaged to gray: (O, H, W, C) to (O,), 0..1.

    A kernel that is the same in red, green and blue has 0; one whose planes cancel at every pixel has 1; noise that
    differs from plane to plane has 2/3.
    """
    gray = kernels.mean(axis=-1, keepdims=True)
    energy = np.square(kernels).sum(axis=(1, 2, 3))
    colour = np.square(kernels - gray).sum(axis=(1, 2, 3))
    return np.asarray(colour / np.maximum(energy, np.finfo(np.float32).tiny))
