"""The losses of the first twenty steps of both recipes: a refactor leaves them as they are.

To write the file anew after a change that is meant to change them: `python tests/train/test_golden.py`.
"""

from pathlib import Path

import pytest

from alexnet.train.metrics import read_metrics
from alexnet.train.train import train

GOLDEN = Path(__file__).parents[1] / "golden" / "tiny_loss.txt"
RECIPES = ("paper", "modern")


def losses(textures: Path, folder: Path, recipe: str) -> list[float]:
    train(textures, folder, lineage="tiny", recipe=recipe, epochs=4, batch_size=8, val_fraction=0.25, log_steps=1)
    return [row["train_loss"] for row in read_metrics(folder) if row["event"] == "step"]


def table(textures: Path, folder: Path) -> str:
    columns = [losses(textures, folder / recipe, recipe) for recipe in RECIPES]
    rows = [f"{step:4} {a:.6f} {b:.6f}" for step, (a, b) in enumerate(zip(*columns, strict=True), start=1)]
    return "\n".join([f"step {' '.join(f'{name:8}' for name in RECIPES)}".rstrip(), *rows]) + "\n"


def test_the_first_twenty_losses_are_the_golden_ones(textures: Path, tmp_path: Path) -> None:
    found, golden = (text.splitlines()[1:] for text in (table(textures, tmp_path), GOLDEN.read_text()))
    assert len(found) == len(golden) == 20
    for line, expected in zip(found, golden, strict=True):
        # 1e-5: sums in another order, on another processor.
        assert [float(cell) for cell in line.split()] == pytest.approx(
            [float(cell) for cell in expected.split()], rel=1e-5
        )


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    from train.conftest import draw_textures

    with TemporaryDirectory() as place:
        GOLDEN.write_text(table(draw_textures(Path(place, "textures")), Path(place)))
