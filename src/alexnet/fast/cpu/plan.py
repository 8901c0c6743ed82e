"""A network's layers as steps: what runs together is one step, what does nothing at rest is none."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from alexnet.fast.cpu.norm import ResponseNorm
from alexnet.fast.cpu.norm_pool import MaxPool, NormPool
from alexnet.model.layers import Dropout, LocalResponseNorm

Step = Callable[[Tensor], Tensor]
Weighted = nn.Conv2d | nn.Linear
Pack = Callable[[str, Weighted, bool], Step]
"""Makes the step of a layer with weights: its name, the layer, whether ReLU follows."""


@dataclass(frozen=True)
class Plain:
    """A layer as the plain network has it, in float32."""

    layer: nn.Module

    def __call__(self, maps: Tensor) -> Tensor:
        result: Tensor = self.layer(maps.float())
        return result


def steps(net: nn.Sequential, pack: Pack) -> Iterator[tuple[str, Step]]:
    """The steps in order, each with the name of the layer that it begins with."""
    rest = list(single_steps(net, pack))
    while rest:
        name, step = rest.pop(0)
        match step, rest[0][1] if rest else None:
            case (ResponseNorm() as norm, MaxPool() as pool) | (MaxPool() as pool, ResponseNorm() as norm):
                rest.pop(0)
                yield name, NormPool(norm, pool, pools_first=step is pool)
            case ResponseNorm() as norm, _:
                yield name, NormPool(norm, None)
            case MaxPool() as pool, _:
                yield name, NormPool(None, pool)
            case _:
                yield name, step


def single_steps(net: nn.Sequential, pack: Pack) -> Iterator[tuple[str, Step]]:
    """The steps before norms and poolings side by side are one."""
    children = list(net.named_children())
    layers = [None, *(layer for _, layer in children), None]
    for (name, layer), before, after in zip(children, layers[:-2], layers[2:], strict=True):
        match layer:
            case nn.Conv2d() | nn.Linear():
                yield name, pack(name, layer, isinstance(after, nn.ReLU))
            case nn.ReLU() if isinstance(before, Weighted):
                pass
            case Dropout():
                pass
            case LocalResponseNorm():  # on a map of our own, not on the caller's pictures
                yield name, ResponseNorm(layer, overwrites=isinstance(before, Weighted | nn.ReLU | nn.MaxPool2d))
            case nn.MaxPool2d():
                yield name, MaxPool(layer)
            case nn.Flatten():
                yield name, layer
            case _:
                yield name, Plain(layer)


def fed(net: nn.Sequential, name: str) -> str | None:
    """The layer with weights that reads what `name` made, with at most pooling between; None if something else does."""
    children = list(net.named_children())
    position = [child for child, _ in children].index(name) + 1
    for follower, layer in children[position:]:
        if isinstance(layer, Weighted):
            return follower
        if not isinstance(layer, nn.MaxPool2d | nn.Flatten | nn.ReLU | Dropout):
            return None
    return None
