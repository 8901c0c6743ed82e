"""What early losses say about initial biases."""

import math
from pathlib import Path
from typing import Any

import pytest

from alexnet.inference.machine import machine
from alexnet.lineages import find
from alexnet.reproduce import CLAIMS, FULL
from alexnet.reproduce.init import is_dead, started
from alexnet.reproduce.report import write_result
from alexnet.reproduce.tiny_trial import LOST
from alexnet.reproduce.trial import Results

CLASSES = 200
GUESSING = 5.2983  # ln 200


def learnt(*losses: float) -> dict[str, Any]:
    """A training whose epochs had these losses."""
    curve = [{"epoch": epoch, "train_loss": loss, "error": 0.9} for epoch, loss in enumerate(losses, 1)]
    return {"curve": curve, "classes": CLASSES, "seconds": 1.0, "machine": machine()}


def results_of(**by_bias: list[dict[str, Any]]) -> Results:
    """Results of the claim's trainings: `ones`, `zeros` and `tenths`, a training for each seed."""
    biases = {"ones": 1.0, "zeros": 0.0, "tenths": 0.1}
    return {
        trial.key: made
        for name, found in by_bias.items()
        for trial, made in zip(started(FULL, biases[name]), found, strict=True)
    }


@pytest.mark.parametrize(
    ("losses", "dead"),
    [
        ((5.62, 5.40, 5.30, 5.2985), True),  # from above guessing down to it is no learning
        ((5.2984, 5.2983, 5.2982, 5.2981), True),
        ((5.30, 5.25, 5.22, 5.20), True),  # within two per cent
        ((5.30, 5.28, 5.20, 5.10), False),
        ((5.62, 4.72, 3.90, 3.48), False),
    ],
)
def test_a_start_is_dead_where_the_last_early_epoch_still_guesses(losses: tuple[float, ...], dead: bool) -> None:
    assert math.log(CLASSES) == pytest.approx(GUESSING, abs=1e-4)
    results = results_of(ones=[learnt(*losses)] * FULL.tiny_seeds)
    assert [is_dead(results, trial) for trial in started(FULL, 1.0)] == [dead] * FULL.tiny_seeds


def test_a_start_that_was_lost_is_dead() -> None:
    assert is_dead(results_of(ones=[LOST] * FULL.tiny_seeds), started(FULL, 1.0)[0])


def test_the_verdict_is_of_one_against_zero_and_berkeleys_stands_beside(tmp_path: Path) -> None:
    results = results_of(
        ones=[learnt(5.6, 3.5), learnt(5.6, 3.6), learnt(5.6, 3.4)],
        zeros=[learnt(5.3, 3.7), learnt(5.3, 3.9), learnt(5.3, 5.3)],
        tenths=[learnt(5.3, 3.0)] * 3,
    )
    document = write_result(CLAIMS["init"], FULL, CLAIMS["init"].plan(FULL), results, tmp_path)
    (comparison,) = document["comparisons"]
    assert comparison["ours"] == pytest.approx([0.2, 0.3, 1.9])
    assert document["verdict"] == "holds in direction"  # one seed decides
    assert document["details"]["dead_starts"] == {"1": 0, "0": 1, "Berkeley's 0.1": 0}
    assert "3.500 with 1, 4.300 with 0, 3.000 with Berkeley's 0.1" in document["reason"]
    assert (tmp_path / "curves.svg").read_text().count("biases") >= 3


def test_trainings_are_those_of_the_paper_from_pixels_of_its_range() -> None:
    assert find(FULL.lineage).input.range == 255
    plan = CLAIMS["init"].plan(FULL)
    assert len(plan) == 3 * FULL.tiny_seeds
    for settings in (dict(trial.settings) for trial in plan):
        assert (settings["init"], settings["standardize"]) == ("lineage", False)
        assert settings["lr"] == find("paper").solver.lr
        assert settings["epochs"] == FULL.early_epochs < FULL.epochs
