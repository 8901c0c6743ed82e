"""Where a flag's value comes from, and which names are refused."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from alexnet.cli.options import flag
from alexnet.cli.settings import command
from alexnet.errors import AlexNetError

Alexnet = Callable[..., Any]


def show(
    data: Annotated[str | None, typer.Argument()] = None,
    epochs: Annotated[int, flag()] = 1,
    flip: Annotated[bool, flag()] = True,
    skip: Annotated[list[str] | None, flag()] = None,
    **more: Any,
) -> None:
    """Print what arrived."""
    typer.echo(f"{data} {epochs} {flip} {skip} {more}")


LR = inspect.Parameter("base_lr", inspect.Parameter.KEYWORD_ONLY, default=0.1, annotation=Annotated[float, flag()])


def arrived(*arguments: str | Path, env: dict[str, str] | None = None) -> str:
    """What `show` printed."""
    result = CliRunner().invoke(command(show, LR), [str(each) for each in arguments], env=env)
    if isinstance(result.exception, AlexNetError):
        raise result.exception
    return result.stdout.strip() or result.stderr


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "run.toml"
    path.write_text('epochs = 2\nbase-lr = 0.5\nskip = ["fc8"]\n[augmentation]\nflip = false\n')
    return path


def test_defaults_come_from_the_command() -> None:
    assert arrived() == "None 1 True None {'base_lr': 0.1}"


def test_the_file_replaces_defaults_and_tables_only_group(toml: Path) -> None:
    assert arrived("--config", toml) == "None 2 False ['fc8'] {'base_lr': 0.5}"


def test_the_environment_replaces_the_file(toml: Path) -> None:
    env = {"ALEXNET_EPOCHS": "3", "ALEXNET_FLIP": "yes", "ALEXNET_BASE_LR": "0.7", "ALEXNET_SKIP": "fc7 fc8"}

    assert arrived("--config", toml, env=env) == "None 3 True ['fc7', 'fc8'] {'base_lr': 0.7}"


def test_the_flag_replaces_the_environment(toml: Path) -> None:
    env = {"ALEXNET_EPOCHS": "3", "ALEXNET_FLIP": "yes"}

    assert arrived("--config", toml, "--epochs", "4", "--no-flip", env=env).startswith("None 4 False")


def test_the_environment_can_name_the_file(toml: Path) -> None:
    assert arrived(env={"ALEXNET_CONFIG": str(toml)}).startswith("None 2 False")


def test_the_file_can_give_an_argument(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('data = "pets"\n')

    assert arrived("--config", path).startswith("pets 1")


def test_an_unknown_key_is_refused_with_the_nearest(alexnet: Alexnet, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("epoch = 3\n")

    answer = alexnet("predict", "x.jpg", "--config", path)

    assert answer.code == 2
    assert f"{path}: unknown setting epoch. Did you mean epochs?" in answer.err
    assert answer.out == ""


def test_an_unknown_variable_is_refused_with_the_nearest(alexnet: Alexnet) -> None:
    answer = alexnet("lineages", env={"ALEXNET_BATCHSIZE": "3"})

    assert answer.code == 2
    assert "unknown setting ALEXNET_BATCHSIZE. Did you mean ALEXNET_BATCH_SIZE?" in answer.err


def test_an_argument_cannot_be_set_by_the_environment_and_that_is_said(alexnet: Alexnet) -> None:
    assert "unknown setting ALEXNET_IMAGES" in alexnet("lineages", env={"ALEXNET_IMAGES": "x.jpg"}).err


def test_settings_of_another_command_are_passed_over(alexnet: Alexnet, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('epochs = 3\nlineage = "bvlc"\n')

    assert alexnet("lineages", "--config", path, env={"ALEXNET_LR": "0.1", "ALEXNET_HOME": "/x"}).code == 0


def test_a_value_of_the_wrong_kind_names_its_flag(alexnet: Alexnet, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('batch-size = "many"\n')

    answer = alexnet("predict", "x.jpg", "--config", path)

    assert answer.code == 2
    assert "--batch-size" in answer.err


def test_a_missing_or_broken_file_is_named(alexnet: Alexnet, tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("epochs = \n")

    missing, unreadable = (alexnet("lineages", "--config", path) for path in (tmp_path / "none.toml", broken))

    assert (missing.code, unreadable.code) == (2, 2)
    assert "none.toml: cannot be read" in missing.err
    assert "broken.toml: is not TOML" in unreadable.err
