"""One training that a claim wants: what differs from the others, and the seed. Claims that want the same share it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Data = Literal["cifar", "tiny"]


@dataclass(frozen=True)
class Trial:
    """One training.

    Attributes:
        data: whose pictures; "cifar" trains by `resident.py`, "tiny" by `alexnet.train`.
        variant: a name for what differs.
        settings: of that trainer, as (name, value) pairs.
        is_asked_alike: whether the finished network also looks for pictures that are alike.
    """

    data: Data
    variant: str
    seed: int
    settings: tuple[tuple[str, Any], ...]
    is_asked_alike: bool = False

    @property
    def key(self) -> str:
        """A name that no other training has."""
        said = json.dumps(asdict(self), sort_keys=True)
        return (
            f"{self.data}-{self.variant.replace(' ', '-')}-{self.seed}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"
        )


Results = Mapping[str, Mapping[str, Any]]


def trials(data: Data, variant: str, seeds: int, is_asked_alike: bool = False, **settings: Any) -> list[Trial]:
    """The same training from `seeds` seeds."""
    pairs = tuple(sorted(settings.items()))
    return [Trial(data, variant, seed, pairs, is_asked_alike) for seed in range(seeds)]


def values(results: Results, wanted: Iterable[Trial], name: str) -> list[float]:
    """One figure of several trainings; a set of 5 classes or fewer has no top-5 error, which is 0 then."""
    return [float(results[trial.key][name] or 0.0) for trial in wanted]


def curves(results: Results, wanted: Iterable[Trial], name: str) -> list[tuple[float, float]]:
    """A figure by epoch, the mean over trainings as far as all of them got."""
    rows = [results[trial.key]["curve"] for trial in wanted]
    return [
        (float(points[0]["epoch"]), sum(float(point[name]) for point in points) / len(points))
        for points in zip(*rows, strict=False)
        if all(point.get(name) is not None for point in points)
    ]
