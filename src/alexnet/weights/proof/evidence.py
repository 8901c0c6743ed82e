"""Whether a network is surer of pictures as its file is fed, or with a mistake: evidence where there is no original.

A trained network that is shown what it learnt from has less doubt than one that is shown something else. That needs no
names of classes and no second file; it also proves nothing, and an untrained network may be surer of anything.
Only mistakes that change the order of things are asked about: larger numbers alone make guesses surer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from alexnet.data.views import center_view
from alexnet.errors import UsageError
from alexnet.model import build
from alexnet.weights.proof.mistakes import MISTAKES
from alexnet.weights.weights import Weights

ASKED = ("colours", "flatten")
AT_ONCE = 32  # pictures in one pass
FEWEST = 30  # pictures below which a mean says nothing
CLEAR = 4.0  # standard errors


class Doubt(NamedTuple):
    """Mean entropy of the guesses, in nats: as fed, with a mistake, and their difference in its standard errors."""

    as_fed: float
    mistaken: float
    deviations: float

    @property
    def verdict(self) -> str:
        """Which of both is surer, in words."""
        if abs(self.deviations) < CLEAR:
            return "cannot tell"
        return "surer as fed" if self.deviations > 0 else "SURER WITH THE MISTAKE"


@dataclass(frozen=True)
class Evidence:
    """What was found on a number of pictures, by the name of the mistake."""

    pictures: int
    doubts: dict[str, Doubt]


def gather(weights: Weights, squares: Iterable[np.ndarray]) -> Evidence:
    """Compare the doubts of a network in its guesses with those that it has when a mistake is made.

    Args:
        squares: pictures (R, R, 3) uint8 RGB, of `Preprocessing.side`; all are kept in memory.

    Raises:
        UsageError: too few pictures.
    """
    pictures = list(squares)
    if len(pictures) < FEWEST:
        raise UsageError(f"{len(pictures)} pictures are too few to compare doubts on. Name at least {FEWEST}.")
    as_fed = entropies(weights, pictures)
    doubts = {}
    for mistake in MISTAKES:
        if mistake.name in ASKED:
            found = [entropies(each, pictures) for each in mistake.variants(weights)]
            if found:
                doubts[mistake.name] = min((_doubt(as_fed, other) for other in found), key=lambda doubt: doubt.mistaken)
    return Evidence(len(pictures), doubts)


def _doubt(as_fed: np.ndarray, mistaken: np.ndarray) -> Doubt:
    difference = mistaken - as_fed
    error = difference.std(ddof=1) / len(difference) ** 0.5
    return Doubt(float(as_fed.mean()), float(mistaken.mean()), float(difference.mean() / error) if error else 0.0)


@torch.inference_mode()
def entropies(weights: Weights, pictures: list[np.ndarray]) -> np.ndarray:
    """The entropy of the guesses on each picture, in nats."""
    model = build(weights.lineage)
    model.load_state_dict(weights.tensors, assign=True)
    model.eval()
    cut = partial(center_view, size=weights.preprocessing.size)
    found = []
    for start in range(0, len(pictures), AT_ONCE):
        batch = np.stack(pictures[start : start + AT_ONCE]).transpose(0, 3, 1, 2)
        logits = model(weights.preprocessing.views(torch.from_numpy(batch.copy()), cut))
        log_probs = logits.log_softmax(dim=1)
        found.append(-(log_probs.exp() * log_probs).sum(dim=1).numpy())
    return np.concatenate(found)
