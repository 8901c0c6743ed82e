"""Caffe's archive of class names and mean image, packed here as Berkeley packed it."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from alexnet.errors import UnreadableWeights, UsageError
from alexnet.weights import caffe_extras
from alexnet.weights.caches import place_of
from alexnet.weights.class_names import read_class_names
from alexnet.weights.fetch import fetch
from alexnet.weights.means import read_mean
from alexnet.weights.registry import FILES
from oracles.caffe_files import mean_file

NAME = "caffe-ilsvrc12"
WORDS = "".join(f"n{number:08} class {number}, thing\n" for number in range(1000)).encode()
IMAGE = np.random.default_rng(2).uniform(0, 255, (9, 9, 3)).astype(np.float32)


def packed(path: Path, **members: bytes) -> Path:
    """An archive of the files that Berkeley's has, some of them replaced."""
    content = {
        "det_synset_words.txt": b"n00000000 another list\n", "imagenet.bet.pickle": b"\x80\x02cos\nsystem\n.",
        "imagenet_mean.binaryproto": mean_file(IMAGE), "synset_words.txt": WORDS, "val.txt": b"x 0\n",
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, body in {**content, **{key.replace("__", "."): value for key, value in members.items()}}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test alone."""
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_names_and_mean_come_out_of_the_packed_archive(tmp_path: Path) -> None:
    path = packed(tmp_path / "caffe_ilsvrc12.tar.gz")
    names = read_class_names(path, 1000)
    assert (names[0], names[999]) == ("class 0, thing", "class 999, thing")
    assert np.array_equal(read_mean(path).value, IMAGE)
    assert list(tmp_path.iterdir()) == [path]


def test_they_go_by_their_registered_name() -> None:
    with pytest.raises(UsageError, match=f"alexnet weights get {NAME}"):
        read_class_names(Path(NAME), 1000)
    with pytest.raises(UsageError, match=f"alexnet weights get {NAME}"):
        read_mean(NAME)
    packed(place_of(FILES[NAME]))
    assert len(read_class_names(Path(NAME), 1000)) == 1000
    assert np.array_equal(read_mean(NAME).value, IMAGE)


def test_an_archive_that_was_put_there_by_hand_is_read_through() -> None:
    path = packed(place_of(FILES[NAME]))
    assert fetch(FILES[NAME]).path == path
    packed(path, synset_words__txt=b"n00000000 one\n")
    with pytest.raises(UsageError, match="names 1 classes, but the network has 1000"):
        fetch(FILES[NAME])


def test_another_number_of_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names 1000 classes, but the network has 365"):
        read_class_names(packed(tmp_path / "a.tar.gz"), 365)


def test_another_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.tar.gz"
    with tarfile.open(path, "w:gz"):
        pass
    with pytest.raises(UnreadableWeights, match=r"is an archive without synset_words\.txt"):
        read_class_names(path, 1000)
    with pytest.raises(UnreadableWeights, match=r"is an archive without imagenet_mean\.binaryproto"):
        read_mean(path)


def test_a_damaged_archive_is_refused_wherever_it_was_cut(tmp_path: Path) -> None:
    whole = packed(tmp_path / "whole.tar.gz").read_bytes()
    cut = tmp_path / "cut.tar.gz"
    for length in (2, 12, 300, len(whole) // 2):
        cut.write_bytes(whole[:length])
        with pytest.raises(UnreadableWeights):
            read_mean(cut)
    cut.write_bytes(gzip.compress(b"no archive"))
    with pytest.raises(UnreadableWeights):
        read_mean(cut)


def test_an_archive_that_swells_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caffe_extras, "LARGEST_ARCHIVE", 2**20)
    path = packed(tmp_path / "bomb.tar.gz", det_synset_words__txt=bytes(2**21))
    assert path.stat().st_size < 2**17
    with pytest.raises(UnreadableWeights, match="it unpacks to more than any such archive"):
        read_mean(path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "link.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("synset_words.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(UnreadableWeights, match="is an archive without"):
        read_class_names(path, 1000)
