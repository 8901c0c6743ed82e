"""What a claim is, what was found about it, and the rule that makes a verdict of figures."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alexnet.inference.charts import Line
from alexnet.reproduce.budget import Budget
from alexnet.reproduce.trial import Data, Results, Trial, values

Verdict = Literal["holds", "holds in direction", "does not hold here", "smoke run"]


@dataclass(frozen=True)
class Comparison:
    """One number of the paper beside ours.

    Attributes:
        what: is compared, so that a number above `null` is what the paper says.
        ours: a figure for each seed.
        paper: the paper's figure; None where it gives none, and only the direction counts.
        unit: "points" (of error, in per cent), "times", or what else.
        null: the figure if there were nothing in the claim.
        tolerance: for figures that must be the paper's: by which share of it they may be off; None: more is better.
    """

    what: str
    ours: tuple[float, ...]
    paper: float | None = None
    unit: str = "points"
    null: float = 0.0
    tolerance: float | None = None

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.mean(self.ours)

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds; 0 for one, and no number where a figure is infinite."""
        if not all(map(math.isfinite, self.ours)):
            return math.nan
        return statistics.stdev(self.ours) if len(self.ours) > 1 else 0.0

    @property
    def verdict(self) -> Verdict:
        """Holds: beyond two standard errors of nothing, and at least half as large as in the paper, if that says.

        In direction: on the right side of nothing. With a tolerance every figure must lie within it.
        """
        if self.tolerance is not None and self.paper is not None:
            is_near = all(abs(each - self.paper) <= self.tolerance * abs(self.paper) for each in self.ours)
            return "holds" if is_near else "does not hold here"
        effect, error = self.mean - self.null, self.spread / math.sqrt(len(self.ours))
        if not math.isfinite(effect) or effect <= 0:
            return "does not hold here"
        is_large = self.paper is None or effect >= 0.5 * (self.paper - self.null)
        return "holds" if effect > 2 * error and is_large else "holds in direction"

    def to_json(self) -> dict[str, Any]:
        """Fields as result.json has them."""
        return {
            "what": self.what, "unit": self.unit, "paper": self.paper, "mean": round(self.mean, 4),
            "spread": round(self.spread, 4), "seeds": len(self.ours), "ours": [round(each, 4) for each in self.ours],
            "verdict": self.verdict,
        }  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What a claim's trainings gave.

    Attributes:
        comparisons: the paper's numbers beside ours.
        reason: what has to be known to read them, in a sentence or two.
        lines: for the plot; none for claims without curves.
        y_label: of the plot, whose x are epochs.
        is_percent: whether y are fractions.
        details: more figures, for result.json.
        pictures: other files to write: name and bytes.
    """

    comparisons: tuple[Comparison, ...]
    reason: str
    lines: tuple[Line, ...] = ()
    y_label: str = "validation error"
    is_percent: bool = True
    details: dict[str, Any] | None = None
    pictures: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Attributes:
        section: of the paper.
        says: the claim in a sentence.
        data: which sets it trains on.
        plan: the trainings it wants.
        find: what they gave.
    """

    name: str
    section: str
    says: str
    data: tuple[Data, ...]
    plan: Callable[[Budget], Sequence[Trial]]
    find: Callable[[Budget, Results], Found]


def verdict_of(comparisons: Sequence[Comparison]) -> Verdict:
    """Of several comparisons: as weak as the weakest."""
    order: tuple[Verdict, ...] = ("does not hold here", "holds in direction", "holds")
    return min((each.verdict for each in comparisons), key=order.index)


def gain(results: Results, larger: Sequence[Trial], smaller: Sequence[Trial], name: str) -> tuple[float, ...]:
    """How many points more the first trainings have of an error than the second, seed by seed."""
    return differences(values(results, larger, name), values(results, smaller, name))


def differences(larger: Sequence[float], smaller: Sequence[float], factor: float = 100.0) -> tuple[float, ...]:
    """Seed by seed; fractions become points of a per cent."""
    return tuple(factor * (one - other) for one, other in zip(larger, smaller, strict=True))
