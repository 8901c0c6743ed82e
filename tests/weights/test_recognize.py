import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from alexnet.errors import UnreadableWeights
from alexnet.weights.export import Format, write_weights
from alexnet.weights.recognize import recognize
from oracles.caffe_files import MESSAGES, fill_blob
from oracles.narrow_nets import lively, weights_of


def archive(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr(name, content)
    return file.getvalue()


def tarred(mode: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as made:  # type: ignore[call-overload]
        made.addfile(tarfile.TarInfo("imagenet_mean.binaryproto"), io.BytesIO(b""))
    return file.getvalue()


def solver_state() -> bytes:
    state = MESSAGES["SolverState"](iter=360000, learned_net="caffe_alexnet_train_iter_360000")
    fill_blob(state.history.add(), np.zeros((3, 4), np.float32), has_shape=True)
    return bytes(state.SerializeToString())


def mean_image() -> bytes:
    blob = MESSAGES["BlobProto"]()
    fill_blob(blob, np.zeros((3, 8, 8), np.float32), has_shape=False)
    return bytes(blob.SerializeToString())


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, conv1=np.zeros(3))
    return file.getvalue()


STRANGERS: dict[str, tuple[bytes, str]] = {
    "a page": (b"\n\n <!DOCTYPE html>\n<html><title>404</title>", "a web page or XML.*download it again"),
    "a page of Google Drive": (b"<html><body>Virus scan warning", "a web page"),
    "a pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 244\n",
        "Git LFS pointer.*git lfs pull",
    ),
    "gzip": (gzip.compress(b"x" * 100), "a gzip archive: unpack it"),
    "caffe_ilsvrc12.tar.gz": (tarred("w:gz"), "a gzip archive: unpack it"),
    "tar": (tarred("w"), "a tar archive: unpack it"),
    "zip": (archive("bvlc_alexnet.caffemodel", b"x"), "a zip archive: unpack it and name the file inside"),
    "npz": (npz(), r"numpy's \.npz"),
    "a broken zip": (
        archive("net/data.pkl", b"x")[:40],
        r"a zip archive, as torch\.save writes, but damaged or cut short",
    ),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "an HDF5 file"),
    "matlab 7.3": (b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF", "version 7.3.*save -v6"),
    "cntk": ("BCN".encode("utf-16-le") + b"\0" * 20, "a CNTK model"),
    "png": (b"\x89PNG\r\n\x1a\n" + b"\0" * 30, "a PNG picture"),
    "jpeg": (b"\xff\xd8\xff\xe0" + b"\0" * 30, "a JPEG picture"),
    "prototxt": (b'name: "AlexNet"\nlayer {\n  name: "data"\n', "describes a net and holds no weights"),
    "text": (b"n01440764 tench, Tinca tinca\n", "a text file"),
    "solver state": (solver_state(), r"a Caffe solver state; the weights are in the \.caffemodel"),
    "mean image": (mean_image(), "one array of Caffe's, perhaps a mean image"),
    "zeros": (b"\0" * 1000, "something damaged, cut short, or of another format"),
    "noise": (np.random.default_rng(0).bytes(1000), "something damaged|damaged or cut short"),
    "one byte": (b"\x80", "something damaged"),
    "safetensors cut in its header": (struct.pack("<Q", 500) + b'{"conv1', "something damaged"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_no_file_of_weights_is_named_with_advice(name: str, tmp_path: Path) -> None:
    content, says = STRANGERS[name]
    path = tmp_path / "bvlc_alexnet.npy"  # its name says nothing
    path.write_bytes(content)
    with pytest.raises(UnreadableWeights, match=says) as caught:
        recognize(path)
    assert str(path) in str(caught.value)


def test_an_empty_file_is_empty(tmp_path: Path) -> None:
    (tmp_path / "x.pth").touch()
    with pytest.raises(UnreadableWeights, match=r"x\.pth is not a file of weights: it is empty"):
        recognize(tmp_path / "x.pth")


def test_a_folder_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(UnreadableWeights, match="cannot be opened: Is a directory"):
        recognize(tmp_path)


@pytest.mark.parametrize("name", ["net.jpg", "net.npy", "net.caffemodel", "net"])
@pytest.mark.parametrize("format", get_args(Format))
def test_a_file_is_what_its_bytes_are_whatever_it_is_called(format: Format, name: str, tmp_path: Path) -> None:
    write_weights(weights_of(lively("tiny")), tmp_path / name, format)
    assert recognize(tmp_path / name) == format
