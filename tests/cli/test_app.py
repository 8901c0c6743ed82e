"""The frame around all commands: help, version, errors and exit codes."""

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alexnet.cli.app import COMMANDS
from alexnet.cli.explain import EXPLAIN_COMMANDS
from alexnet.cli.weights import WEIGHTS_COMMANDS

Alexnet = Callable[..., Any]
WORDS = [
    *((name,) for name in COMMANDS if name not in ("bench", "data", "explain", "weights")), ("data", "inspect"),
    ("bench", "train"), ("bench", "infer"), ("bench", "load"),
    *(("explain", name) for name in EXPLAIN_COMMANDS), *(("weights", name) for name in WEIGHTS_COMMANDS),
]  # fmt: skip
PYTHON = [sys.executable, "-m", "alexnet"]


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom alexnet.cli.app import app\n"
        "try: app(['--help'])\nexcept SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'numpy', 'PIL', 'rich', 'torchmetrics', 'jinja2'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


@pytest.mark.parametrize("words", WORDS)
def test_the_help_of_a_command_imports_no_torch(words: tuple[str, ...]) -> None:
    script = (
        f"import sys\nfrom alexnet.cli.app import app\n"
        f"try: app([*{words!r}, '--help'])\nexcept SystemExit as end: assert end.code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_help_lists_every_command(alexnet: Alexnet) -> None:
    text = alexnet("--help").out

    assert all(name in text for name in COMMANDS)


@pytest.mark.parametrize("words", WORDS)
def test_every_command_offers_json(alexnet: Alexnet, words: tuple[str, ...]) -> None:
    assert "--json" in alexnet(*words, "--help").out


def test_version_is_printed(alexnet: Alexnet) -> None:
    assert alexnet("--version").out.startswith("alexnet ")


def test_a_mistyped_command_is_answered_with_the_nearest(alexnet: Alexnet) -> None:
    answer = alexnet("fine-tune")

    assert answer.code == 2
    assert "Did you mean 'finetune'?" in answer.err


def test_an_unknown_flag_is_a_mistake_of_the_user(alexnet: Alexnet) -> None:
    answer = alexnet("lineages", "--nmae")

    assert answer.code == 2
    assert "No such option: --nmae" in answer.err


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, alexnet: Alexnet) -> None:
    def broken(name: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(importlib.import_module("alexnet.cli.lineages"), "find", broken)

    with pytest.raises(ZeroDivisionError):
        alexnet("lineages", "bvlc")


def test_output_into_a_closed_pipe_is_quiet() -> None:
    process = subprocess.Popen([*PYTHON, "lineages"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, error = process.communicate(timeout=60)

    assert error == b""


def test_ctrl_c_outside_training_leaves_with_130(tmp_path: Path) -> None:
    fifo = tmp_path / "run.toml"
    os.mkfifo(fifo)
    # As from a terminal: a shell lets what it starts in the background ignore the signal, tests included.
    process = subprocess.Popen(
        [*PYTHON, "lineages", "--config", fifo],
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    )
    with fifo.open("wb"):  # opens when the command does, which then waits for words that never come
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)

    assert process.returncode == 130
    assert error == b"Interrupted.\n"


def test_other_ranks_are_silent(alexnet: Alexnet) -> None:
    assert alexnet("lineages", env={"RANK": "1"}).out == ""
    assert alexnet("lineages", "--json", env={"RANK": "0"}).out != ""
