"""Data parallel on real processes ends where one process does."""

import pytest
import torch

from alexnet.parallel.buckets import bucket_names
from alexnet.parallel.choose import Options
from parallel.lessons import Lesson, alone, assert_equal, distance, learn
from parallel.processes import together

DDP, SHARDED = Options("ddp"), Options("ddp", is_sharded=True)


@pytest.mark.parametrize("options", [DDP, SHARDED], ids=["ddp", "sharded"])
@pytest.mark.parametrize("size", [2, 4])
def test_ranks_end_where_one_process_does(size: int, options: Options) -> None:
    lesson = Lesson()
    expected = alone(lesson)
    for found in together(size, learn, lesson, options):
        assert_equal(found, expected, 1e-9)


@pytest.mark.parametrize("options", [DDP, SHARDED], ids=["ddp", "sharded"])
def test_the_paper_recipe_in_float32(options: Options) -> None:
    lesson = Lesson(recipe="paper", dtype=torch.float32)
    expected = alone(lesson)
    for found in together(2, learn, lesson, options):
        assert_equal(found, expected, 1e-5)


def test_unreadable_pictures_leave_the_masks_and_views_of_others_alone() -> None:
    lesson = Lesson(unreadable=(3, 4, 17, 20, 21), steps=8)
    expected = alone(lesson)
    for found in together(4, learn, lesson, DDP):
        assert_equal(found, expected, 1e-9)


def test_half_the_bytes_on_the_wire_cost_three_digits() -> None:
    lesson = Lesson()
    expected = alone(lesson)
    first, second = together(2, learn, lesson, Options("ddp", wire="bfloat16"))
    assert 1e-9 < distance(first.weights, expected.weights) < 0.05
    assert distance(first.weights, second.weights) == 0


def test_the_fully_connected_layers_travel_first() -> None:
    shapes = {
        f"{layer}.{kind}": shape
        for layer, weight in (
            ("conv1", (96, 3, 11, 11)), ("conv2", (256, 48, 5, 5)), ("fc6", (4096, 9216)), ("fc7", (4096, 4096)),
            ("fc8", (1000, 4096)),
        )
        for kind, shape in (("weight", weight), ("bias", weight[:1]))
    }  # fmt: skip
    layers = [list(dict.fromkeys(name.split(".")[0] for name in names)) for names in bucket_names(shapes)]
    assert layers == [["fc8", "fc7"], ["fc6"], ["conv2", "conv1"]]
