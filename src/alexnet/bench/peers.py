"""The same network as one writes it in plain PyTorch: what ours is measured against, in the same run."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet.bench.clock import Work
from alexnet.lineages import Lineage
from alexnet.model import AlexNet
from alexnet.model.layers import LocalResponseNorm

PEERS = ("eager", "compiled")


def plain_build(lineage: Lineage, device: torch.device) -> nn.Module:
    """The lineage of torch's own modules; on a GPU in channels_last."""
    net = AlexNet(lineage)
    for name, layer in list(net.named_children()):
        if isinstance(layer, LocalResponseNorm) and layer.groups == 1:
            setattr(net, name, nn.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k))
        elif name.startswith("drop"):
            setattr(net, name, nn.Dropout())
    is_gpu = device.type == "cuda"
    return net.to(device, memory_format=torch.channels_last if is_gpu else torch.contiguous_format)  # type: ignore[call-overload,no-any-return]


def usual_precision(device: torch.device) -> str:
    """What ours and the peers work in on a device."""
    return "bfloat16" if device.type == "cuda" else "float32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Mixed precision, where that was asked for."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def peer_training(who: str, lineage: Lineage, images: Tensor, labels: Tensor, precision: str) -> Work:
    """A step with torch's fused SGD; `who` is one of PEERS."""
    net, forward = _built(who, lineage, images.device, is_training=True)
    optimizer = torch.optim.SGD(net.parameters(), 0.01, 0.9, weight_decay=5e-4, fused=True)

    def step() -> None:
        with autocast(images.device, precision):
            loss = F.cross_entropy(forward(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    return step


def peer_prediction(who: str, lineage: Lineage, images: Tensor, precision: str) -> Work:
    """A pass through the network; `who` is one of PEERS."""
    _, forward = _built(who, lineage, images.device, is_training=False)

    @torch.inference_mode()
    def work() -> None:
        with autocast(images.device, precision):
            forward(images)

    return work


def _built(
    who: str, lineage: Lineage, device: torch.device, is_training: bool
) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    torch.compiler.reset()
    net = plain_build(lineage, device).train(is_training)
    return net, torch.compile(net) if who == "compiled" else net
