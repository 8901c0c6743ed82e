"""theano_alexnet: one NumPy file per tensor, in a folder or zipped; written here with numpy alone."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alexnet.errors import ShapeMismatch, UnreadableWeights, UsageError
from alexnet.weights import load, locate
from alexnet.weights.foreign import Foreign, read_foreign
from alexnet.weights.formats import theano
from alexnet.weights.recognize import recognize
from oracles.lively import relative_error
from oracles.narrow_nets import arrays_of, lively, logits_of, pictures
from oracles.theano_files import Tensors, as_theano, npy, zipped

LINEAGE = "narrow-theano"


def in_folder(folder: Path, files: Tensors) -> Path:
    folder.mkdir(exist_ok=True)
    for name, array in files.items():
        (folder / name).write_bytes(npy(array))
    return folder


@pytest.fixture
def files() -> Tensors:
    return as_theano(arrays_of(lively(LINEAGE)))


def read(path: Path, lineage: str | None = LINEAGE) -> Foreign:
    return read_foreign(path, lineage)


def assert_equal(found: Foreign) -> None:
    for name, tensor in lively(LINEAGE).state_dict().items():
        assert torch.equal(found.weights.tensors[name], tensor), name


def test_a_folder_is_read_to_the_bit_by_its_name_or_that_of_a_tensor(files: Tensors, tmp_path: Path) -> None:
    folder = in_folder(tmp_path / "net", files)
    assert locate(folder).parent == folder
    for named in (locate(folder), folder / "W_0_65.npy", folder / "b1_4_65.npy"):
        assert recognize(named) == "theano"
        assert_equal(read(named))
    assert torch.equal(load(folder, LINEAGE).tensors["fc8.weight"], lively(LINEAGE).state_dict()["fc8.weight"])


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("inside", ["parameters_releasing/", ""])
def test_an_archive_is_read_to_the_bit_without_unpacking(
    files: Tensors, packed: bool, inside: str, tmp_path: Path
) -> None:
    path = zipped(tmp_path / "parameters_releasing.zip", files, packed, inside)
    assert recognize(path) == "theano"
    assert_equal(read(path))
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_known_is_said_with_its_source(files: Tensors, tmp_path: Path) -> None:
    facts = read(zipped(tmp_path / "net.zip", files)).identity.to_dict()
    assert facts["format"]["value"] == "theano (epoch 65, a zip archive of tensors)"
    assert facts["order"] == {"value": "RGB", "source": "theano_alexnet's convention"}
    assert facts["kernels"] == {"value": "turned by half a turn here", "source": "Theano convolves"}
    preprocessing = read(tmp_path / "net.zip").weights.preprocessing
    assert (preprocessing.order, preprocessing.range, preprocessing.fit) == ("RGB", 255, "warp")


def test_trap_kernels_that_are_not_turned_are_seen(files: Tensors, tmp_path: Path) -> None:
    right = read(zipped(tmp_path / "right.zip", files)).weights
    turned = {name: array[:, ::-1, ::-1] if array.ndim == 4 else array for name, array in files.items()}
    wrong = read(zipped(tmp_path / "wrong.zip", turned)).weights
    images = pictures(99)
    assert relative_error(logits_of(wrong, images), logits_of(right, images)) > 0.1


def test_trap_layers_behind_old_dropout_are_halved_and_their_biases_are_not(files: Tensors, tmp_path: Path) -> None:
    tensors = read(zipped(tmp_path / "net.zip", files)).weights.tensors
    assert np.array_equal(tensors["fc7.weight"].numpy(), files["W_6_65.npy"].T / 2)
    assert np.array_equal(tensors["fc6.weight"].numpy(), files["W_5_65.npy"].T)
    assert np.array_equal(tensors["fc8.bias"].numpy(), files["b_7_65.npy"])


def test_of_several_epochs_the_named_one_is_read_else_the_latest(files: Tensors, tmp_path: Path) -> None:
    other = as_theano(arrays_of(lively(LINEAGE, seed=5)), epoch=7)
    folder = in_folder(tmp_path / "net", files | other)
    assert_equal(read(locate(folder)))
    assert_equal(read(zipped(tmp_path / "net.zip", files | other)))
    found = read(folder / "W_0_7.npy").weights.tensors["conv1.weight"]
    assert torch.equal(found, lively(LINEAGE, seed=5).state_dict()["conv1.weight"])


def test_what_else_lies_there_is_passed_over(files: Tensors, tmp_path: Path) -> None:
    more = {"mom_3_65.npy": np.zeros(3), "val_record.npy": np.array([{}], dtype=object)}
    folder = tmp_path / "net"
    in_folder(folder, files)
    np.save(folder / "val_record.npy", more["val_record.npy"], allow_pickle=True)
    np.save(folder / "mom_3_65.npy", more["mom_3_65.npy"])
    assert_equal(read(locate(folder)))


def test_a_mean_image_beside_the_tensors_is_taken(files: Tensors, tmp_path: Path) -> None:
    planes = np.random.default_rng(0).uniform(0, 255, (3, 112, 112))
    for path in (locate(in_folder(tmp_path / "net", files | {"img_mean.npy": planes})),
                 zipped(tmp_path / "net.zip", files | {"img_mean.npy": planes})):  # fmt: skip
        image = read(path).weights.preprocessing.mean_image
        assert image is not None
        assert np.array_equal(image, planes.transpose(1, 2, 0).astype(np.float32))
    with pytest.raises(UnreadableWeights, match=r"img_mean\.npy has shape \(112, 112, 3\)"):
        read(zipped(tmp_path / "wrong.zip", files | {"img_mean.npy": planes.transpose(1, 2, 0)}))


def test_arrays_in_fortran_order_and_big_endian_are_the_same_arrays(files: Tensors, tmp_path: Path) -> None:
    assert_equal(read(zipped(tmp_path / "f.zip", {name: np.asfortranarray(array) for name, array in files.items()})))
    assert_equal(read(zipped(tmp_path / "big.zip", {name: array.astype(">f4") for name, array in files.items()})))


def without(files: Tensors, *names: str) -> Tensors:
    return {name: array for name, array in files.items() if name not in names}


@pytest.mark.parametrize(
    ("lost", "says"),
    [
        (("W_2_65.npy",), "W_2 is missing"),
        (("b_5_65.npy",), "b_5 is missing"),
        (("W1_3_65.npy",), "one of W0_3 and W1_3 is missing"),
        (("b0_1_65.npy", "b1_1_65.npy"), "b_1 is missing"),
    ],
)
def test_a_tensor_that_is_missing_is_named(files: Tensors, lost: tuple[str, ...], says: str, tmp_path: Path) -> None:
    for path in (zipped(tmp_path / "net.zip", without(files, *lost)),
                 locate(in_folder(tmp_path / "net", without(files, *lost)))):  # fmt: skip
        with pytest.raises(UnreadableWeights, match=says):
            read(path)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"W_1_65.npy": np.zeros((8, 5, 5, 32), np.float32)}, UnreadableWeights, "W0_1 and W1_1 is missing, or there"),
        ({"W1_3_65.npy": np.zeros((24, 3, 3), np.float32)}, UnreadableWeights, "the towers of W_3 have shapes"),
        ({"W_2_65.npy": np.zeros((3, 3), np.float32)}, ShapeMismatch, "W_2"),
        ({"W_2_65.npy": np.float32(3)}, UnreadableWeights, "W_2 have shapes"),
        ({"b_2_65.npy": np.zeros((48, 1), np.float32)}, UnreadableWeights, r"biases of shape \(48, 1\)"),
        ({"W_8_65.npy": np.zeros((3, 3), np.float32)}, ShapeMismatch, "an AlexNet has 0 to 7"),
        ({"W_7_65.npy": np.zeros((64, 10), np.int32)}, UnreadableWeights, r"fc8\.weight holds torch\.int32"),
        ({"W_7_65.npy": np.full((64, 10), np.nan, np.float32)}, UnreadableWeights, "not finite"),
    ],
)
def test_what_is_no_net_is_refused(files: Tensors, change: Any, error: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=says):
        read(zipped(tmp_path / "net.zip", files | change))


def test_a_pickle_among_the_tensors_is_not_opened(files: Tensors, tmp_path: Path) -> None:
    folder = in_folder(tmp_path / "net", files)
    np.save(folder / "W_2_65.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(UnreadableWeights, match=r"W_2_65\.npy is an array of object"):
        read(locate(folder))


def test_a_tensor_cut_short_is_refused(files: Tensors, tmp_path: Path) -> None:
    folder = in_folder(tmp_path / "net", files)
    content = (folder / "W_5_65.npy").read_bytes()
    for length in (0, 5, 9, 80, len(content) - 1):
        (folder / "W_5_65.npy").write_bytes(content[:length])
        with pytest.raises(UnreadableWeights):
            read(locate(folder))


def test_an_archive_that_swells_is_refused(files: Tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert theano.LARGEST == 2**30
    monkeypatch.setattr(theano, "LARGEST", 2**20)
    path = zipped(tmp_path / "net.zip", files | {"W_2_65.npy": np.zeros(2**19, np.float32)})
    assert path.stat().st_size < 2**20
    with pytest.raises(UnreadableWeights, match="would be larger than any AlexNet's"):
        read(path)


def test_a_size_that_no_stream_can_unpack_to_is_refused(files: Tensors, tmp_path: Path) -> None:
    path = zipped(tmp_path / "net.zip", files, packed=True)
    size = len(npy(files["b_7_65.npy"]))
    content = path.read_bytes()
    assert content.count(struct.pack("<I", size)) >= 2  # beside the entry, and in the directory
    path.write_bytes(content.replace(struct.pack("<I", size), struct.pack("<I", 800_000_000)))
    with pytest.raises(UnreadableWeights, match=r"says that it unpacks to 800,000,000 bytes"):
        read(path)


def test_another_archive_of_arrays_is_none_of_these(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", a=np.zeros(3))
    with pytest.raises(UnreadableWeights, match=r"numpy's \.npz"):
        read(tmp_path / "net.npz")


def test_another_lineage_is_refused_or_asked_about(files: Tensors, tmp_path: Path) -> None:
    path = zipped(tmp_path / "net.zip", files)
    with pytest.raises(UsageError, match=r"does not say which network it is: .*narrow-theano"):
        read(path, None)
    with pytest.raises(ShapeMismatch, match="not of lineage narrow-bvlc"):
        read(path, "narrow-bvlc")
