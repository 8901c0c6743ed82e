"""What a run consists of: stages, each a part of the network, its examples and how they are scored.

B examples of a batch.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from torch import Tensor

from alexnet.parallel.scheme import Scheme


@dataclass(frozen=True)
class Examples:
    """A batch on the device, ready for the stage's module.

    Attributes:
        inputs: (B, ...), pictures or features.
        labels: (B,) int64, or (B, K) shares of the classes.
        upto: position in the epoch's order behind the last of them.
        slots: (B,) int64, place of each among the slots of the step, whoever holds them; None: all are here.
        slot_count: slots of the step.
        count: examples of the step.
    """

    inputs: Tensor
    labels: Tensor
    upto: int
    slots: Tensor | None
    slot_count: int
    count: int

    @classmethod
    def all(cls, inputs: Tensor, labels: Tensor, upto: int) -> "Examples":
        """A batch that this process has to itself."""
        return cls(inputs, labels, upto, None, len(labels), len(labels))


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
        scheme: the part of the network that goes from the inputs of `supply` to logits, what of it is trained, and how
            the work is shared out.
        deep: names among them that move at `deep_lr` times the rate.
    """

    name: str
    epochs: int
    scheme: Scheme
    deep: frozenset[str]
    supply: Supply
