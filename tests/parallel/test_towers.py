"""Two towers on two processes are the one network."""

import pytest
import torch

from alexnet.errors import UsageError
from alexnet.lineages import find
from alexnet.parallel.choose import Options
from alexnet.parallel.towers import exchanges, require_towers
from parallel.lessons import Lesson, alone, assert_equal, learn
from parallel.processes import together

TOWERS = Options("towers")


def test_two_towers_end_where_one_network_does() -> None:
    lesson = Lesson()
    expected = alone(lesson)
    for found in together(2, learn, lesson, TOWERS):
        assert_equal(found, expected, 1e-9)


def test_the_paper_recipe_in_float32() -> None:
    lesson = Lesson(recipe="paper", dtype=torch.float32)
    expected = alone(lesson)
    for found in together(2, learn, lesson, TOWERS):
        assert_equal(found, expected, 1e-5)


def test_unreadable_pictures_change_nothing() -> None:
    lesson = Lesson(unreadable=(3, 4, 17), steps=6)
    expected = alone(lesson)
    for found in together(2, learn, lesson, TOWERS):
        assert_equal(found, expected, 1e-9)


@pytest.mark.parametrize("name", ["paper", "bvlc", "caffenet"])
def test_towers_talk_where_figure_2_says(name: str) -> None:
    assert exchanges(find(name)) == {
        "norm1": "border", "norm2": "border",
        "conv3": "whole", "fc6": "whole", "fc7": "whole", "fc8": "whole",
    }  # fmt: skip


def test_what_krizhevsky_ran_does_not_talk_in_its_norms() -> None:
    assert list(exchanges(find("chm"))) == ["conv3", "fc6", "fc7", "fc8"]


@pytest.mark.parametrize("name", ["owt", "torchvision", "ungrouped"])
def test_a_network_without_towers_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no two towers"):
        require_towers(find(name), 2)


def test_four_processes_are_refused() -> None:
    with pytest.raises(UsageError, match="4 processes"):
        require_towers(find("bvlc"), 4)
