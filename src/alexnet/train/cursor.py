"""Where a run is: all that a checkpoint has to know besides tensors."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from alexnet.train.schedule import Plateau
from alexnet.train.watch import Watch


@dataclass(frozen=True)
class Best:
    """The epoch with the lowest validation error so far; equal errors, the lower loss."""

    epoch: int
    step: int
    top1_error: float
    loss: float

    def beats(self, other: "Best | None") -> bool:
        # Fractions of one set of pictures: closer than a millionth is the same number of mistakes.
        if other is None or self.top1_error < other.top1_error - 1e-6:
            return True
        return self.top1_error < other.top1_error + 1e-6 and self.loss < other.loss


@dataclass
class Cursor:
    """Where a run is. Epochs and steps count what is done.

    Attributes:
        stage: index of the stage at work; the number of stages when all is done.
        epoch: epochs of the stage.
        epochs: epochs of the whole run; the present one's order and draws belong to it.
        position: pictures of the present epoch.
        stage_step: steps of the stage.
        step: steps of the whole run.
        lr: rate of the last step.
        rows: rows of metrics.jsonl.
        seconds: time spent training and validating.
        window_loss: summed loss of the pictures since the last row, and their number.
        epoch_loss: the same since the start of the epoch, up to the last row.
        skipped: unreadable pictures, name to reason.
    """

    stage: int = 0
    epoch: int = 0
    epochs: int = 0
    position: int = 0
    stage_step: int = 0
    step: int = 0
    lr: float = 0.0
    rows: int = 0
    seconds: float = 0.0
    window_loss: float = 0.0
    window_pictures: int = 0
    window_steps: int = 0
    epoch_loss: float = 0.0
    epoch_pictures: int = 0
    plateau: Plateau = field(default_factory=Plateau)
    watch: Watch = field(default_factory=Watch)
    best: Best | None = None
    skipped: dict[str, str] = field(default_factory=dict)

    def next_epoch(self) -> None:
        """Move to the start of the next epoch of the stage."""
        self.epoch += 1
        self.epochs += 1
        self.position = 0
        self.epoch_loss, self.epoch_pictures = 0.0, 0

    def next_stage(self) -> None:
        """Move to the start of the next stage."""
        self.stage += 1
        self.epoch = self.stage_step = 0
        self.plateau, self.watch = Plateau(), Watch()

    def to_json(self) -> dict[str, Any]:
        """All fields, as JSON can hold them."""
        values = asdict(self)
        values["plateau"]["best"] = None if math.isinf(self.plateau.best) else self.plateau.best
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave; floats come back to the last bit."""
        plateau = dict(values["plateau"])
        if plateau["best"] is None:
            plateau["best"] = math.inf
        best = Best(**values["best"]) if values["best"] else None
        return cls(**{**values, "plateau": Plateau(**plateau), "watch": Watch(**values["watch"]), "best": best})
