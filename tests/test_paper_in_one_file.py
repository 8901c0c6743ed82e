"""The paper on one page, which shares no code with the package, and the package: each is the other's oracle."""

import ast
import importlib.util
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from alexnet import AlexNet
from alexnet.data.augment import COLOR, DRAWS_PER_PICTURE, LEFT, MIRROR, TOP, Augmentation, augment, color_shift
from alexnet.data.picture import read_picture, to_square
from alexnet.data.preprocess import Preprocessing
from alexnet.data.statistics import Moments, Statistics
from alexnet.data.views import average_views, center_view, ten_views
from alexnet.lineages import find
from alexnet.lineages.spec import Conv, Linear
from alexnet.model.build import build
from alexnet.train.optimizer import make_optimizer, set_lr
from alexnet.train.recipe import paper
from alexnet.train.schedule import Plateau

SCRIPT = Path(__file__).parents[1] / "examples" / "paper_in_one_file.py"
LINEAGE = find("paper")


def _imported() -> Any:
    spec = importlib.util.spec_from_file_location("paper_in_one_file", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


page = _imported()


def one_pass(*args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(SCRIPT), *args], capture_output=True, text=True, check=False, timeout=120
    )


def worst(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference as a share of the largest value."""
    assert ours.shape == theirs.shape and ours.abs().max() > 0
    return float((ours - theirs).abs().max() / theirs.abs().max())


@pytest.fixture(scope="module")
def nets() -> tuple[nn.Module, AlexNet]:
    """The page's network and ours in float64, with equal weights: ours of fc7 and fc8 are halved (dropout)."""
    torch.manual_seed(3)
    theirs = page.AlexNet(1000).double()
    for name, values in theirs.named_parameters():
        if name.endswith("bias"):
            values.data.normal_()  # zeros and ones would hide a bias in the wrong place
    ours = build(LINEAGE)
    halved = {"fc7.weight", "fc8.weight"}
    state = {name: values * 0.5 if name in halved else values for name, values in theirs.state_dict().items()}
    ours.load_state_dict(state, assign=True)
    return theirs, ours


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """(3, 256, 256, 3) uint8, smooth enough that channels are correlated, and never symmetric."""
    rng = np.random.default_rng(5)
    light = rng.uniform(0, 160, (3, 256, 256, 1))
    return (light + rng.uniform(0, 95, (3, 256, 256, 3)) * [1, 0.6, 0.3]).astype(np.uint8)


@pytest.fixture(scope="module")
def statistics(pictures: np.ndarray) -> Statistics:
    moments = Moments(256)
    for picture in pictures:
        moments.add(picture)
    return moments.finish()


def as_page(statistics: Statistics) -> Any:
    """Our statistics in the page's form: eigenvalues of pixels on 0-1."""
    assert statistics.mean_image is not None
    return page.Statistics(
        statistics.mean_image.astype(np.float64), statistics.eigenvalues / 255**2, statistics.eigenvectors
    )


def planes(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))


def test_the_page_imports_nothing_of_the_package() -> None:
    names = [
        alias.name if isinstance(node, ast.Import) else node.module or ""
        for node in ast.walk(ast.parse(SCRIPT.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    roots = {name.split(".")[0] for name in names}
    assert roots - set(sys.stdlib_module_names) == {"numpy", "torch", "PIL"}


def test_logits_agree(nets: tuple[nn.Module, AlexNet]) -> None:
    theirs, ours = nets
    views = 60 * torch.randn(2, 3, 227, 227, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert worst(ours.eval()(views), theirs.eval()(views)) < 1e-9


def test_losses_and_gradients_agree_under_the_same_dropout(nets: tuple[nn.Module, AlexNet]) -> None:
    views = 60 * torch.randn(2, 3, 227, 227, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([3, 700])
    found = []
    for net in nets:
        net.train()
        named = dict(net.named_parameters())
        for name in ("conv1.weight", "conv4.weight", "fc6.bias"):
            named[name].requires_grad_()
        torch.manual_seed(11)
        # Our logits are of the same size: what is halved in the weights is doubled by inverted dropout.
        loss = nn.functional.cross_entropy(net(views), labels)
        wanted = [named["conv1.weight"], named["conv4.weight"], named["fc6.bias"]]
        found.append([loss.detach().view(1), *torch.autograd.grad(loss, wanted)])
    for theirs, ours in zip(*found, strict=True):
        assert worst(ours, theirs) < 1e-9


def test_initial_weights_follow_our_table() -> None:
    torch.manual_seed(0)
    weights = page.AlexNet(1000).state_dict()
    assert sum(values.numel() for values in weights.values()) == 60_965_224
    for row in LINEAGE.layers:
        if isinstance(row, Conv | Linear):
            assert (weights[f"{row.name}.bias"] == row.bias).all(), row.name
            assert float(weights[f"{row.name}.weight"].std()) == pytest.approx(row.std, rel=0.02), row.name


def test_steps_agree_with_the_papers_optimizer_also_behind_a_drop() -> None:
    generator = torch.Generator().manual_seed(7)
    shapes = {"conv1.weight": (4, 3, 2, 2), "conv1.bias": (4,), "fc8.weight": (5, 4), "fc8.bias": (5,)}
    start = {name: torch.randn(shape, dtype=torch.float64, generator=generator) for name, shape in shapes.items()}
    theirs = {name: values.clone() for name, values in start.items()}
    ours = {name: nn.Parameter(values.clone()) for name, values in start.items()}
    velocities = [torch.zeros_like(values) for values in theirs.values()]
    optimizer = make_optimizer(ours, paper(LINEAGE), frozenset())
    for rate in (0.01, 0.01, 0.01, 0.001, 0.001):
        for name, values in theirs.items():
            gradient = torch.randn(values.shape, dtype=torch.float64, generator=generator)
            values.grad, ours[name].grad = gradient, gradient.clone()
        page.update(theirs.values(), velocities, rate)
        set_lr(optimizer, rate)
        optimizer.step()
        for name, values in theirs.items():
            assert not torch.equal(values, start[name])
            assert worst(ours[name].detach(), values) < 1e-14


def test_the_rate_drops_in_the_same_epoch() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        errors = (0.5 * 0.9 ** np.arange(40) + rng.normal(0, 0.05, 40)).round(2).tolist()
        theirs = next((n for n in range(1, 41) if page.has_stopped(errors[:n])), None)
        plateau, ours = Plateau(), None
        for number, error in enumerate(errors, start=1):
            plateau = plateau.after(error, page.PATIENCE, page.DROPS)
            if plateau.drops:
                ours = number
                break
        assert ours == theirs is not None


@pytest.mark.parametrize("size", [(256, 256), (300, 257), (257, 701), (90, 41), (640, 427)])
@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_squares_have_the_same_pixels(tmp_path: Path, size: tuple[int, int], kind: str) -> None:
    file = tmp_path / f"picture.{kind}"
    pixels = np.random.default_rng(size[0]).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    np.testing.assert_array_equal(to_square(read_picture(file), 256, "short"), page.square(file, 256))


def test_mean_image_and_colour_axes_agree(pictures: np.ndarray, statistics: Statistics) -> None:
    theirs = page.measure(iter(pictures))
    assert statistics.mean_image is not None
    np.testing.assert_allclose(statistics.mean_image, theirs.mean, rtol=1e-6)
    np.testing.assert_allclose(statistics.eigenvalues, theirs.variances[::-1] * 255**2, rtol=1e-9)
    alike = np.abs(np.diag(statistics.eigenvectors.T @ theirs.axes[:, ::-1]))  # the sign of an axis is free
    np.testing.assert_allclose(alike, 1, rtol=1e-12)


def test_colour_noise_agrees(statistics: Statistics) -> None:
    draws = np.random.default_rng(4).random((6, DRAWS_PER_PICTURE))
    normal = torch.special.ndtri(torch.from_numpy(draws[:, COLOR])).numpy()
    theirs = np.stack([page.color_noise(row, as_page(statistics)) for row in normal])
    assert np.abs(theirs).max() > 0.5
    np.testing.assert_allclose(color_shift(draws, Augmentation(color="eigenvalue"), statistics), theirs, rtol=1e-9)


def test_training_views_agree(pictures: np.ndarray, statistics: Statistics) -> None:
    preprocessing = Preprocessing.of(LINEAGE.input, statistics)
    augmentation = Augmentation(color=LINEAGE.solver.color)
    is_mirrored = set()
    for seed in range(6):
        twin = np.random.default_rng(seed)  # draws what the page will draw
        top, left = twin.integers(0, 29, size=2, endpoint=True)
        draws = np.zeros((1, DRAWS_PER_PICTURE))
        draws[0, TOP], draws[0, LEFT] = (top + 0.5) / 30, (left + 0.5) / 30
        draws[0, MIRROR] = twin.random()
        draws[0, COLOR] = torch.special.ndtr(torch.from_numpy(twin.standard_normal(3))).numpy()
        is_mirrored.add(bool(draws[0, MIRROR] < 0.5))
        view = page.training_view(pictures[seed % 3], 227, as_page(statistics), np.random.default_rng(seed))
        ours = augment(planes(pictures[seed % 3][None]), draws, preprocessing, augmentation, statistics)
        np.testing.assert_allclose(ours, page.as_input(view[None]), atol=1e-4)
    assert is_mirrored == {False, True}


def test_ten_patches_and_the_centre_agree(pictures: np.ndarray, statistics: Statistics) -> None:
    preprocessing = Preprocessing.of(LINEAGE.input, statistics)
    ten = preprocessing.views(planes(pictures), partial(ten_views, size=227))
    one = preprocessing.views(planes(pictures), partial(center_view, size=227))
    for picture, ours, center in zip(pictures, ten, one, strict=True):
        theirs = page.as_input(page.ten_patches(picture, 227, as_page(statistics)))
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
        np.testing.assert_allclose(center, theirs[4], atol=1e-4)


def test_the_mean_over_patches_agrees() -> None:
    torch.manual_seed(1)
    net = page.AlexNet(7, page.SMALL).double()
    net.fc8.weight.data.mul_(20)  # probabilities far from equal: averaged logits would give others
    patches = 60 * torch.randn(10, 3, 99, 99, dtype=torch.float64)
    theirs = page.predict(net, patches)
    with torch.no_grad():
        logits = net(patches)
    assert worst(average_views(logits, 10)[0], theirs) < 1e-12
    assert worst(logits.mean(dim=0).softmax(dim=0), theirs) > 1e-3


def test_errors_count_labels_outside_the_first_and_the_first_five(tmp_path: Path) -> None:
    """Biases alone decide: class 0 is likeliest, class 6 least likely."""
    net = page.AlexNet(7, page.SMALL)
    net.fc8.weight.data.zero_()
    net.fc8.bias.data = torch.arange(7.0).flip(0)
    Image.new("RGB", (120, 130), "teal").save(tmp_path / "teal.png")
    square = page.square(tmp_path / "teal.png", page.SMALL.side)
    listed = [(tmp_path / "teal.png", label) for label in (0, 4, 5, 6)]
    for ten in (False, True):
        assert page.errors(net, listed, page.SMALL, page.measure([square]), ten) == (0.75, 0.5)


def test_it_runs_without_a_folder() -> None:
    done = one_pass("--epochs", "1")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        r"epoch  1  rate 2e-03  loss 1\.\d{4}  top-1 error \d+\.\d%  top-5 0\.0%\n"
        r"ten patches: top-1 error \d+\.\d%  top-5 0\.0%\n",
        done.stdout,
    ), done.stdout


def test_it_learns_colours_from_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 4)):
        for name, color in (("blue", (40, 40, 220)), ("red", (220, 40, 40)), ("unused", (0, 0, 0))):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(rng.normal(color, 20, (112, 120, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / name / f"{number}.jpg")
    page.run(tmp_path, ["blue", "red"], page.SMALL, 8)
    assert capsys.readouterr().out.splitlines()[-1] == "ten patches: top-1 error 0.0%  top-5 0.0%"


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    file = tmp_path / "half.jpg"
    Image.effect_noise((200, 200), 50).convert("RGB").save(file)
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(OSError, match=r"half\.jpg: .*truncated.* take it out"):
        page.square(file, 112)


@pytest.mark.parametrize("classes", [[], ["--classes", "cat"]])
def test_a_folder_without_pictures_is_named(tmp_path: Path, classes: list[str]) -> None:
    done = one_pass(str(tmp_path), *classes)
    assert done.returncode == 2
    assert str(tmp_path / "train") in done.stderr and "Expected train/<class>/" in done.stderr
    assert "Traceback" not in done.stderr
