"""docs/tour.md runs as it stands, and its stops exist."""

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TOUR = (Path(__file__).parents[1] / "docs" / "tour.md").read_text(encoding="utf-8")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Eight dark and eight bright pictures of noise, 100 x 90 pixels."""
    rng = np.random.default_rng(0)
    for name, low in (("bright", 128), ("dark", 0)):
        folder = tmp_path / "pictures" / name
        folder.mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(low, low + 128, (90, 100, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path


def test_the_tour_runs(pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(pictures)
    blocks = re.findall(r"```python\n(.*?)```", TOUR, re.DOTALL)
    assert len(blocks) == 10
    exec(compile("\n".join(blocks), "docs/tour.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "torch.Size([8, 16, 15, 15])" in printed
    assert re.search(r"Guess\(index=[01], label='(bright|dark)', prob=", printed)


def test_every_stop_names_a_function_and_its_file() -> None:
    stops = re.findall(r"^## \d+\. .*\n\n(.+)$", TOUR, re.MULTILINE)
    assert len(stops) == 10
    for stop in stops:
        for dotted, file in re.findall(r"`(alexnet[\w.]+)` in `([\w/]+\.py)`", stop) or pytest.fail(stop):
            module, name = dotted.rsplit(".", 1)
            made_in = getattr(import_module(module), name).__module__
            assert made_in.replace(".", "/").removeprefix("alexnet/") in file.removesuffix("/__init__.py"), stop
