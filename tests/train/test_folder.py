import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet.errors import RunBusy, RunError, RunExists, UsageError
from alexnet.train.folder import SETTINGS, merge_settings, open_run, to_toml, write_environment, write_settings
from alexnet.train.recipe import MODERN
from alexnet.train.settings import flags

DATA = Path("/data/pets")


def test_a_folder_has_one_run_at_a_time(tmp_path: Path) -> None:
    with open_run(tmp_path, resume=False), pytest.raises(RunBusy, match=r"process \d+ on .* is training here"):
        open_run(tmp_path, resume=True).__enter__()
    with open_run(tmp_path, resume=False):
        pass  # the lock went with its owner


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    write_settings(tmp_path, DATA, MODERN, "train")
    with pytest.raises(RunExists, match="--resume"), open_run(tmp_path, resume=False):
        pass
    with open_run(tmp_path, resume=True):
        pass


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(RunError, match="not empty and holds no run"), open_run(tmp_path, resume=False):
        pass


def test_what_a_failed_start_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "splits.csv").write_text("of other settings")
    with open_run(tmp_path, resume=False):
        assert not (tmp_path / "splits.csv").exists()


def test_a_folder_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot be written"), open_run(tmp_path / "file" / "run", resume=False):
        pass


def test_run_toml_holds_the_data_and_every_flag(tmp_path: Path) -> None:
    write_settings(tmp_path, DATA, replace(MODERN, epochs=7), "train")
    read = tomllib.loads((tmp_path / SETTINGS).read_text())
    read |= {name: tuple(read[name]) for name in ("apart", "without")}  # TOML has lists only
    assert read == {"data": str(DATA)} | {
        flag.name: getattr(replace(MODERN, epochs=7), flag.name) for flag in flags("train")
    }


@given(
    st.one_of(
        st.text(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.lists(st.text()),
    )
)
def test_any_setting_comes_back_from_toml(value: object) -> None:
    assert tomllib.loads(f"x = {to_toml(value)}")["x"] == value


def test_a_resumed_run_keeps_its_settings(tmp_path: Path) -> None:
    write_settings(tmp_path, DATA, replace(MODERN, lr=0.5), "train")
    assert merge_settings(tmp_path, DATA, {}, "train")["lr"] == 0.5
    assert merge_settings(tmp_path, DATA, {"lr": 0.5, "workers": 3}, "train")["workers"] == 3
    with pytest.raises(UsageError, match=r"was started with lr = 0\.5, not 0\.1"):
        merge_settings(tmp_path, DATA, {"lr": 0.1}, "train")
    with pytest.raises(UsageError, match="learns from other pictures"):
        merge_settings(tmp_path, Path("/data/cars"), {}, "train")


def test_an_unknown_setting_in_run_toml_is_named(tmp_path: Path) -> None:
    write_settings(tmp_path, DATA, MODERN, "train")
    (tmp_path / SETTINGS).write_text((tmp_path / SETTINGS).read_text() + "epoch = 3\n")
    with pytest.raises(UsageError, match="no setting `epoch`"):
        merge_settings(tmp_path, DATA, {}, "train")


def test_a_damaged_run_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / SETTINGS).write_text("data = ")
    with pytest.raises(RunError, match=r"run\.toml cannot be read"):
        merge_settings(tmp_path, DATA, {}, "train")


def test_the_environment_names_versions_and_device(tmp_path: Path) -> None:
    write_environment(tmp_path, "cpu")
    facts = json.loads((tmp_path / "env.json").read_text())
    assert facts["device"] == "cpu"
    assert {"torch", "numpy"} <= facts["packages"].keys()
