"""What the tests of the command line share: the command in this process, and pictures drawn for it."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from alexnet.cli.app import app

COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 70), "red": (200, 50, 40)}


@dataclass(frozen=True)
class Answer:
    """What a command left: its exit code, its result and its messages."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


Alexnet = Callable[..., Answer]


@pytest.fixture
def alexnet(monkeypatch: pytest.MonkeyPatch) -> Alexnet:
    """The command line, run in this process; a bug is raised here, not turned into an exit code."""
    for name in [name for name in os.environ if name.startswith("ALEXNET_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str | Path, env: dict[str, str] | None = None, stdin: bytes | None = None) -> Answer:
        result = CliRunner().invoke(app, [str(each) for each in arguments], env=env, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run


def draw(path: Path, colour: tuple[int, int, int], seed: int, side: int = 84) -> Path:
    """A picture of noise around a colour."""
    noise = np.random.default_rng(seed).integers(-30, 31, (side, side, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(path)
    return path


def draw_folder(root: Path, count: int = 6) -> Path:
    """A folder of three classes that differ by colour, `count` pictures each."""
    for number, (name, colour) in enumerate(COLOURS.items()):
        for i in range(count):
            draw(root / name / f"{i}.png", colour, seed=100 * number + i)
    return root


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three classes of six pictures."""
    return draw_folder(tmp_path / "pictures")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder: a tiny network, trained for a moment on three classes."""
    from alexnet.train.train import train

    root = tmp_path_factory.mktemp("trained")
    return train(draw_folder(root / "pictures"), root / "run", lineage="tiny", epochs=2, batch_size=8).folder
