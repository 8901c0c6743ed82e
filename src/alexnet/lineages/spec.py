"""The words a lineage is written in: one frozen row per layer, no torch.

The order of rows is the order of work. Defaults are the paper's; a table says only what differs.
"""

from dataclasses import dataclass, field
from typing import Literal

Order = Literal["RGB", "BGR"]
Fit = Literal["short", "warp"]


@dataclass(frozen=True)
class Input:
    """What the weights of a lineage expect to be fed.

    Attributes:
        size: side of a view in pixels.
        order: order of the three colour planes.
        range: largest value of a channel, 255 or 1.
        mean: what is subtracted: "image" (a mean image of the training set), "channel" (its three
            means), or three fixed numbers in RGB order on the scale of `range`.
        std: divisor per channel, RGB order, on the scale of `range`.
        resize: side in pixels of the square that views are cut from.
        mean_alignment: which part of a mean image a view loses: its "center" (cuda-convnet), or the part that lies
            under the view in the "picture" (Caffe).
        fit: "short" keeps the aspect ratio (short side to `resize`, centre square), "warp" does not.
    """

    size: int
    order: Order = "RGB"
    range: Literal[1, 255] = 255
    mean: Literal["image", "channel"] | tuple[float, float, float] = "image"
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    mean_alignment: Literal["center", "picture"] = "center"
    resize: int = 256
    fit: Fit = "short"

    @property
    def is_unscaled(self) -> bool:
        """Whether colours stay numbers of 0 to 255, less their mean."""
        return self.range == 255 and self.std == (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Conv:
    """A convolution, followed by the activation unless `active` is False.

    Attributes:
        groups: 2 is the paper's two towers: output half g reads input half g.
        std: standard deviation of the initial weights; None is torch's own initialisation.
        bias: initial value of the biases.
        ceil: round the output size up, reading zeros beyond the right and bottom edge (cuda-convnet).
    """

    name: str
    out_channels: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    std: float | None = 0.01
    bias: float = 0.0
    ceil: bool = False
    active: bool = True


@dataclass(frozen=True)
class Local:
    """A convolution whose weights are not shared between positions (cuda-convnet's `local`)."""

    name: str
    out_channels: int
    kernel_size: int
    padding: int = 0
    std: float = 0.01
    bias: float = 0.0
    active: bool = True


@dataclass(frozen=True)
class Norm:
    """Local response normalisation across channels: x / (k + alpha / divisor * sum of squares) ** beta.

    Attributes:
        alpha: as torch takes it, divided by the window. The printed formula of the paper does not divide: its
            table holds 5 times the printed alpha.
        groups: the window stays inside one of this many equal blocks of channels (2: inside a tower).
    """

    name: str
    size: int = 5
    k: float = 2.0
    alpha: float = 1e-4
    beta: float = 0.75
    groups: int = 1


@dataclass(frozen=True)
class SpatialNorm:
    """Response normalisation within one map: x / (1 + alpha / size**2 * sum over size x size) ** beta."""

    name: str
    size: int = 5
    alpha: float = 1e-3
    beta: float = 0.75


@dataclass(frozen=True)
class Pool:
    """Pooling; windows of 3 at stride 2 overlap. `ceil` rounds the output size up, as Caffe and cuda-convnet do."""

    name: str
    kernel_size: int = 3
    stride: int = 2
    kind: Literal["max", "avg"] = "max"
    ceil: bool = True


@dataclass(frozen=True)
class AdaptivePool:
    """Average pooling to a fixed size, whatever comes in (torchvision)."""

    name: str
    out_size: int


@dataclass(frozen=True)
class Activation:
    """The activation in a place of its own, for tables where it does not follow its layer directly."""

    name: str


@dataclass(frozen=True)
class Linear:
    """A fully connected layer, followed by the activation unless `active` is False."""

    name: str
    out_features: int
    std: float | None = 0.01
    bias: float = 0.0
    active: bool = True


@dataclass(frozen=True)
class Dropout:
    """Dropout with probability `p`; inverted, so that a trained network needs no factor at test time."""

    name: str
    p: float = 0.5


Layer = Conv | Local | Norm | SpatialNorm | Pool | AdaptivePool | Activation | Linear | Dropout


@dataclass(frozen=True)
class Solver:
    """The lineage's own training constants, what `--recipe paper` obeys.

    Attributes:
        bias_lr: factor on the rate for biases (cuda-convnet and Caffe: 2).
        bias_decay: whether weight decay acts on biases.
        color: reading of the PCA colour noise ("sqrt", "eigenvalue") or "off".
        lr_drops: how often the rate is divided by 10 when the validation error stops improving.
    """

    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    batch_size: int = 128
    epochs: int = 90
    bias_lr: float = 1.0
    bias_decay: bool = True
    color: Literal["sqrt", "eigenvalue", "off"] = "sqrt"
    lr_drops: int = 3


@dataclass(frozen=True)
class Lineage:
    """One AlexNet: its name, where it is written down, its input, its layers in order and its solver.

    `changes` names what `vary` changed, as (argument, value) pairs, so that a file can say it.
    """

    name: str
    title: str
    source: str
    input: Input
    layers: tuple[Layer, ...]
    solver: Solver = field(default_factory=Solver)
    activation: Literal["relu", "tanh", "sigmoid"] = "relu"
    in_channels: int = 3
    notes: tuple[str, ...] = ()
    changes: tuple[tuple[str, object], ...] = ()

    @property
    def num_classes(self) -> int:
        """Width of the last layer."""
        last = self.layers[-1]
        assert isinstance(last, Linear), f"{self.name}: the last row is {last}"
        return last.out_features

    @property
    def head(self) -> str:
        """Name of the last layer, the one that fine-tuning replaces."""
        return self.layers[-1].name
