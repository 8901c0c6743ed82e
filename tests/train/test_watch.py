import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alexnet.errors import RunError
from alexnet.lineages import find
from alexnet.train.recipe import MODERN
from alexnet.train.watch import Watch, require_finite, stuck_advice

LN_1000 = 6.907755


def watched(losses: list[float], num_classes: int = 1000, steps: int = 50) -> Watch:
    watch = Watch()
    for loss in losses:
        watch = watch.after(loss * 8 * steps, 8 * steps, steps, num_classes)
    return watch


def test_a_loss_at_ln_k_is_stuck_after_2000_steps_of_a_long_epoch() -> None:
    assert watched([LN_1000 * 1.019] * 40).is_stuck(steps_per_epoch=5000)
    assert not watched([LN_1000] * 39).is_stuck(steps_per_epoch=5000)


def test_short_epochs_are_watched_for_ten_of_them_but_at_least_100_steps() -> None:
    assert watched([math.log(2)] * 2, num_classes=2).is_stuck(steps_per_epoch=5)
    assert not watched([math.log(2)] * 3, num_classes=2).is_stuck(steps_per_epoch=20)


def test_short_looks_are_joined_before_they_are_judged() -> None:
    noisy = [LN_1000 * factor for factor in (0.9, 1.1)]
    assert watched(noisy * 500, steps=2).stuck_steps == 2000


@pytest.mark.parametrize("factor", [0.97, 1.03])
def test_one_look_away_from_chance_starts_the_count_anew(factor: float) -> None:
    assert watched([LN_1000] * 39 + [LN_1000 * factor, LN_1000]).stuck_steps == 50


def test_the_advice_names_the_figure_and_the_ways_out() -> None:
    text = stuck_advice(watched([LN_1000] * 40), 1000, replace(MODERN, lr=0.03), find("paper").input)
    assert "ln 1000 = 6.908" in text
    assert "--recipe modern" in text
    assert "--lineage bvlc" in text
    assert "another rate than 0.03" in text


@pytest.mark.parametrize(("lineage", "changed", "is_told"), [
    ("bvlc", {"init": "lineage"}, True), ("bvlc", {}, False),
    ("bvlc", {"init": "lineage", "standardize": False}, False), ("torchvision", {"init": "lineage"}, False),
])  # fmt: skip
def test_the_tables_weights_on_standardized_colours_are_named(
    lineage: str, changed: dict[str, Any], is_told: bool
) -> None:
    text = stuck_advice(watched([LN_1000] * 40), 1000, replace(MODERN, **changed), find(lineage).input)
    assert ("--no-standardize" in text) == is_told


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_names_the_last_good_checkpoint(loss: float) -> None:
    with pytest.raises(RunError, match=r"step-40.*--lr 0\.001"):
        require_finite(loss, 50, 0.01, Path("runs/x/checkpoints/step-40"))
