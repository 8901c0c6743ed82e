"""One function opens whatever holds pictures; what comes out reads the same."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet.data.picture import read_picture, to_square
from alexnet.data.prepare import prepare
from alexnet.data.source import FolderPictures, Pictures, RawPictures, TarPictures, open_pictures
from alexnet.errors import DataError, UnreadablePicture

SIDE = 16


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """train/ and val/ with classes cat and dog, pictures of several sizes."""
    root = tmp_path / "pets"
    for n, name in enumerate(["train/cat/1", "train/cat/2", "train/dog/1", "val/cat/3", "val/dog/2"]):
        path = root / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(n).integers(0, 256, (20 + n, 33, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return root


def names(pictures: Pictures) -> list[str]:
    return [pictures.name(i) for i in range(len(pictures))]


def test_a_folder_reads_and_squares_its_files(folder: Path) -> None:
    pictures = open_pictures(str(folder), None, SIDE, "short")
    assert isinstance(pictures, FolderPictures)
    assert pictures.classes == ("cat", "dog") and pictures.labels.tolist() == [0, 0, 1, 0, 1] and pictures.side == SIDE
    for fit in ("short", "warp"):
        square = open_pictures(folder, None, SIDE, fit).read(4)
        assert np.array_equal(square, to_square(read_picture(folder / "val/dog/2.png"), SIDE, fit))
        assert square.shape == (SIDE, SIDE, 3) and square.dtype == np.uint8


def test_a_split_keeps_the_class_indices(folder: Path) -> None:
    (folder / "val/cat/3.png").unlink()
    pictures = open_pictures(folder, "val", SIDE, "short")
    assert names(pictures) == ["val/dog/2.png"]
    assert pictures.classes == ("cat", "dog") and pictures.labels.tolist() == [1]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_list_opens_like_a_folder(folder: Path, suffix: str) -> None:
    lines = {
        ".csv": "path,label,split\ntrain/cat/2.png,cat,train\nval/dog/2.png,dog,val\n",
        ".jsonl": '{"path": "train/cat/2.png", "label": "cat", "split": "train"}\n'
        '{"path": "val/dog/2.png", "label": "dog", "split": "val"}\n',
    }
    path = folder / f"list{suffix}"
    path.write_text(lines[suffix])
    assert names(open_pictures(path, "val", SIDE, "short")) == ["val/dog/2.png"]
    assert len(open_pictures(path, None, SIDE, "short")) == 2


@pytest.mark.parametrize("format", ["jpeg", "raw"])
def test_a_prepared_set_keeps_its_own_side(folder: Path, tmp_path: Path, format: str) -> None:
    prepare(folder, tmp_path / "set", format=format, size=20, workers=1, val_fraction=0.1, seed=0)  # type: ignore[arg-type]
    pictures = open_pictures(tmp_path / "set", "train", SIDE, "warp")
    assert isinstance(pictures, TarPictures if format == "jpeg" else RawPictures)
    assert pictures.side == 20 and pictures.read(0).shape == (20, 20, 3)
    assert sorted(names(pictures)) == ["train/cat/1.png", "train/cat/2.png", "train/dog/1.png"]
    assert len(open_pictures(tmp_path / "set", None, SIDE, "short")) == 5


class TestTars:
    @pytest.fixture
    def tars(self, folder: Path, tmp_path: Path) -> Path:
        """One tar file for each split, with the class folders inside."""
        (tmp_path / "tars").mkdir()
        for split in ("train", "val"):
            with tarfile.open(tmp_path / f"tars/{split}-0.tar", "w") as tar:
                tar.add(folder / split, arcname=".")
        return tmp_path / "tars"

    def test_one_file(self, tars: Path, folder: Path) -> None:
        pictures = open_pictures(tars / "val-0.tar", None, SIDE, "short")
        assert pictures.classes == ("cat", "dog") and len(pictures) == 2 and pictures.side == SIDE
        found = {pictures.labels[i]: pictures.read(i) for i in range(2)}
        assert np.array_equal(found[1], to_square(read_picture(folder / "val/dog/2.png"), SIDE, "short"))

    def test_a_folder_of_them_has_splits_by_name(self, tars: Path) -> None:
        assert len(open_pictures(tars, None, SIDE, "short")) == 5
        assert len(open_pictures(tars, "train", SIDE, "short")) == 3
        assert len(open_pictures(tars / "val-0.tar", "val", SIDE, "short")) == 2

    def test_a_split_that_no_name_says(self, tars: Path) -> None:
        (tars / "val-0.tar").rename(tars / "other.tar")
        with pytest.raises(DataError, match=r"no val pictures\. Expected tar files named for it, such as val-0\.tar"):
            open_pictures(tars, "val", SIDE, "short")

    def test_tar_files_beside_class_folders_are_not_the_data(self, folder: Path) -> None:
        (folder / "backup.tar").touch()
        assert isinstance(open_pictures(folder, None, SIDE, "short"), FolderPictures)

    @pytest.mark.parametrize("name", ["train.tar.gz", "train.tgz"])
    def test_a_compressed_one_is_refused_with_advice(self, tmp_path: Path, name: str) -> None:
        with tarfile.open(tmp_path / name, "w:gz"):
            pass
        with pytest.raises(DataError, match=r"unpack it to \.tar"):
            open_pictures(tmp_path / name, None, SIDE, "short")


def test_a_split_that_the_source_lacks(folder: Path) -> None:
    with pytest.raises(DataError, match=r"no val pictures\. Expected a folder val/"):
        open_pictures(folder / "train", "val", SIDE, "short")


def test_a_bad_file_is_named_from_the_root_and_the_others_are_read(folder: Path) -> None:
    (folder / "train/cat/1.png").write_bytes(b"")
    pictures = open_pictures(folder, "train", SIDE, "short")
    with pytest.raises(UnreadablePicture, match=r"^train/cat/1\.png: the file is empty"):
        pictures.read(0)
    assert pictures.read(1).shape == (SIDE, SIDE, 3)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        open_pictures(tmp_path / "gone", None, SIDE, "short")
