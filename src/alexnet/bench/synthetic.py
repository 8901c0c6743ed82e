"""Pictures drawn at random on the device, for timing alone."""

import torch
from torch import Tensor, nn

from alexnet.fast import FastNet
from alexnet.lineages import Lineage, trace


def synthetic(lineage: Lineage, batch_size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Network input (B, C, S, S) and labels (B,); on a GPU bfloat16 in channels_last, elsewhere float32."""
    images = torch.randn(batch_size, *trace(lineage)[0].in_shape, device=device)
    if device.type == "cuda":
        images = images.to(torch.bfloat16, memory_format=torch.channels_last)
    return images, torch.randint(0, lineage.num_classes, (batch_size,), device=device)


def fitting(images: Tensor, module: nn.Module) -> Tensor:
    """The pictures in what the network takes: a fused one any precision, others float32."""
    return images if isinstance(module, FastNet) else images.float().contiguous()
