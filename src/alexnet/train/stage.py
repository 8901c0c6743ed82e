"""What a run consists of: stages, each a part of the network, its examples and how they are scored.

B examples of a batch.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Examples:
    """A batch on the device, ready for the stage's module.

    Attributes:
        inputs: (B, ...), pictures or features.
        labels: (B,) int64, or (B, K) shares of the classes.
        upto: position in the epoch's order behind the last of them.
    """

    inputs: Tensor
    labels: Tensor
    upto: int


Batches = Callable[[int, int], Generator[Examples, None, None]]
"""(epoch of the run, position to begin at) -> that epoch's examples, in batches that do not depend on the position."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Scores:
    """What a validation found; `top5_error` is None where the network has 5 classes or fewer."""

    top1_error: float
    top5_error: float | None
    loss: float


@dataclass(frozen=True)
class Supply:
    """Where a stage's examples come from, and how it is scored.

    Attributes:
        count: examples of an epoch.
        validate: scores the network as it is; calls its argument with (done, total).
    """

    count: int
    batches: Batches
    validate: Callable[[Progress], Scores]


@dataclass(frozen=True)
class Stage:
    """One part of a run.

    Attributes:
        module: from the inputs of `supply` to logits; its layers are those of the network.
        parameters: what is trained, by name.
        deep: names among them that move at `deep_lr` times the rate.
    """

    name: str
    epochs: int
    module: nn.Module
    parameters: dict[str, nn.Parameter]
    deep: frozenset[str]
    supply: Supply
