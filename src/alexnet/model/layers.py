"""The layers that torch lacks, or has in another form. None works in place.

Shapes: B images, C channels, H rows, W columns, O output channels, K kernel side, P positions.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def windowed_sum(x: Tensor, size: int, dim: int) -> Tensor:
    """Sum over a sliding window of `size` (odd) along `dim`, clipped at the ends; same shape as `x`.

    Adds shifted copies. Subtracting running sums would be shorter and would lose digits.
    """
    length, reach = x.shape[dim], size // 2
    pad = [0, 0] * (x.ndim - 1 - dim) + [reach, reach]
    padded = F.pad(x, pad)
    shifted = (padded.narrow(dim, offset, length) for offset in range(1, size))
    return sum(shifted, start=padded.narrow(dim, 0, length))


class LocalResponseNorm(nn.Module):
    """Normalise each activation by its neighbours in `size` adjacent channels.

    b = a / (k + alpha / size * sum of a**2 over the window) ** beta, the window staying inside its group of
    channels. alpha is divided by the window, as cuda-convnet, Caffe and torch do; the paper's printed formula
    does not divide, so its table carries 5 times the printed alpha.

    Source: Krizhevsky et al. 2012, sec. 3.3; groups: cuda-convnet's towers.
    """

    def __init__(self, size: int, alpha: float, beta: float, k: float, groups: int = 1) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k, self.groups = size, alpha, beta, k, groups

    def forward(self, images: Tensor) -> Tensor:
        count, channels, *sides = images.shape
        towers = images.reshape(count, self.groups, channels // self.groups, *sides)  # (B, G, C/G, H, W)
        energy = windowed_sum(towers.square(), self.size, dim=2)
        return (towers * (self.k + self.alpha / self.size * energy).pow(-self.beta)).reshape(images.shape)

    def extra_repr(self) -> str:
        return f"size={self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}, groups={self.groups}"


class SpatialResponseNorm(nn.Module):
    """Normalise each activation by a `size` x `size` neighbourhood of its own map.

    b = a / (1 + alpha / size**2 * sum of a**2 over the window) ** beta.

    Source: cuda-convnet's `rnorm`, second norm of stage 2 in configuration 145.
    """

    def __init__(self, size: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta = size, alpha, beta

    def forward(self, images: Tensor) -> Tensor:
        energy = windowed_sum(windowed_sum(images.square(), self.size, dim=2), self.size, dim=3)
        return images * (1 + self.alpha / self.size**2 * energy).pow(-self.beta)

    def extra_repr(self) -> str:
        return f"size={self.size}, alpha={self.alpha}, beta={self.beta}"


class CeilConv2d(nn.Conv2d):
    """A convolution whose output size is rounded up: the last windows hang over the right and bottom edge.

    Source: cuda-convnet, `1 + ceil((2*pad + size - filter) / stride)`; 224 becomes 55, as in the paper.
    """

    def forward(self, images: Tensor) -> Tensor:
        below, right = self.overhang(images)
        return super().forward(F.pad(images, (0, right, 0, below)))

    def overhang(self, images: Tensor) -> tuple[int, int]:
        """Rows below and columns right of `images` that the last windows read, so that whole strides fit."""
        return self._overhang(images.shape[2], 0), self._overhang(images.shape[3], 1)

    def _overhang(self, size: int, axis: int) -> int:
        padding = self.padding[axis]
        assert isinstance(padding, int)
        return (self.kernel_size[axis] - size - 2 * padding) % self.stride[axis]


class LocallyConnected2d(nn.Module):
    """A convolution at stride 1 with weights of its own at every position.

    `weight` is (H'*W', O, C*K*K), `bias` (H'*W', O): one small matrix per output position.

    Source: cuda-convnet's `local` layers.
    """

    def __init__(self, in_shape: tuple[int, int, int], out_channels: int, kernel_size: int, padding: int) -> None:
        super().__init__()
        channels, height, width = in_shape
        self.kernel_size, self.padding = kernel_size, padding
        self.out_size = (height + 2 * padding - kernel_size + 1, width + 2 * padding - kernel_size + 1)
        positions = self.out_size[0] * self.out_size[1]
        self.weight = nn.Parameter(torch.empty(positions, out_channels, channels * kernel_size**2))
        self.bias = nn.Parameter(torch.empty(positions, out_channels))

    def forward(self, images: Tensor) -> Tensor:
        side, padding = self.kernel_size, self.padding
        # F.unfold starts a kernel for each picture on a GPU; these windows are one copy, in the order of the product.
        windows = F.pad(images, [padding] * 4).unfold(2, side, 1).unfold(3, side, 1)  # (B, C, H', W', K, K)
        patches = windows.permute(2, 3, 0, 1, 4, 5).reshape(len(self.weight), len(images), -1)  # (P, B, C*K*K)
        maps = torch.baddbmm(self.bias.unsqueeze(1), patches, self.weight.transpose(1, 2))  # (P, B, O)
        return maps.permute(1, 2, 0).reshape(len(images), -1, *self.out_size)

    def extra_repr(self) -> str:
        positions, out_channels, fan_in = self.weight.shape
        return f"{fan_in // self.kernel_size**2}, {out_channels}, kernel_size={self.kernel_size}, positions={positions}"


class Dropout(nn.Module):
    """Inverted dropout whose masks are a function of a seed, the picture's slot in the step's batch, and the unit.

    The numbers of a whole step come from a generator that the trainer owns, seeded from (seed, step), so that a run
    resumes exactly without saving random state. A process that holds some of the pictures, or some of the units, draws
    all the same and keeps its own: several processes make the masks that one would.
    """

    generator: torch.Generator | None = None
    slots: Tensor | None = None
    count = 0
    units: slice | None = None
    width = 0

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, features: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return features
        return features * (self._draws(features) >= self.p) / (1 - self.p)

    def _draws(self, features: Tensor) -> Tensor:
        """Uniform numbers of the features' shape: the rows `slots` and the columns `units` of the whole step's."""
        rows = len(features) if self.slots is None else self.count
        shape = (rows, *features.shape[1:]) if self.units is None else (rows, self.width)
        draws = torch.rand(shape, generator=self.generator, device=features.device)
        if self.slots is not None:
            draws = draws[self.slots.to(features.device)]
        return draws if self.units is None else draws[:, self.units]

    def extra_repr(self) -> str:
        return f"p={self.p}"


def set_dropout_generator(model: nn.Module, generator: torch.Generator | None) -> None:
    """Let every dropout layer of `model` draw from `generator`; None is torch's global one."""
    for module in model.modules():
        if isinstance(module, Dropout):
            module.generator = generator


def set_dropout_slots(model: nn.Module, slots: Tensor | None, count: int) -> None:
    """Tell every dropout layer of `model` which slots of a step's batch its rows are.

    Args:
        model: whose layers are told.
        slots: (B,) int64, ascending; None: the rows are all there is.
        count: slots of the whole step, whoever holds them.
    """
    is_all = slots is not None and len(slots) == count
    for module in model.modules():
        if isinstance(module, Dropout):
            module.slots, module.count = None if is_all else slots, count
