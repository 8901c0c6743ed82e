from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from alexnet.errors import UsageError
from alexnet.inference import Classifier
from alexnet.inference.occlusion import colored, occlusion_map, overlay
from oracles.classifiers import draw, make_classifier, probabilities, squares


def test_the_map_is_that_of_patches_laid_one_by_one(classifier: Classifier) -> None:
    patch, stride = 30, 20
    square = squares([draw(4)])[0]
    whole = probabilities(classifier, square)
    total, cover = np.zeros((67, 67)), np.zeros((67, 67))
    for top in (0, 20, 37):
        for left in (0, 20, 37):
            covered = square.copy()
            covered[6 + top : 6 + top + patch, 6 + left : 6 + left + patch] = 128
            drop = whole.max() - probabilities(classifier, covered)[whole.argmax()]
            total[top : top + patch, left : left + patch] += drop
            cover[top : top + patch, left : left + patch] += 1
    found = occlusion_map(classifier, draw(4), patch, stride)
    np.testing.assert_allclose(found, total / cover, atol=1e-5)
    assert np.ptp(found) > 0.01


def test_only_what_differs_from_gray_can_matter(classifier: Classifier) -> None:
    pixels = np.full((80, 80, 3), 128, np.uint8)
    pixels[20:30, 50:60] = (255, 0, 0)  # in the view: rows 14 to 23, columns 44 to 53
    heat = occlusion_map(classifier, Image.fromarray(pixels), patch=9, stride=3)
    near = np.zeros((67, 67), bool)
    near[14 - 8 : 24 + 8, 44 - 8 : 54 + 8] = True
    np.testing.assert_allclose(heat[~near], 0, atol=1e-6)
    assert np.abs(heat[near]).max() > 1e-4


def test_batches_do_not_change_the_map(classifier: Classifier) -> None:
    one = occlusion_map(classifier, draw(1), batch_size=1)
    np.testing.assert_allclose(occlusion_map(classifier, draw(1), batch_size=50), one, atol=1e-5)
    assert one.shape == (67, 67)


@pytest.mark.parametrize(("patch", "stride"), [(68, 10), (10, 11), (-3, 1), (5, -1)])
def test_patches_that_leave_pixels_uncovered_are_refused(classifier: Classifier, patch: int, stride: int) -> None:
    with pytest.raises(UsageError, match=f"patch is {patch} and stride {stride}"):
        occlusion_map(classifier, draw(0), patch, stride)


def test_the_overlay_shows_the_view_in_gray_and_the_heat_in_colour(classifier: Classifier) -> None:
    heat = np.zeros((67, 67))
    heat[10:20, 40:60] = 0.3
    heat[50:60, 5:15] = -0.3  # surer when covered: nothing to see there
    shown = np.asarray(overlay(classifier, draw(2), heat)).astype(int)
    assert shown.shape == (67, 67, 3)
    yellowness = shown[..., 0] - shown[..., 2]
    hot = heat > 0
    assert yellowness[hot].min() > yellowness[~hot].max() + 50


def test_a_map_without_heat_can_be_shown(classifier: Classifier) -> None:
    assert overlay(classifier, draw(0), np.zeros((67, 67))).size == (67, 67)


def test_colours_grow_lighter_with_heat() -> None:
    tones = colored(np.linspace(0, 1, 50)[None])[0].astype(float) @ [0.2126, 0.7152, 0.0722]
    assert all(after > before for before, after in pairwise(tones))


def test_the_part_of_a_wide_picture_that_is_looked_at_is_its_centre() -> None:
    wide = Image.new("RGB", (160, 80), (128, 128, 128))
    wide.paste((255, 255, 255), (0, 0, 40, 80))  # left of the centre square
    classifier = make_classifier()
    assert np.abs(occlusion_map(classifier, wide)).max() < 1e-6
