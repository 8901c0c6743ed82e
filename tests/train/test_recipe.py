import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest

from alexnet.errors import UsageError
from alexnet.lineages import LINEAGES, find
from alexnet.train.recipe import MODERN, PAPER_DECIDES, Recipe, paper
from alexnet.train.settings import check, flags, resolve_training, resolve_tuning


def test_the_two_commands_offer_every_field_between_them() -> None:
    offered = {flag.name for command in ("train", "finetune") for flag in flags(command)}
    assert offered == {field.name for field in fields(Recipe)}


def test_every_flag_says_what_it_is_for() -> None:
    assert all(flag.help for flag in flags("train") + flags("finetune"))


def test_settings_are_read_without_torch() -> None:
    code = "import sys, alexnet.train.settings, alexnet.train.reporter; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", LINEAGES)
def test_the_paper_recipe_is_the_lineages_solver(name: str) -> None:
    recipe, solver = resolve_training({"recipe": "paper"}, find(name)), find(name).solver
    assert (recipe.update, recipe.schedule, recipe.init) == ("paper", "plateau", "lineage")
    for field in ("lr", "momentum", "weight_decay", "batch_size", "epochs", "bias_lr", "bias_decay", "color"):
        assert getattr(recipe, field) == getattr(solver, field), field


def test_flags_that_say_that_the_recipe_decides_are_those_that_differ() -> None:
    differing = {
        field.name
        for name in LINEAGES
        for field in fields(Recipe)
        if getattr(paper(find(name)), field.name) != getattr(MODERN, field.name)
    }
    assert differing - {"recipe"} <= PAPER_DECIDES


def test_what_is_given_wins_over_the_recipe() -> None:
    recipe = resolve_training({"recipe": "paper", "lr": 0.5, "epochs": 36}, find("bvlc"))
    assert (recipe.lr, recipe.epochs, recipe.patience, recipe.lineage) == (0.5, 36, 2, "bvlc")


def test_an_unknown_setting_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r"no setting `epoch`. Did you mean `epochs`"):
        check({"epoch": 3}, "train")


def test_a_setting_of_the_other_command_is_unknown() -> None:
    with pytest.raises(UsageError, match="no setting `freeze`"):
        check({"freeze": "conv5"}, "train")


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("epochs", "5", 5),
        ("lr", "1e-3", 0.001),
        ("lr", 1, 1.0),
        ("flip", "false", False),
        ("flip", True, True),
        ("views", "10", 10),
        ("crop", "area", "area"),
    ],
)
def test_values_come_as_their_type(name: str, given: object, read: object) -> None:
    found = check({name: given}, "train")[name]
    assert (found, type(found)) == (read, type(read))


def test_a_list_is_read_from_text() -> None:
    assert check({"skip": "fc7, fc8"}, "finetune") == {"skip": ("fc7", "fc8")}
    assert check({"skip": ["fc8"]}, "finetune") == {"skip": ("fc8",)}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", 0, "at least 1"),
        ("epochs", 2.5, "a whole number"),
        ("epochs", True, "a whole number"),
        ("lr", "fast", "a number"),
        ("lr", float("nan"), "a number"),
        ("momentum", 1.0, "at most 0.999"),
        ("views", 5, "1 or 10"),
        ("crop", "centre", "Did you mean `center`"),
        ("flip", "perhaps", "true or false"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_what_would(name: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        check({name: value}, "train")
    assert str(caught.value).startswith(f"{name} = {value!r}")


@pytest.mark.parametrize(
    ("count", "batch_size", "steps"), [(40, 8, 150), (160, 16, 200), (400, 64, 210), (4000, 64, 315)]
)
def test_fine_tuning_makes_hundreds_of_steps_whatever_the_number_of_pictures(
    count: int, batch_size: int, steps: int
) -> None:
    recipe = resolve_tuning({}, count)
    assert recipe.batch_size == batch_size
    assert recipe.head_epochs * -(-count // batch_size) == pytest.approx(steps, rel=0.1)
    assert recipe.epochs == 2 * recipe.head_epochs


def test_epochs_of_fine_tuning_are_shared_by_its_stages() -> None:
    recipe = resolve_tuning({"epochs": 5}, 100)
    assert (recipe.head_epochs, recipe.epochs) == (3, 5)


def test_more_head_epochs_than_epochs_are_refused() -> None:
    with pytest.raises(UsageError, match="head_epochs = 6 is more than epochs = 5"):
        resolve_tuning({"epochs": 5, "head_epochs": 6}, 100)
