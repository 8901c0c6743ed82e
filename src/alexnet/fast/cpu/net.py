"""A finished network in, an equal one that is faster on this processor out."""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn

from alexnet.errors import UsageError
from alexnet.fast.cpu import processor
from alexnet.fast.cpu.compiled import WORTH
from alexnet.fast.cpu.integers import IntegerConv, IntegerLinear, Range
from alexnet.fast.cpu.norm_pool import NormPool
from alexnet.fast.cpu.operators import compile_all
from alexnet.fast.cpu.packed import PackedConv, PackedLinear
from alexnet.fast.cpu.plan import Step, Weighted, fed, steps
from alexnet.lineages import trace
from alexnet.model import AlexNet

IMAGES_PER_PART = 8
"""Images that go through the convolutions together: their maps stay in the cache, and in memory that is used again."""


def accelerate_on_cpu(net: AlexNet, dtype: torch.dtype = torch.float32, samples: Tensor | None = None) -> nn.Module:
    """Return an equal function, faster without gradients; `net` itself where torch has no oneDNN.

    Where the processor lacks the arithmetic of `dtype`, the answer works in float32: its `dtype` says so.

    Args:
        net: on the CPU. It is asked itself where gradients are wanted, and in training mode.
        dtype: of the arithmetic: float32, bfloat16 or int8.
        samples: (B, C, H, W) preprocessed pictures that show int8 how large activations become; needed for int8 only.

    Raises:
        UsageError: int8 without samples.
    """
    if not processor.has_onednn():
        return net
    if dtype == torch.int8 and processor.has_int8():
        if samples is None:
            raise UsageError("int8 needs pictures that show how large activations become: pass samples.")
        return CpuNet(net, torch.int8, find_ranges(CpuNet(net, torch.float32), samples))
    return CpuNet(net, torch.bfloat16 if dtype == torch.bfloat16 and processor.has_bfloat16() else torch.float32)


class CpuNet(nn.Module):
    """A network in steps. Parameters are `net`'s; layouts of oneDNN are made anew when one of them has changed."""

    def __init__(self, net: AlexNet, dtype: torch.dtype, ranges: dict[str, Range] | None = None) -> None:
        super().__init__()
        self.net, self.dtype, self.lineage = net, dtype, net.lineage
        self._ranges = ranges or {}
        self._sizes = {row.layer.name: row.in_shape[-1] for row in trace(net.lineage)}
        self._sources = list(net.parameters())
        self._versions: list[int] = []
        self._steps: list[tuple[str, Step]] = []
        self._seen = 0
        self.train(net.training)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, K), float32, of images (B, C, H, W)."""
        if self.training or torch.is_grad_enabled() or images.device.type != "cpu":
            logits: Tensor = self.net(images)
            return logits
        self._seen += len(images)
        if self._seen > WORTH:
            compile_all()
        before, after = self._parts()
        maps = [_through(before, part) for part in torch.split(images, IMAGES_PER_PART)]
        return _through(after, torch.cat(maps) if len(maps) > 1 else maps[0]).float()

    def named_steps(self) -> list[tuple[str, Step]]:
        """The steps, each with the name of the layer that it begins with."""
        versions = [0 if source.is_inference() else source._version for source in self._sources]
        if versions != self._versions:
            with torch.inference_mode():
                self._steps = handing_on(list(steps(self.net, self._pack)))
            self._versions = versions
        return self._steps

    def _parts(self) -> tuple[list[Step], list[Step]]:
        """The steps on maps, and those on features."""
        named = self.named_steps()
        position = [name for name, _ in named].index("flatten") + 1
        chain = [step for _, step in named]
        return chain[:position], chain[position:]

    def _pack(self, name: str, layer: Weighted, is_rectified: bool) -> Step:
        if self.dtype == torch.int8:
            return self._pack_integers(name, layer, is_rectified)
        if isinstance(layer, nn.Conv2d):
            return PackedConv.of(layer, self.dtype, is_rectified, self._sizes[name])
        return PackedLinear.of(layer, self.dtype, is_rectified)

    def _pack_integers(self, name: str, layer: Weighted, is_rectified: bool) -> Step:
        reader = fed(self.net, name) if is_rectified else None
        inputs, outputs = self._ranges[name], self._ranges[reader] if reader else None
        if isinstance(layer, nn.Conv2d):
            return IntegerConv.of(layer, is_rectified, self._sizes[name], inputs, outputs)
        return IntegerLinear.of(layer, is_rectified, inputs, outputs)


def handing_on(chain: list[tuple[str, Step]]) -> list[tuple[str, Step]]:
    """The steps, of which those before a layer of integers give it the integers that it wants."""
    followers = [*(step for _, step in chain[1:]), None]
    return [
        (name, replace(step, outputs=follower.inputs))
        if isinstance(step, NormPool) and isinstance(follower, IntegerConv | IntegerLinear)
        else (name, step)
        for (name, step), follower in zip(chain, followers, strict=True)
    ]


def find_ranges(net: CpuNet, samples: Tensor) -> dict[str, Range]:
    """What each layer with weights reads, from the smallest to the largest activation that `samples` cause."""
    found: dict[str, list[Tensor]] = {}
    with torch.inference_mode():
        for maps in torch.split(samples, IMAGES_PER_PART):
            for name, step in net.named_steps():
                if isinstance(step, PackedConv | PackedLinear):
                    found.setdefault(name, []).extend(torch.aminmax(maps))
                maps = step(maps)  # noqa: PLW2901
    return {name: Range.of(float(min(ends)), float(max(ends))) for name, ends in found.items()}


def _through(chain: Iterable[Step], maps: Tensor) -> Tensor:
    for step in chain:
        maps = step(maps)
    return maps
