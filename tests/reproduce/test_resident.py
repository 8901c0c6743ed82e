"""The trainer whose pictures lie on the device, against the package's own views and a task that can be learnt."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alexnet.data.views import ten_views
from alexnet.reproduce.resident import Plan, rate, run_resident, views_of
from alexnet.reproduce.trial import Trial, when_reached


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 32x32 noise, one reddish and one bluish."""
    root, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for split, count in (("train", 48), ("test", 16)):
        for name, channel in (("red", 0), ("blue", 2)):
            home = root / split / name
            home.mkdir(parents=True)
            for number in range(count):
                picture = rng.integers(0, 128, (32, 32, 3))
                picture[..., channel] += 100
                Image.fromarray(picture.astype(np.uint8)).save(home / f"{number}.png")
    return root


def trained(data: Path, **settings: object) -> dict[str, object]:
    trial = Trial("cifar", "test", 0, tuple(sorted(settings.items())))
    return run_resident(trial, data, data / "unused", "cpu")


def test_it_learns_what_can_be_learnt_and_stops_at_its_goal(colours: Path) -> None:
    found = trained(
        colours, lineage="cifar-quick", lr=0.002, epochs=40, batch_size=16, weight_decay=0.0, goal=0.1,
        watched="training_error",
    )  # fmt: skip
    assert found["training_error"] <= 0.1  # type: ignore[operator]
    assert found["error"] < 0.25  # type: ignore[operator]
    assert 0 < found["epochs_to_goal"] <= len(found["curve"]) - 1 < 40  # type: ignore[arg-type, operator]


def test_what_grows_beyond_all_numbers_ends_early(colours: Path) -> None:
    found = trained(colours, lineage="cifar-quick", lr=1e6, epochs=9, batch_size=16, goal=0.0, watched="training_error")
    assert len(found["curve"]) - 1 < 9  # type: ignore[arg-type]
    assert found["epochs_to_goal"] is None


def test_the_same_seed_gives_the_same_curve(colours: Path) -> None:
    settings = {"lineage": "cifar-local", "lr": 0.001, "epochs": 1, "batch_size": 32, "is_augmented": True}
    first, second = (trained(colours, **settings) for _ in range(2))
    assert first["curve"] == second["curve"]


def test_ten_views_are_those_of_the_package() -> None:
    images = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    ours = torch.stack(views_of(images, 24, 10), 1)
    expected = ten_views(images, 24)
    assert {view.numpy().tobytes() for view in ours[0]} == {view.numpy().tobytes() for view in expected[0]}


def test_the_goal_is_reached_between_two_epochs() -> None:
    curve = list(enumerate((0.9, 0.5, 0.1)))
    assert when_reached(curve, 0.25) == pytest.approx(1.625)
    assert when_reached([(2 * epoch, error) for epoch, error in curve], 0.25) == pytest.approx(3.25)
    assert when_reached(curve, 0.05) is None
    assert when_reached(curve, None) is None


def test_the_rate_falls_at_its_drops() -> None:
    plan = Plan("cifar-local", 0.001, 10, drops=(0.5, 0.9))
    assert [rate(plan, epoch) for epoch in (0, 4, 5, 8, 9)] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5])
