from dataclasses import replace
from pathlib import Path

import pytest
import torch

from alexnet.errors import ShapeMismatch, UsageError, WeightsError
from alexnet.weights import load
from alexnet.weights.export import SUFFIXES as FORMATS
from alexnet.weights.export import write_weights
from oracles.lively import relative_error
from oracles.narrow_nets import assert_same, lively, logits_of, pictures, weights_of

SUFFIXES = list(FORMATS)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_is_loaded_to_the_bit_by_load_itself(suffix: str, tmp_path: Path) -> None:
    model = lively("narrow-wide")
    if suffix == ".safetensors":  # names its lineage, which must be one of the package's own tables
        model = lively("tiny")
    write_weights(weights_of(model), tmp_path / f"net{suffix}")
    assert_same(load(tmp_path / f"net{suffix}", model.lineage.name), model)


def test_weights_go_round_all_formats_and_come_back_the_same(tmp_path: Path) -> None:
    model = lively("tiny", num_classes=7)
    weights, first = weights_of(model), weights_of(model)
    for step, suffix in enumerate([".npy", ".onnx", ".caffemodel", ".pth", ".safetensors", ".npy", ".pth"]):
        path = tmp_path / f"{step}{suffix}"
        write_weights(weights, path)
        weights = load(path, "tiny")
    images = pictures()
    turned = images.flip(1) if weights.preprocessing.order == "BGR" else images
    assert relative_error(logits_of(weights, turned), logits_of(first, images)) < 1e-6
    for name, tensor in first.tensors.items():
        found = weights.tensors[name]
        is_turned = name == "conv1.weight" and weights.preprocessing.order == "BGR"
        assert torch.equal(found.flip(1) if is_turned else found, tensor), name


def test_safetensors_lose_nothing(tmp_path: Path) -> None:
    weights = weights_of(lively("tiny"), labels=tuple("abcdefghij"))
    assert write_weights(weights, tmp_path / "net.safetensors") == []
    found = load(tmp_path / "net.safetensors")
    assert (found.labels, found.preprocessing, found.lineage) == (
        weights.labels,
        weights.preprocessing,
        weights.lineage,
    )


def test_a_suffix_of_no_format_lists_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.mat names no format.*\.caffemodel, \.npy, \.onnx, \.pth"):
        write_weights(weights_of(lively("tiny")), tmp_path / "net.mat")


def test_nothing_is_left_when_weights_are_not_those_of_their_lineage(tmp_path: Path) -> None:
    weights = weights_of(lively("tiny"))
    for suffix in SUFFIXES:
        with pytest.raises(ShapeMismatch):
            write_weights(replace(weights, tensors=dict(list(weights.tensors.items())[:-1])), tmp_path / f"net{suffix}")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be written"):
        write_weights(weights_of(lively("tiny")), tmp_path / "nowhere" / "net.npy")


def test_an_older_file_is_replaced_whole(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_weights(weights_of(lively("narrow-bvlc", seed)), tmp_path / "net.caffemodel")
    assert_same(load(tmp_path / "net.caffemodel"), lively("narrow-bvlc", 2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.caffemodel", "net.prototxt"]


@pytest.mark.slow
@pytest.mark.parametrize("lineage", ["bvlc", "caffenet"])
def test_at_full_size_opencv_and_onnxruntime_agree_with_us(lineage: str, tmp_path: Path) -> None:
    import cv2
    import onnxruntime

    weights = weights_of(lively(lineage))
    images = pictures(227, count=1)
    expected = logits_of(weights, images)
    write_weights(weights, tmp_path / "net.caffemodel")
    engine = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel"))
    engine.setInput(images.numpy())
    assert relative_error(engine.forward("fc8"), expected) < 1e-5
    write_weights(weights, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    assert relative_error(session.run(["logits"], {"images": images.numpy()})[0], expected) < 1e-5
    for suffix in (".caffemodel", ".onnx", ".npy", ".pth"):
        write_weights(weights, tmp_path / f"net{suffix}")
        found = load(tmp_path / f"net{suffix}", lineage)
        assert relative_error(logits_of(found, images), expected) == 0
