import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alexnet.data.views import center_view
from alexnet.errors import ShapeMismatch, UnreadableWeights
from alexnet.weights.foreign import Foreign, read_foreign
from alexnet.weights.formats.mat5 import read_mat
from alexnet.weights.raw import Damaged
from oracles.lively import relative_error
from oracles.matconvnet_files import cell, matconvnet
from oracles.narrow_nets import arrays_of, assert_same, lively, logits_of, pictures

scipy_io = pytest.importorskip("scipy.io")  # a development dependency without types


def written(folder: Path, variables: dict[str, Any], packed: bool = False) -> Path:
    scipy_io.savemat(folder / "net.mat", variables, do_compression=packed)
    return folder / "net.mat"


def flipped(model: Any) -> Any:
    """The model for RGB, as the importer turns it."""
    with torch.no_grad():
        model.conv1.weight.copy_(model.conv1.weight.flip(1))
    return model


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("pool_first", [False, True])
def test_nets_of_matconvnet_are_read_to_the_bit_and_tell_their_order(
    packed: bool, old: bool, pool_first: bool, tmp_path: Path
) -> None:
    model = lively("narrow-caffenet" if pool_first else "narrow-bvlc")
    path = written(tmp_path, matconvnet(arrays_of(model), pool_first=pool_first, old=old), packed)
    found = read_foreign(path)
    assert found.weights.lineage.name == model.lineage.name
    assert found.identity.facts["lineage"].source == "the file"
    assert_same(found.weights, flipped(model))


def test_a_map_of_two_by_two_goes_into_fc6_in_its_order(tmp_path: Path) -> None:
    model = lively("narrow-wide")
    found = read_foreign(written(tmp_path, matconvnet(arrays_of(model), size=99)))
    assert found.weights.lineage.name == "narrow-wide"
    assert_same(found.weights, flipped(model))


@pytest.mark.parametrize("old", [False, True])
def test_what_the_file_says_of_its_pictures_is_believed(old: bool, tmp_path: Path) -> None:
    variables = matconvnet(arrays_of(lively()), old=old)
    about = variables if old else variables["meta"]
    found = read_foreign(written(tmp_path, variables))
    preprocessing, facts = found.weights.preprocessing, found.identity.facts
    assert (preprocessing.order, facts["order"].source) == ("RGB", "MatConvNet's convention")
    assert (preprocessing.size, preprocessing.resize, preprocessing.fit) == (67, 80, "warp")
    assert facts["resize"] == (80, "the file")
    assert found.weights.labels == tuple(f"class {i}" for i in range(10))
    # The file keeps the centre of the mean image; whatever is cut, that is what a view loses.
    mean = about["normalization"]["averageImage"]
    assert preprocessing.mean_image is not None
    assert preprocessing.mean_image.shape == (80, 80, 3)
    center = center_view(torch.from_numpy(preprocessing.mean_image.transpose(2, 0, 1).copy()), 67)
    assert np.array_equal(center.numpy().transpose(1, 2, 0), mean)
    assert preprocessing.mean_alignment == "center"


def test_trap_rgb_for_bgr_is_seen(tmp_path: Path) -> None:
    model = lively()
    images = pictures()
    expected = model(images).detach()
    weights = read_foreign(written(tmp_path, matconvnet(arrays_of(model)))).weights
    assert relative_error(logits_of(weights, images.flip(1)), expected) < 1e-5
    assert relative_error(logits_of(weights, images), expected) > 1e-2


def test_a_mean_of_three_numbers_is_a_mean(tmp_path: Path) -> None:
    variables = matconvnet(arrays_of(lively()))
    variables["meta"]["normalization"]["averageImage"] = np.array([[[123.0, 117.0, 104.0]]], np.float32)
    preprocessing = read_foreign(written(tmp_path, variables)).weights.preprocessing
    assert preprocessing.mean_image is None
    assert preprocessing.mean == (123.0, 117.0, 104.0)


@pytest.mark.parametrize(
    ("edits", "says"),
    [({"pool_pad": [[1, 1, 1, 1]]}, "a pool padded by"), ({"param": np.int32}, "LRN")],
)
def test_another_network_is_named(edits: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ShapeMismatch, match=says):
        read_foreign(written(tmp_path, matconvnet(arrays_of(lively()), **edits)))


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"x": np.zeros((3, 3))}, "no variable `layers`"),
        ({"layers": cell([{"type": "bnorm", "name": "bn1"}])}, "no layer with weights"),
        ({"places_mean": np.zeros((256, 256, 3))}, "no variable `layers`"),
    ],
)
def test_other_files_of_matlab_are_named(variables: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ShapeMismatch, match=says):
        read_foreign(written(tmp_path, variables))


VARIABLES: list[Any] = [
    np.arange(24, dtype=np.float32).reshape(2, 3, 4), np.zeros((0, 3)), np.array([[1, 2]], np.int8), np.array([[2.5]]),
    np.array([[True, False]]), np.arange(6, dtype=np.uint16).reshape(3, 2), "text", "", "über",
    {"a": np.array([[1.0]]), "b": {"c": "deep"}}, cell([1.0, "x", cell([2.0])]),
]  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("value", VARIABLES)
def test_variables_are_what_scipy_reads(value: Any, packed: bool, tmp_path: Path) -> None:
    path = written(tmp_path, {"x": value}, packed)
    expected = scipy_io.loadmat(path, simplify_cells=False, chars_as_strings=True)["x"]
    assert_equal(read_mat(memoryview(path.read_bytes()))["x"], expected)


def assert_equal(found: Any, expected: Any) -> None:
    if isinstance(found, str):
        assert found == "".join(expected.ravel().tolist())
    elif isinstance(found, list) and found and isinstance(found[0], dict):
        for name in expected.dtype.names:
            assert_equal(found[0][name], expected[name][0, 0])
    elif isinstance(found, list):
        for ours, theirs in zip(found, expected.ravel(), strict=True):
            assert_equal(ours, theirs)
    else:
        assert found.shape == expected.shape
        assert np.array_equal(found, expected)


def test_big_endian_files_are_read() -> None:
    array = (
        struct.pack(">IIIIII", 6, 8, 6, 0, 5, 8)
        + struct.pack(">ii", 1, 2)
        + struct.pack(">II", 1, 1)
        + b"x"
        + b"\0" * 7
    )
    array += struct.pack(">IIdd", 9, 16, 1.5, -2.0)
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    content = header + struct.pack(">II", 14, len(array)) + array
    assert read_mat(memoryview(content))["x"].tolist() == [[1.5, -2.0]]


def test_a_packed_element_that_claims_to_be_large_takes_no_memory() -> None:
    bomb = zlib.compress(struct.pack("<II", 14, 0xFFFFFFF0) + b"\0" * 100_000)
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    content = header + struct.pack("<II", 15, len(bomb)) + bomb
    with pytest.raises(Damaged, match="would unpack to 4294967280 bytes"):
        read_mat(memoryview(content))


def test_cells_within_cells_without_end_are_refused(tmp_path: Path) -> None:
    deep: Any = cell([1.0])
    for _ in range(40):
        deep = cell([deep])
    path = written(tmp_path, {"layers": deep})
    with pytest.raises(UnreadableWeights, match="levels of cells"):
        read_foreign(path)


def test_arrays_are_views_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, {"x": np.zeros((300, 200), np.float32)})
    data = memoryview(bytearray(path.read_bytes()))
    assert np.shares_memory(read_mat(data)["x"], np.frombuffer(data, np.uint8))


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_cut_anywhere_is_refused(packed: bool, tmp_path: Path) -> None:
    path = written(tmp_path, matconvnet(arrays_of(lively())), packed)
    content = path.read_bytes()
    for length in [1, 50, 127, 128, 130, *range(200, len(content), len(content) // 60)]:
        path.write_bytes(content[:length])
        with pytest.raises((UnreadableWeights, ShapeMismatch)):
            read_foreign(path)


@pytest.mark.parametrize("stride", [0, -1])
def test_a_stride_of_nothing_is_refused(stride: int, tmp_path: Path) -> None:
    variables = matconvnet(arrays_of(lively()))
    variables["layers"][0, 0]["stride"] = [[float(stride)]]
    with pytest.raises(UnreadableWeights, match=f"a window of 11 at stride {stride}"):
        read_foreign(written(tmp_path, variables))


def test_weights_that_are_no_cell_are_no_weights(tmp_path: Path) -> None:
    variables = matconvnet(arrays_of(lively()))
    variables["layers"][0, 0]["weights"] = np.zeros((11, 11), np.float32)
    with pytest.raises(UnreadableWeights, match="'conv1' has no weights and biases"):
        read_foreign(written(tmp_path, variables))


def test_a_window_larger_than_its_map_is_no_alexnet(tmp_path: Path) -> None:
    variables = matconvnet(arrays_of(lively()))
    variables["meta"]["normalization"]["imageSize"] = [[8.0, 8.0, 3.0]]
    with pytest.raises(ShapeMismatch, match="window"):
        read_foreign(written(tmp_path, variables))


def test_foreign_is_a_pair(tmp_path: Path) -> None:
    found = read_foreign(written(tmp_path, matconvnet(arrays_of(lively()))))
    assert isinstance(found, Foreign)
    assert found.weights.provenance["format"] == "mat"
    assert found.weights.provenance["facts"]["mean_image"] == {"value": "an image of 80x80", "source": "the file"}


def test_a_relu_that_leaks_is_another_network(tmp_path: Path) -> None:
    net = matconvnet(arrays_of(lively()))
    for leak in (0.0, 0.1):
        net["layers"][0, 1]["leak"] = np.array([[leak]])
        if leak:
            with pytest.raises(ShapeMismatch, match="'relu1' is a ReLU that leaks"):
                read_foreign(written(tmp_path, net))
        else:
            assert read_foreign(written(tmp_path, net)).weights.lineage.name == "narrow-bvlc"
