"""Networks with weights at which every layer matters: activations near 100 before a norm, no dead tower."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from alexnet.lineages import Lineage
from alexnet.model import AlexNet


def lively_net(lineage: str | Lineage, seed: int = 0, **switches: object) -> AlexNet:
    """A network in evaluation mode whose pre-norm activations are near 100 for pictures in -128..127."""
    generator = torch.Generator().manual_seed(seed)
    net = AlexNet(lineage, **switches).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for name, tensor in net.named_parameters():
            if name.endswith("weight"):
                fan_in = tensor.shape[-1] if name.startswith(("local", "fc")) else tensor[0].numel()
                tensor.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
            else:
                tensor.normal_(0, 1, generator=generator)
    return net


def blotches(size: int, channels: int = 3, seed: int = 0) -> Tensor:
    """One image (1, C, size, size) of smooth blotches in -128..127, float32."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, channels, 9, 9), generator=generator) * 255 - 128
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")


def relative_error(found: Tensor | np.ndarray[Any, Any], expected: Tensor | np.ndarray[Any, Any]) -> float:
    """Distance between two tensors over the length of the expected one."""
    a, b = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))
