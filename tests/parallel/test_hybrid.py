"""Convolutions data parallel and fully connected layers model parallel are the one network."""

import pytest
import torch

from alexnet.parallel.choose import Options
from alexnet.parallel.hybrid import Turns, turns_of
from parallel.lessons import Lesson, alone, assert_equal, learn
from parallel.processes import together


@pytest.mark.parametrize(("size", "turns"), [(2, "a"), (2, "b"), (2, "c"), (3, "c"), (4, "a"), (4, "b"), (4, "c")])
def test_ranks_end_where_one_process_does(size: int, turns: Turns) -> None:
    lesson = Lesson()
    expected = alone(lesson)
    for found in together(size, learn, lesson, Options("hybrid", turns=turns)):
        assert_equal(found, expected, 1e-9)


def test_the_paper_recipe_in_float32() -> None:
    lesson = Lesson(recipe="paper", dtype=torch.float32)
    expected = alone(lesson)
    for found in together(2, learn, lesson, Options("hybrid")):
        assert_equal(found, expected, 1e-5)


def test_a_network_of_one_tower_with_unreadable_pictures() -> None:
    lesson = Lesson(changes=(("groups", False),), unreadable=(3, 4, 17, 20, 21), steps=8)
    expected = alone(lesson)
    for found in together(4, learn, lesson, Options("hybrid", turns="c")):
        assert_equal(found, expected, 1e-9)


def test_every_row_has_its_turn_once() -> None:
    kinds: tuple[Turns, ...] = ("a", "b", "c")
    for kind in kinds:
        seen: list[list[int]] = [[], [], []]
        for turn in turns_of(kind, [3, 0, 4]):
            for rank, rows in enumerate(turn):
                seen[rank] += range(rows.start, rows.stop)
        assert seen == [[0, 1, 2], [], [0, 1, 2, 3]]
