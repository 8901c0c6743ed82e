import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from alexnet.errors import MissingExtra, UnreadablePicture, UsageError
from alexnet.inference import Classifier
from alexnet.inference.colour_share import colour_shares, first_layer_towers
from alexnet.inference.explain_layers import as_square
from alexnet.inference.explanation import Kind, find_class
from alexnet.inference.gradcam import grad_cam
from oracles.classifiers import LABELS, MEAN, draw, make_classifier, squares


def test_grad_cam_is_that_of_its_paper(classifier: Classifier) -> None:
    view = squares([draw(1)])[0][6:73, 6:73].astype(np.float32) - np.array(MEAN, np.float32)
    x = torch.from_numpy(view.transpose(2, 0, 1).copy())[None]
    maps = classifier.model.part(upto="conv5")(x)[0].detach().requires_grad_()  # (C, H, W)
    classifier.model.part(after="conv5").eval()(maps[None])[0, 3].backward()
    assert maps.grad is not None
    weighed = (maps.grad.mean(dim=(1, 2))[:, None, None] * maps).sum(0).clamp(min=0).detach()
    large = torch.nn.functional.interpolate(weighed[None, None], size=(67, 67), mode="bilinear")[0, 0].numpy()

    found = grad_cam(classifier, draw(1), target=3)

    np.testing.assert_allclose(found, large / large.max(), atol=1e-4)
    assert np.ptp(found) > 0.1


def test_classes_have_evidence_of_their_own(classifier: Classifier) -> None:
    one, other = (grad_cam(classifier, draw(1), target) for target in (1, 3))
    assert np.abs(one - other).max() > 0.1


def test_grad_cam_leaves_the_network_as_it_was(classifier: Classifier) -> None:
    classifier.model.train()
    grad_cam(classifier, draw(1), 0)
    assert all(module.training for module in classifier.model.modules())
    assert all(parameter.grad is None for parameter in classifier.model.parameters())


def test_colour_is_what_gray_does_not_hold() -> None:
    rng = np.random.default_rng(0)
    gray = np.repeat(rng.normal(size=(1, 11, 11, 1)), 3, axis=-1)
    red_against_green = rng.normal(size=(1, 11, 11, 1)) * np.array([1.0, -1.0, 0.0])
    noise = rng.normal(size=(1, 200, 200, 3))
    assert colour_shares(gray)[0] == pytest.approx(0, abs=1e-12)
    assert colour_shares(red_against_green)[0] == pytest.approx(1)
    assert colour_shares(noise)[0] == pytest.approx(2 / 3, abs=0.01)
    assert colour_shares(np.zeros((1, 3, 3, 3))).tolist() == [0]


def test_towers_are_those_that_the_second_layer_reads(classifier: Classifier) -> None:
    with torch.no_grad():
        weight = classifier.model.conv1.weight  # type: ignore[union-attr]
        weight[:8] = weight[:8].mean(dim=1, keepdim=True)  # type: ignore[index, operator]
    first, second = first_layer_towers(classifier)
    assert (first.first, second.first, len(second.kernels)) == (0, 8, 8)
    assert first.mean_share == pytest.approx(0, abs=1e-6)
    assert second.mean_share > 0.3


@pytest.mark.parametrize(
    ("kind", "arguments", "options", "shape"),
    [
        ("filters", (), {}, (16, 11, 11, 3)),
        ("maps", (draw(0),), {}, (32, 3, 3)),
        ("maps", (draw(0),), {"layer": "conv1", "count": 5}, (16, 15, 15)),
        ("maps", (draw(0),), {"layer": "fc8", "count": 1}, (7,)),
        ("heatmap", (draw(0),), {"target": "eel", "layer": "conv3"}, (67, 67)),
        ("occlusion", (draw(0),), {"patch": 30, "stride": 20}, (67, 67)),
        ("guesses", ([draw(0), draw(1)],), {"top": 3}, (0,)),
    ],
)
def test_every_kind_is_a_figure_with_its_numbers(
    classifier: Classifier, kind: Any, arguments: Any, options: Any, shape: tuple[int, ...], tmp_path: Path
) -> None:
    explanation = classifier.explain(kind, *arguments, **options)
    assert explanation.values.shape == shape
    json.dumps(explanation.facts)
    with Image.open(explanation.save(tmp_path / "new" / f"{kind}.png")) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 250
        assert np.asarray(picture.convert("L")).std() > 5


def test_names_of_any_letters_can_be_drawn(tmp_path: Path) -> None:
    labels = ("$x^2$ and $", "<b>&", "猫", "قطة", "a" * 90, "_", "\\frac{")
    classifier = make_classifier(labels=labels)
    kinds: tuple[Kind, ...] = ("heatmap", "guesses")
    for kind in kinds:
        classifier.explain(kind, draw(0)).save(tmp_path / f"{kind}.svg")


def test_the_map_of_a_layer_is_what_the_layer_gives(classifier: Classifier) -> None:
    explanation = classifier.explain("maps", draw(2), layer="pool2")
    assert np.array_equal(explanation.values.ravel(), classifier.features(draw(2), ["pool2"])["pool2"][0])
    strength = np.abs(explanation.values).mean(axis=(1, 2))
    assert explanation.facts["maps"][0] == strength.argmax()


def test_a_picture_in_the_folder_of_its_class_is_called_so(classifier: Classifier, folder: Path) -> None:
    facts = classifier.explain("guesses", folder / "bee").facts
    assert [each["label"] for each in facts["pictures"]] == ["bee", "bee"]
    assert classifier.explain("guesses", draw(0)).facts["pictures"][0]["label"] is None


def test_classes_go_by_name_by_number_or_by_a_part_of_the_name(classifier: Classifier) -> None:
    assert [find_class(classifier, target) for target in ("cat", "2", 2, "CA")] == [LABELS.index("cat")] * 4
    with pytest.raises(UsageError, match=r"no class 'e'.*bee, eel"):
        find_class(classifier, "e")
    with pytest.raises(UsageError, match="its number below 7"):
        find_class(classifier, 7)


def test_numbers_left_over_in_a_square_stay_white() -> None:
    square = as_square(np.arange(7, dtype=np.float32))
    assert square.shape == (3, 3)
    assert np.isnan(square[2]).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        ("dreams", {}, "Known: filters, maps, heatmap, occlusion, guesses"),
        ("heatmap", {"layer": "fc7"}, "fc7 has 64 numbers and no maps"),
        ("heatmap", {"layer": "conv9"}, "has no layer 'conv9'"),
        ("maps", {"count": 0}, "show at least one"),
        ("occlusion", {"patch": 99}, "patch is 99"),
    ],
)
def test_what_cannot_be_shown_is_told(classifier: Classifier, kind: Any, options: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        classifier.explain(kind, draw(0), **options)


def test_one_readable_picture_is_asked_for(classifier: Classifier, folder: Path) -> None:
    with pytest.raises(UsageError, match="is 6 pictures"):
        classifier.explain("maps", folder)
    with pytest.raises(UnreadablePicture, match=r"none\.jpg"):
        classifier.explain("maps", folder / "none.jpg")
    with pytest.raises(UnreadablePicture, match="matches no file"):
        classifier.explain("guesses", folder / "*.jpg")


@pytest.mark.parametrize(("package", "kind"), [("captum.attr", "heatmap"), ("matplotlib.figure", "maps")])
def test_without_the_package_the_extra_is_named(
    classifier: Classifier, package: str, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r"pip install 'alexnet\[explain\]'"):
        classifier.explain(kind, draw(0))
