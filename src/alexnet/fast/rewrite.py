"""A finished network in, an equal one that is faster out."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from alexnet.fast.conv1 import Blocks
from alexnet.fast.cpu import accelerate_on_cpu
from alexnet.fast.stages import Stage, plan
from alexnet.lineages import Lineage
from alexnet.model import AlexNet, Dropout


def accelerate(net: AlexNet, dtype: torch.dtype | None = None, samples: Tensor | None = None) -> nn.Module:
    """Return an equal function of the same parameters, faster; `net` itself where nothing here would help.

    The parameters stay in `net`, in float32, and their gradients arrive there. `net` comes back unchanged from a GPU
    without Triton, with another activation than ReLU, and with layers that have no stage here. For a CPU see
    `accelerate_on_cpu`.

    Args:
        net: on the device where it will work.
        dtype: of the arithmetic and of the maps between the layers: bfloat16 (the default on a GPU), float16 or float32
            (the default on a CPU); int8 on a CPU only.
        samples: preprocessed pictures (B, C, H, W), for int8.
    """
    device = next(net.parameters()).device
    if device.type == "cpu":
        return accelerate_on_cpu(net, dtype or torch.float32, samples)
    dtype = dtype or torch.bfloat16
    if device.type != "cuda" or not has_triton() or dtype not in (torch.bfloat16, torch.float16, torch.float32):
        return net
    stages = plan(net.lineage, net)
    return net if stages is None else FastNet(net, stages, dtype, net.lineage)


def has_triton() -> bool:
    """Whether the kernels can be compiled here."""
    from importlib.util import find_spec

    return find_spec("triton") is not None


class FastNet(nn.Module):
    """A network, or a part of one, in stages. It owns no parameter: those are `net`'s.

    Dropout masks are functions of a seed that is drawn once a pass, from the generator of `net`'s dropout layers.
    """

    def __init__(self, net: nn.Sequential, stages: tuple[Stage, ...], dtype: torch.dtype, lineage: Lineage) -> None:
        super().__init__()
        self.net, self.stages, self.dtype, self.lineage = net, stages, dtype, lineage
        self._copies: dict[str, tuple[int, Tensor]] = {}
        self._prepared: tuple[tuple[object, ...], dict[str, Tensor]] = ((), {})
        self.train(net.training)

    @property
    def blocks(self) -> Blocks | None:
        """How the first layer cuts pictures into blocks, which it also takes ready-made; None if it does not."""
        return getattr(self.stages[0], "blocks", None)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, K), float32, of images (B, C, H, W)."""
        return self.run(images, self._weights(), self._draw_seed(images.device) if self.training else None).float()

    def run(self, images: Tensor, weights: Mapping[str, Tensor], seed: Tensor | None) -> Tensor:
        """Return the logits of images with other weights, as the last stage gives them.

        Args:
            weights: by name, matrices in `dtype`, biases in float32.
            seed: (1,) int64 on the device, of the dropout masks, or (1 + B,) with the places of the images in a larger
                batch, see `rectified`; None: nothing drops out.
        """
        maps: tuple[Tensor, ...] = (images,)
        for stage in self.stages:
            maps = stage(maps, weights, seed)
        return maps[0]

    def _weights(self) -> dict[str, Tensor]:
        """The parameters, matrices in low precision; differentiable where gradients are wanted."""
        weights = {
            name: parameter if parameter.ndim == 1 else self._copy(name, parameter)
            for name, parameter in self.net.named_parameters()
        }
        return weights if torch.is_grad_enabled() else weights | self._ready(weights)

    def _ready(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the stages make of these weights, made anew when one of them has changed."""
        state = tuple((parameter._version, parameter.device) for parameter in self.net.parameters())
        if state != self._prepared[0]:
            with torch.inference_mode(False), torch.no_grad():
                made = {name: each for stage in self.stages for name, each in stage.prepared(weights).items()}
            self._prepared = (state, made)
        return self._prepared[1]

    def _copy(self, name: str, parameter: Tensor) -> Tensor:
        if torch.is_grad_enabled() and parameter.requires_grad:
            return parameter.to(self.dtype, memory_format=layout_of(parameter))
        version, copy = self._copies.get(name, (-1, parameter))
        if version != parameter._version or copy.device != parameter.device:
            with torch.inference_mode(False):  # a later pass may want gradients of other weights
                copy = parameter.detach().to(self.dtype, memory_format=layout_of(parameter))
            self._copies[name] = (parameter._version, copy)
        return copy

    def _draw_seed(self, device: torch.device) -> Tensor | None:
        layers = [layer for layer in self.net if isinstance(layer, Dropout)]
        if not layers:
            return None
        return torch.randint(2**62, (1,), generator=layers[0].generator, device=device)


def layout_of(parameter: Tensor) -> torch.memory_format:
    """How the copy of a parameter lies in memory: as the kernels want it."""
    return torch.channels_last if parameter.ndim == 4 else torch.contiguous_format
