import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

import alexnet
from alexnet.errors import DataError, UsageError, WeightsError
from alexnet.inference import Classifier
from alexnet.inference.agreement import Agreement
from alexnet.inference.export import LIMIT, export
from alexnet.lineages import LINEAGES
from alexnet.weights.formats.onnx_writer import write
from oracles.classifiers import LABELS, MEAN, draw, make_classifier, probabilities, squares
from oracles.lively import lively_net
from oracles.narrow_nets import more_lineages, weights_of

SMALL = ("tiny", "cifar-quick", "cifar-local")
NARROW = tuple(name for name in more_lineages() if name != "micro")
LARGE = tuple(name for name in LINEAGES if name not in SMALL)


@pytest.fixture
def more() -> Iterator[None]:
    """The narrow lineages among the others."""
    extra = more_lineages()
    LINEAGES.update(extra)
    yield
    for name in extra:
        del LINEAGES[name]


def lively_classifier(lineage: str) -> Classifier:
    """A network of any lineage in which every layer matters, fed as the lineage is."""
    weights = weights_of(lively_net(lineage))
    return Classifier.of(weights, torch.device("cpu"))


def answers(path: Path, **inputs: np.ndarray) -> Any:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["probs"], inputs)[0]


@pytest.mark.usefixtures("more")
@pytest.mark.parametrize("input", ["images", "picture"])
@pytest.mark.parametrize("lineage", [*SMALL, *NARROW, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
def test_every_lineage_answers_the_same_in_onnxruntime(lineage: str, input: Any, tmp_path: Path) -> None:
    done = export(lively_classifier(lineage), tmp_path / "net.onnx", input=input, check=[draw(0), draw(1)])
    assert done.agreement.pictures == 2
    assert 0 < done.agreement.relative_error <= LIMIT


def test_the_network_as_a_graph_answers_what_is_worked_out_by_hand(classifier: Classifier, tmp_path: Path) -> None:
    classifier.export(tmp_path / "net.onnx", check=draw(0))
    for square in squares([draw(3), draw(4)]):
        view = square[6:73, 6:73].astype(np.float32) - np.array(MEAN, np.float32)
        found = answers(tmp_path / "net.onnx", images=view.transpose(2, 0, 1)[None])
        np.testing.assert_allclose(found[0], probabilities(classifier, square), atol=1e-5)


@pytest.mark.parametrize("size", [(96, 80), (80, 80), (83, 140), (300, 200), (40, 61)])
def test_a_graph_that_takes_pictures_resizes_as_pillow_does(
    classifier: Classifier, size: tuple[int, int], tmp_path: Path
) -> None:
    classifier.export(tmp_path / "net.onnx", input="picture", check=draw(0))
    picture = draw(5, *size).resize(size, Image.Resampling.BICUBIC)
    found = answers(tmp_path / "net.onnx", pictures=np.asarray(picture)[None])[0]
    np.testing.assert_allclose(found, probabilities(classifier, squares([picture])[0]), atol=2e-3)


@pytest.mark.parametrize(
    "preprocessing",
    [
        {"order": "BGR", "fit": "warp"},
        {"detail": 200, "fit": "warp"},
        {"range": 1, "std": (0.229, 0.224, 0.225)},
        {"detail": 31},
        {"mean_image": np.random.default_rng(0).uniform(90, 150, (90, 90, 3)).astype(np.float32)},
        {
            "mean_image": np.random.default_rng(0).uniform(90, 150, (80, 80, 3)).astype(np.float32),
            "mean_alignment": "picture",
        },
    ],
)
def test_every_preprocessing_can_be_nodes(preprocessing: dict[str, Any], tmp_path: Path) -> None:
    classifier = make_classifier(**preprocessing)
    done = classifier.export(tmp_path / "net.onnx", input="picture", check=[draw(0), draw(1, 77, 160)])
    assert done.agreement.relative_error <= LIMIT
    assert done.resized is not None
    assert done.resized.relative_error < 0.02


def test_pictures_of_one_size_can_be_a_batch(classifier: Classifier, tmp_path: Path) -> None:
    classifier.export(tmp_path / "net.onnx", input="picture", check=draw(0))
    pictures = np.stack([np.asarray(draw(seed)) for seed in range(3)])
    together = answers(tmp_path / "net.onnx", pictures=pictures)
    one_by_one = [answers(tmp_path / "net.onnx", pictures=picture[None])[0] for picture in pictures]
    np.testing.assert_allclose(together, one_by_one, atol=1e-6)


def test_names_labels_and_preprocessing_are_in_the_file(classifier: Classifier, tmp_path: Path) -> None:
    classifier.export(tmp_path / "net.onnx", input="picture", check=draw(0))
    model = onnx.load(str(tmp_path / "net.onnx"))
    said = json.loads(model.metadata_props[0].value)
    assert tuple(said["labels"]) == LABELS
    assert said["preprocessing"] == classifier.preprocessing.to_dict()
    layers = {row.name for row in classifier.lineage.layers} - {classifier.lineage.head}
    assert layers <= {node.name for node in model.graph.node} - {"logits"} | {"fc8"}
    assert {entry.name for entry in model.graph.initializer} >= set(classifier.model.state_dict())


def test_what_was_exported_can_be_loaded_again(classifier: Classifier, tmp_path: Path) -> None:
    classifier.export(tmp_path / "net.onnx", input="picture", check=draw(0))
    classifier.export(tmp_path / "hub", check=draw(0))
    (expected,) = classifier.predict(draw(2), top=7)
    for path in (tmp_path / "net.onnx", tmp_path / "hub"):
        (found,) = alexnet.load(path, device="cpu").predict(draw(2), top=7)
        assert [guess.label for guess in found.top] == [guess.label for guess in expected.top]
        assert [guess.prob for guess in found.top] == pytest.approx([guess.prob for guess in expected.top], abs=1e-6)


def test_a_network_without_shared_weights_comes_back_to_the_bit(tmp_path: Path) -> None:
    classifier = lively_classifier("cifar-local")
    classifier.export(tmp_path / "net.onnx", check=draw(0))
    found = alexnet.load(tmp_path / "net.onnx", device="cpu").model.state_dict()
    for name, tensor in classifier.model.state_dict().items():
        assert torch.equal(found[name], tensor), name


def test_provenance_stays_with_the_network(tmp_path: Path) -> None:
    weights = weights_of(lively_net("tiny"))
    weights.provenance["data"] = "drawn pictures"
    classifier = Classifier.of(weights, torch.device("cpu"))
    classifier.export(tmp_path / "hub", check=draw(0))
    assert json.loads((tmp_path / "hub" / "config.json").read_text())["provenance"] == {"data": "drawn pictures"}
    assert "drawn pictures" in (tmp_path / "hub" / "README.md").read_text()


def test_8_bits_take_less_than_half_and_answer_nearly_the_same(classifier: Classifier, tmp_path: Path) -> None:
    pictures = [draw(seed) for seed in range(16)]
    whole = classifier.export(tmp_path / "net.onnx", check=pictures)
    small = classifier.export(tmp_path / "int8.onnx", int8=True, input="picture", check=pictures)
    assert small.bytes < whole.bytes / 2  # of a network this small, the graph itself is a third
    assert 1e-4 < small.agreement.relative_error < 0.2
    assert small.agreement.same_top1 >= 0.9


def test_a_script_needs_no_package_of_ours_and_gives_the_same_five(classifier: Classifier, tmp_path: Path) -> None:
    done = classifier.export(tmp_path / "classify.py", check=draw(0))
    assert [file.name for file in done.files] == ["classify.py", "classify.onnx"]
    assert len((tmp_path / "classify.py").read_text().splitlines()) < 40
    draw(1, 80, 80).save(tmp_path / "a.png")
    turned = draw(2, 80, 80)
    turned.getexif()[0x0112] = 6
    turned.save(tmp_path / "b.png", exif=turned.getexif())
    run = "import sys, runpy; sys.modules['alexnet'] = None; runpy.run_path(sys.argv[1], run_name='__main__')"
    script = f"sys.argv = ['classify.py', *{[str(tmp_path / 'a.png'), str(tmp_path / 'b.png')]}]"
    code = run.replace("runpy.run_path(sys.argv[1]", f"{script}; runpy.run_path({str(done.path)!r}")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    found = [line.split()[1] for line in out.splitlines() if line.startswith("  ")]
    expected = [guess.label for name in "ab" for guess in classifier.predict(tmp_path / f"{name}.png", top=5)[0].top]
    assert found == expected


def test_networks_that_differ_are_told_apart() -> None:
    logits = np.array([[3.0, 1.0, -4.0, 0.0, 2.0, 0.5], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]], np.float32)
    assert Agreement.of(logits, logits) == Agreement(2, 0.0, 1.0, 1.0)
    other = logits.copy()
    other[0] = [1.0, 3.0, -4.0, 0.0, 2.0, 0.5]
    assert Agreement.of(other, logits) == Agreement(2, 0.5, 0.5, 1.0)
    assert not Agreement.of(logits * np.nan, logits).relative_error <= LIMIT


def test_an_export_that_differs_leaves_the_older_file(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_text("older")
    classifier = make_classifier()
    with torch.no_grad():  # activations of 1e30, whose squares are infinite: no two programs agree on those
        classifier.model.conv1.bias.fill_(1e30)  # type: ignore[union-attr, operator]
    with pytest.raises(WeightsError, match=r"net\.onnx: the exported network differs"):
        classifier.export(tmp_path / "net.onnx", check=draw(0))
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("net.onnx", "older")]


@pytest.mark.parametrize(
    ("path", "options", "says"),
    [
        ("net.tflite", {}, "names no format of export"),
        ("hub", {"int8": True}, "a hub folder holds weights alone"),
        ("hub", {"format": "script"}, "a script is called .py"),
    ],
)
def test_what_cannot_be_is_refused(
    classifier: Classifier, path: str, options: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=says):
        classifier.export(tmp_path / path, **options, check=draw(0))
    assert not list(tmp_path.iterdir())


def test_without_a_picture_nothing_is_exported(classifier: Classifier, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no picture that the export could be compared on"):
        classifier.export(tmp_path / "net.onnx", check="nowhere.jpg")


def test_24_nodes_of_bvlc_with_its_own_names(tmp_path: Path) -> None:
    weights = weights_of(lively_net("bvlc", num_classes=10))
    write(weights, tmp_path / "net.onnx")
    nodes = onnx.load(str(tmp_path / "net.onnx")).graph.node
    assert [node.name for node in nodes] == [
        "conv1", "relu1", "norm1", "pool1", "conv2", "relu2", "norm2", "pool2", "conv3", "relu3", "conv4", "relu4",
        "conv5", "relu5", "pool5", "flatten", "fc6", "relu6", "drop6", "fc7", "relu7", "drop7", "fc8", "probs",
    ]  # fmt: skip
    assert sum(node.op_type == "LRN" for node in nodes) == 2
