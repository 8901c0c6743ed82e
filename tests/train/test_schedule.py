import itertools
from dataclasses import asdict, replace

import pytest

from alexnet.train.recipe import MODERN, Recipe
from alexnet.train.schedule import Plateau, rate

COSINE = replace(MODERN, lr=1.0, warmup_epochs=1.0)
BARE = replace(MODERN, lr=1.0, warmup_epochs=0.0)


def rates(recipe: Recipe, steps_per_epoch: int, epochs: int) -> list[float]:
    return [rate(recipe, step, steps_per_epoch, epochs, Plateau()) for step in range(steps_per_epoch * epochs)]


def test_cosine_rises_for_the_warm_up_and_falls_to_nothing() -> None:
    found = rates(COSINE, 10, 10)
    assert found[0] == pytest.approx(1 / 11)
    assert found.index(max(found)) == 10
    assert max(found) == 1.0
    assert all(a < b for a, b in itertools.pairwise(found[:11]))
    assert all(a > b for a, b in itertools.pairwise(found[10:]))
    assert 0 < found[-1] < 0.001


def test_half_of_the_cosine_is_half_of_the_rate() -> None:
    assert rate(replace(COSINE, warmup_epochs=0), 50, 10, 10, Plateau()) == pytest.approx(0.5)


def test_warm_up_leaves_four_fifths_of_a_short_run() -> None:
    assert rates(replace(COSINE, warmup_epochs=5), 10, 2).index(1.0) == 4


def test_steps_divide_by_ten_at_even_distances() -> None:
    found = rates(replace(BARE, schedule="steps", lr_drops=3), 2, 4)
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_a_constant_rate_is_constant() -> None:
    assert set(rates(replace(BARE, schedule="constant"), 3, 3)) == {1.0}


def drops(errors: list[float], patience: int, lr_drops: int) -> list[int]:
    state, found = Plateau(), []
    for error in errors:
        state = state.after(error, patience, lr_drops)
        found.append(state.drops)
    return found


def test_plateau_waits_for_its_patience() -> None:
    assert drops([0.9, 0.8, 0.8, 0.85, 0.7, 0.7, 0.7, 0.7], patience=3, lr_drops=3) == [0, 0, 0, 0, 0, 0, 0, 1]


def test_plateau_drops_no_more_often_than_it_may() -> None:
    assert drops([0.5] * 10, patience=2, lr_drops=3)[-1] == 3


def test_less_than_a_tenth_of_a_point_is_no_gain() -> None:
    assert drops([0.5, 0.4995, 0.4991], patience=2, lr_drops=1) == [0, 0, 1]
    assert drops([0.5, 0.499, 0.498], patience=2, lr_drops=1) == [0, 0, 0]


def test_plateau_goes_on_after_a_round_trip() -> None:
    state = Plateau().after(0.5, 3, 3).after(0.6, 3, 3)
    assert Plateau(**asdict(state)) == state


def test_each_drop_divides_the_rate_by_ten() -> None:
    recipe = replace(BARE, schedule="plateau")
    assert [rate(recipe, 5, 1, 9, Plateau(drops=n)) for n in range(4)] == pytest.approx([1, 0.1, 0.01, 0.001])
