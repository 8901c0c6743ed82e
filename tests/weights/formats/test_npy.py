import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alexnet.errors import ShapeMismatch, UnreadableWeights, UsageError
from alexnet.lineages import find
from alexnet.weights import Weights
from alexnet.weights.export import write_weights
from alexnet.weights.foreign import Foreign, read_foreign
from alexnet.weights.identity import identify
from alexnet.weights.raw import Raw, RawLayer
from oracles import python2_pickle
from oracles.lively import relative_error
from oracles.narrow_nets import arrays_of, assert_same, lively, logits_of, pictures, weights_of
from oracles.tensorflow_files import Layers, as_tensorflow


def python3_npy(value: Any, protocol: int) -> bytes:
    wrapped = np.empty((), dtype=object)
    wrapped[()] = value
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    return file.getvalue() + pickle.dumps(wrapped, protocol)


def read(content: bytes, folder: Path, lineage: str | None = "narrow-bvlc") -> Foreign:
    (folder / "bvlc_alexnet.npy").write_bytes(content)
    return read_foreign(folder / "bvlc_alexnet.npy", lineage)


@pytest.fixture
def layers() -> Layers:
    # 99 gives a map of 2x2 under fc6, so that the order of its inputs matters
    return as_tensorflow(arrays_of(wide()))


def wide() -> Any:
    return lively("narrow-wide")


def test_a_file_of_python_2_is_read_to_the_bit(layers: Layers, tmp_path: Path) -> None:
    """unicode keys, arrays of numpy.core.multiarray with their bytes as text, as numpy of 2015 pickled them."""
    assert_same(read(python2_pickle.npy(layers), tmp_path, "narrow-wide").weights, wide())


def test_keys_of_bytes_are_names_too(layers: Layers, tmp_path: Path) -> None:
    content = python2_pickle.npy({name.encode(): pair for name, pair in layers.items()})
    assert_same(read(content, tmp_path, "narrow-wide").weights, wide())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_of_python_3_is_read_to_the_bit(layers: Layers, protocol: int, tmp_path: Path) -> None:
    assert_same(read(python3_npy(layers, protocol), tmp_path, "narrow-wide").weights, wide())


def test_named_pairs_and_pairs_turned_round_are_pairs(layers: Layers, tmp_path: Path) -> None:
    named = {name: {"biases": bias, "weights": weight} for name, (weight, bias) in layers.items()}
    assert_same(read(python2_pickle.npy(named), tmp_path, "narrow-wide").weights, wide())
    turned = {name: [bias, weight] for name, (weight, bias) in layers.items()}
    assert_same(read(python2_pickle.npy(turned), tmp_path, "narrow-wide").weights, wide())


def test_a_dict_without_order_is_put_in_order(layers: Layers, tmp_path: Path) -> None:
    shuffled = {name: layers[name] for name in ("fc7", "conv4", "fc8", "conv1", "fc6", "conv5", "conv3", "conv2")}
    shuffled["fc8_flickr"] = shuffled.pop("fc8")
    assert_same(read(python2_pickle.npy(shuffled), tmp_path, "narrow-wide").weights, wide())


def test_arrays_in_fortran_order_and_big_endian_are_the_same_arrays(layers: Layers, tmp_path: Path) -> None:
    turned: Any = {name: [np.asfortranarray(weight), bias] for name, (weight, bias) in layers.items()}
    assert_same(read(python2_pickle.npy(turned), tmp_path, "narrow-wide").weights, wide())
    big: Any = {name: [weight.astype(">f4"), bias.astype(">f4")] for name, (weight, bias) in layers.items()}
    assert_same(read(python3_npy(big, 4), tmp_path, "narrow-wide").weights, wide())


def test_trap_9_a_file_cannot_tell_bvlc_from_caffenet_whatever_it_is_called(layers: Layers, tmp_path: Path) -> None:
    small = as_tensorflow(arrays_of(lively("narrow-bvlc")))
    with pytest.raises(UsageError, match=r"--lineage narrow-bvlc or --lineage narrow-caffenet") as caught:
        read(python2_pickle.npy(small), tmp_path, lineage=None)
    assert "tiny has LRN (size 5, k 2" in str(caught.value)
    assert "narrow-bvlc has LRN (size 5, k 1" in str(caught.value)
    found = read(python2_pickle.npy(small), tmp_path, "narrow-caffenet")
    assert found.identity.facts["lineage"].source == "as asked"


def test_at_full_width_the_choice_is_between_caffes_two(tmp_path: Path) -> None:
    shapes = {"conv1": (96, 3, 11, 11), "conv2": (256, 48, 5, 5), "conv3": (384, 256, 3, 3), "conv4": (384, 192, 3, 3),
              "conv5": (256, 192, 3, 3), "fc6": (4096, 256, 6, 6), "fc7": (4096,) * 2, "fc8": (1000, 4096)}  # fmt: skip
    layers = tuple(
        RawLayer(name, np.broadcast_to(np.float32(0), shape), "OIHW" if len(shape) == 4 else "OI")
        for name, shape in shapes.items()
    )
    raw = Raw(tmp_path / "x.npy", "npy", layers, lineages=("bvlc", "caffenet"))
    with pytest.raises(UsageError, match=r"bvlc has LRN .*, caffenet has max pooling.*--lineage bvlc or .*caffenet\."):
        identify(raw)
    assert identify(raw, "paper").lineage == find("paper")
    with pytest.raises(
        ShapeMismatch, match=r"'conv1' has weights of shape \(96, 3, 11, 11\), and conv1 of torchvision"
    ):
        identify(raw, "torchvision")


def test_trap_fc6_skipping_the_re_wiring_is_seen(layers: Layers, tmp_path: Path) -> None:
    """Spec 7.2: the rows of fc6 lie in the order H, W, C; taken as C, H, W the net runs and is wrong."""
    images = pictures(99)
    right = logits_of(read(python2_pickle.npy(layers), tmp_path, "narrow-wide").weights, images)
    expected = logits_of(weights_of(wide()), images)
    assert relative_error(right, expected) == 0
    unwired = as_tensorflow(arrays_of(wide()), rewire=False)
    wrong = logits_of(read(python2_pickle.npy(unwired), tmp_path, "narrow-wide").weights, images)
    assert relative_error(wrong, expected) > 0.1


def test_trap_rgb_for_bgr_is_seen(layers: Layers, tmp_path: Path) -> None:
    weights = read(python2_pickle.npy(layers), tmp_path, "narrow-wide").weights
    assert weights.preprocessing.order == "BGR"
    images = pictures(99)
    assert relative_error(logits_of(weights, images.flip(1)), logits_of(weights, images)) > 1e-2


def test_every_source_is_said(layers: Layers, tmp_path: Path) -> None:
    facts = read(python2_pickle.npy(layers), tmp_path, "narrow-wide").identity.to_dict()
    assert facts["order"] == {"value": "BGR", "source": "caffe-tensorflow's convention"}
    assert facts["flatten"] == {"value": "HWC", "source": "caffe-tensorflow's convention"}
    assert facts["lineage"] == {"value": "narrow-wide", "source": "as asked"}
    assert facts["size"] == {"value": 99, "source": "the lineage's table"}


def written(weights: Weights, folder: Path) -> Path:
    write_weights(weights, folder / "net.npy")
    return folder / "net.npy"


def test_what_is_written_comes_back_to_the_bit(tmp_path: Path) -> None:
    model = wide()
    assert_same(read_foreign(written(weights_of(model), tmp_path), "narrow-wide").weights, model)


def test_what_is_written_is_what_the_code_of_2015_loads(tmp_path: Path) -> None:
    model = wide()
    loaded = np.load(written(weights_of(model), tmp_path), allow_pickle=True, encoding="latin1").item()
    expected = as_tensorflow(arrays_of(model))
    assert loaded.keys() == expected.keys()
    for name, pair in expected.items():
        assert np.array_equal(loaded[name][0], pair[0]), name
        assert np.array_equal(loaded[name][1], pair[1]), name


def test_what_a_file_cannot_hold_is_said(tmp_path: Path) -> None:
    weights = weights_of(wide(), labels=tuple("abcdefghij"), mean_image=np.zeros((112, 112, 3), np.float32))
    lost = write_weights(weights, tmp_path / "net.npy")
    assert [line.split(":")[0].split(",")[0] for line in lost] == [
        "the names of the 10 classes", "the mean image", "the mean that is subtracted", "the lineage",
    ]  # fmt: skip


def test_one_array_is_no_network(tmp_path: Path) -> None:
    np.save(tmp_path / "ilsvrc_2012_mean.npy", np.zeros((3, 256, 256)))
    with pytest.raises(ShapeMismatch, match="one array and no dict of layers; if it is a mean image"):
        read_foreign(tmp_path / "ilsvrc_2012_mean.npy")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"conv2": "text"}, "'conv2' is not a pair"),
        ({"conv2": []}, "'conv2' is not a pair"),
        ({"conv2": [np.zeros((2, 2)), np.zeros((2, 2))]}, "'conv2' is not a pair"),
        ({"conv2": [np.zeros((2, 2, 2)), np.zeros(2)]}, "'conv2' has weights of shape"),
    ],
)
def test_what_is_no_layer_is_named(layers: Layers, change: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableWeights, match=says):
        read(python3_npy(layers | change, 4), tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_found(layers: Layers, value: float, tmp_path: Path) -> None:
    layers["fc7"][0][3, 5] = value
    with pytest.raises(UnreadableWeights, match=r"fc7\.weight holds values that are not finite"):
        read(python2_pickle.npy(layers), tmp_path, "narrow-wide")


def test_whole_numbers_are_no_weights(layers: Layers, tmp_path: Path) -> None:
    layers["fc7"][0] = layers["fc7"][0].astype(np.int32)
    with pytest.raises(UnreadableWeights, match=r"fc7\.weight holds torch\.int32"):
        read(python2_pickle.npy(layers), tmp_path, "narrow-wide")


def test_tensors_do_not_keep_the_file(layers: Layers, tmp_path: Path) -> None:
    weights = read(python2_pickle.npy(layers), tmp_path, "narrow-wide").weights
    before = {name: tensor.clone() for name, tensor in weights.tensors.items()}
    (tmp_path / "bvlc_alexnet.npy").write_bytes(b"")
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights.tensors.items())


@pytest.mark.parametrize("kind", ["<b8", "|f1", "<b2"])
def test_types_that_numpy_does_not_have_are_refused(kind: str, tmp_path: Path) -> None:
    content = (
        np.lib.format.magic(1, 0)
        + b"v\0"
        + f"{{'descr': '{kind}', 'fortran_order': False, 'shape': (3,), }}".ljust(118).encode()
    )
    with pytest.raises(UnreadableWeights, match="its header makes no sense"):
        read(content, tmp_path)
