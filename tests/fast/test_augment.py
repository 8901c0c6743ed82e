"""Views cut by the kernel are those of the plain path: augmented, then cut into blocks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from alexnet.data.augment import DRAWS_PER_PICTURE, Augmentation, augment
from alexnet.data.chance import MIX, draws
from alexnet.data.mix import DRAWS_PER_MIX, mixed_views, mixture
from alexnet.data.preprocess import Preprocessing
from alexnet.data.statistics import Statistics
from alexnet.fast.augment import ViewCutter
from alexnet.fast.conv1 import Blocks, cut_blocks
from alexnet.lineages.spec import Input

pytest.importorskip("triton")

GENERATOR = np.random.default_rng(0)
STATISTICS = Statistics(
    count=1,
    mean=np.array([120.0, 110.0, 100.0]),
    covariance=np.zeros((3, 3)),
    eigenvalues=np.array([3000.0, 200.0, 50.0]),
    eigenvectors=np.linalg.qr(GENERATOR.standard_normal((3, 3)))[0],
    mean_image=GENERATOR.uniform(80, 160, (24, 24, 3)).astype(np.float32),
)
CHANNEL = Input(size=19, resize=24, mean="channel", order="BGR")
SCALED = replace(CHANNEL, order="RGB", range=1, std=(0.2, 0.3, 0.4))
CENTER = replace(CHANNEL, mean="image", mean_alignment="center")
PICTURE = replace(CHANNEL, mean="image", mean_alignment="picture")


@pytest.mark.parametrize("crop", ["random", "area", "center"])
@pytest.mark.parametrize("square", [CHANNEL, SCALED, CENTER, PICTURE])
@pytest.mark.parametrize("side", [24, 10])
def test_views_are_those_of_the_plain_path(crop: str, square: Input, side: int, device: torch.device) -> None:
    stored = torch.from_numpy(GENERATOR.integers(0, 256, (5, side, side, 3), dtype=np.uint8))
    chances = draws(7, 0, 0, 6, DRAWS_PER_PICTURE)
    chosen = torch.tensor([4, 0, 3, 3, 1, 2])
    preprocessing = Preprocessing.of(square, STATISTICS)
    augmentation = Augmentation(crop=crop, min_area=0.3)  # type: ignore[arg-type]
    blocks = Blocks(7, 4, 2, False)
    plain = augment(stored.permute(0, 3, 1, 2)[chosen], chances, preprocessing, augmentation, STATISTICS)
    expected = cut_blocks(plain, blocks, torch.float32)

    cutter = ViewCutter(blocks, preprocessing, augmentation, STATISTICS, side, torch.float32)
    rows = torch.from_numpy(cutter.rows(chances)).to(device)
    found = cutter.cut(stored.to(device), chosen.to(device), rows).cpu()
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-3 * float(expected.abs().max()) / 255)
    in_words = torch.nn.functional.pad(stored, (0, 1), value=77).to(device)
    assert torch.equal(cutter.cut(in_words, chosen.to(device), rows).cpu(), found)


def test_boxes_come_from_the_partner(device: torch.device) -> None:
    stored = torch.from_numpy(GENERATOR.integers(0, 256, (6, 24, 24, 3), dtype=np.uint8))
    chances, positions = draws(7, 0, 0, 6, DRAWS_PER_PICTURE), np.array([8, 9, 11, 12, 13, 14])
    mixed = mixture(positions, draws(7, 0, 8, 6, DRAWS_PER_MIX, MIX), 19, 1.0)
    assert mixed.kept.min() < 0.9
    preprocessing, augmentation, blocks = Preprocessing.of(CENTER, STATISTICS), Augmentation(), Blocks(7, 4, 2, False)
    plain = augment(stored.permute(0, 3, 1, 2), chances, preprocessing, augmentation, STATISTICS)
    expected = cut_blocks(mixed_views(plain, mixed), blocks, torch.float32)
    cutter = ViewCutter(blocks, preprocessing, augmentation, STATISTICS, 24, torch.float32)
    rows = torch.from_numpy(cutter.rows(chances, mixed)).to(device)
    found = cutter.cut(stored.to(device), torch.arange(6, device=device), rows, is_mixed=True).cpu()
    # The mean lies under the view, not under the picture: a box brings its own with it, as in the plain path.
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-3)


def test_whole_pixels_come_through_exactly(device: torch.device) -> None:
    stored = torch.from_numpy(GENERATOR.integers(0, 256, (2, 24, 24, 3), dtype=np.uint8))
    preprocessing = Preprocessing.of(replace(CHANNEL, mean=(0.0, 0.0, 0.0)), None)
    cutter = ViewCutter(Blocks(4, 4, 0, False), preprocessing, Augmentation(color="off"), None, 24, torch.float32)
    chances = draws(1, 0, 0, 2, DRAWS_PER_PICTURE)
    rows = torch.from_numpy(cutter.rows(chances)).to(device)
    found = cutter.cut(stored.to(device), torch.arange(2, device=device), rows)
    plain = augment(stored.permute(0, 3, 1, 2), chances, preprocessing, Augmentation(color="off"), None)
    assert torch.equal(found.cpu(), cut_blocks(plain, Blocks(4, 4, 0, False), torch.float32))


def test_pictures_larger_than_the_square_do_not_fit() -> None:
    preprocessing = Preprocessing.of(CHANNEL, STATISTICS)
    assert ViewCutter.fits(preprocessing, 24) and not ViewCutter.fits(preprocessing, 25)
