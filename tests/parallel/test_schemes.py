"""Every scheme, on real processes that meet over gloo, ends 20 steps where one process does: dropout, augmentation,
clipping and a last batch smaller than the team included.
"""

import torch

from alexnet.parallel.choose import Options
from parallel.lessons import Lesson, alone, assert_each_equals_alone, distance, learn
from parallel.processes import together

DDP, SHARDED, TOWERS = Options("ddp"), Options("ddp", is_sharded=True), Options("towers")
HYBRIDS = (Options("hybrid"), Options("hybrid", turns="b"), Options("hybrid", turns="c"))
UNREADABLE = (3, 4, 17, 20, 21)


def test_two_processes() -> None:
    assert_each_equals_alone(2, Lesson(), (DDP, SHARDED, TOWERS, *HYBRIDS), 1e-9)


def test_four_processes() -> None:
    assert_each_equals_alone(4, Lesson(), (DDP, SHARDED, *HYBRIDS), 1e-9)


def test_three_processes() -> None:
    assert_each_equals_alone(3, Lesson(steps=8), (SHARDED, HYBRIDS[2]), 1e-9)


def test_float32_and_the_paper_recipe() -> None:
    assert_each_equals_alone(2, Lesson(recipe="paper", dtype=torch.float32), (DDP, SHARDED, TOWERS, *HYBRIDS), 1e-5)


def test_unreadable_pictures_leave_the_masks_and_views_of_others_alone() -> None:
    assert_each_equals_alone(4, Lesson(unreadable=UNREADABLE, steps=8), (DDP, HYBRIDS[1]), 1e-9)


def test_both_towers_miss_the_same_pictures() -> None:
    assert_each_equals_alone(2, Lesson(unreadable=UNREADABLE, steps=8), (TOWERS,), 1e-9)


def test_norms_inside_the_towers() -> None:
    assert_each_equals_alone(2, Lesson(changes=(("tower_norms", True),), steps=8), (TOWERS,), 1e-9)


def test_boxes_of_partners() -> None:
    assert_each_equals_alone(4, Lesson(cutmix=0.7, unreadable=UNREADABLE, steps=8), (DDP, HYBRIDS[2]), 1e-9)


def test_a_network_of_one_tower() -> None:
    assert_each_equals_alone(4, Lesson(changes=(("groups", False),), steps=8), (HYBRIDS[0],), 1e-9)


def test_half_the_bytes_on_the_wire_cost_digits_and_no_agreement() -> None:
    lesson = Lesson()
    expected = alone(lesson)
    first, second = together(2, learn, lesson, Options("ddp", wire="bfloat16"))
    assert 1e-9 < distance(first.weights, expected.weights) < 0.05
    assert distance(first.weights, second.weights) == 0
