"""One training that a claim wants: what differs from the others, and the seed. Claims that want the same share it."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Literal

Data = Literal["cifar", "tiny"]


@dataclass(frozen=True)
class Trial:
    """One training.

    Attributes:
        data: whose pictures; "cifar" trains by `resident.py`, "tiny" by `alexnet.train`.
        variant: a name for what differs.
        settings: of that trainer, as (name, value) pairs.
        is_examined: whether the finished network also guesses by ten views and looks for pictures that are alike.
    """

    data: Data
    variant: str
    seed: int
    settings: tuple[tuple[str, Any], ...]
    is_examined: bool = False

    @property
    def key(self) -> str:
        """A name that no other training has."""
        said = json.dumps(asdict(self), sort_keys=True)
        return (
            f"{self.data}-{self.variant.replace(' ', '-')}-{self.seed}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"
        )


def trial_of(fields: Mapping[str, Any]) -> Trial:
    """A trial from its JSON."""
    settings = tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in fields["settings"])
    return replace(Trial(**fields), settings=settings)


def as_json(document: Mapping[str, Any], indent: int | None = None) -> str:
    """JSON text, with null for figures that are no numbers: JSON has no words for them."""
    return json.dumps(_finite(document), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


Results = Mapping[str, Mapping[str, Any]]


def trials(data: Data, variant: str, seeds: int, is_examined: bool = False, **settings: Any) -> list[Trial]:
    """The same training from `seeds` seeds."""
    pairs = tuple(sorted(settings.items()))
    return [Trial(data, variant, seed, pairs, is_examined) for seed in range(seeds)]


def values(results: Results, wanted: Iterable[Trial], name: str, missing: float = 0.0) -> list[float]:
    """One figure of several trainings; a set of 5 classes or fewer has no top-5 error, which is 0 then."""
    found = [results[trial.key][name] for trial in wanted]
    return [missing if figure is None else float(figure) for figure in found]


def history(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The curve by epoch and the loss by step, of the rows of metrics.jsonl."""
    return {
        "curve": [
            {"epoch": row["epoch"], "train_loss": row["train_loss"], "error": row["top1_error"]}
            for row in rows
            if row["event"] == "epoch"
        ],
        "steps": [{"step": row["step"], "loss": row["train_loss"]} for row in rows if row["event"] == "step"],
    }


def curves(results: Results, wanted: Iterable[Trial], name: str) -> list[tuple[float, float]]:
    """A figure by epoch, the mean over trainings as far as all of them got."""
    rows = [results[trial.key]["curve"] for trial in wanted]
    return [
        (float(points[0]["epoch"]), sum(float(point[name]) for point in points) / len(points))
        for points in zip(*rows, strict=False)
        if all(point.get(name) is not None for point in points)
    ]


def when_reached(curve: Sequence[tuple[float, float]], goal: float | None) -> float | None:
    """The epoch, with its part, at which an error given as (epoch, error) fell to the goal, by a straight line."""
    for (before, high), (after, low) in pairwise(curve):
        if goal is not None and low <= goal:
            return before + (after - before) * ((high - goal) / (high - low) if high > low else 1.0)
    return None
