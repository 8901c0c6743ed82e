"""Pictures drawn at random on the device, for timing alone."""

import torch
from torch import Tensor

from alexnet.lineages import Lineage, trace


def synthetic(lineage: Lineage, batch_size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Network input (B, C, S, S) float32, on a GPU in channels_last, and labels (B,)."""
    layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
    images = torch.randn(batch_size, *trace(lineage)[0].in_shape, device=device)
    return images.contiguous(memory_format=layout), torch.randint(0, lineage.num_classes, (batch_size,), device=device)
