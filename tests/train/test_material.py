import shutil
import tarfile
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from alexnet.data.loader import Gathering, Skips, batches
from alexnet.data.prepare import prepare
from alexnet.data.source import open_pictures
from alexnet.errors import DataError
from alexnet.train.material import Material, open_material, subset


def opened(data: Path, run: Path, seed: int = 0) -> Material:
    run.mkdir(exist_ok=True)
    return open_material(data, run, val_fraction=0.25, seed=seed, side=80, fit="short")


def names(material: Material) -> tuple[set[str], set[str]]:
    train, val = ({part.name(i) for i in range(len(part))} for part in (material.train, material.val))
    return train, val


def pack(source: Path, file: Path) -> Path:
    with tarfile.open(file, "w") as tar:
        for path in sorted(source.rglob("*.png")):
            tar.add(path, path.relative_to(source).as_posix())
    return file


def test_a_folder_is_split_and_the_split_is_kept(textures: Path, tmp_path: Path) -> None:
    data = shutil.copytree(textures, tmp_path / "data")
    first = opened(data, tmp_path / "run")
    assert [len(part) for part in (first.train, first.val)] == [36, 12]
    shutil.copy(data / "stripes0" / "000.png", data / "stripes0" / "new.png")
    assert names(opened(data, tmp_path / "run")) == names(first)
    assert len(opened(data, tmp_path / "other").train) == 37


def test_every_class_is_in_both_splits(textures: Path, tmp_path: Path) -> None:
    material = opened(textures, tmp_path / "run")
    assert np.bincount(material.train.labels).tolist() == [12, 12, 12]
    assert np.bincount(material.val.labels).tolist() == [4, 4, 4]


def test_a_tar_file_without_splits_is_split_the_same_way_each_time(textures: Path, tmp_path: Path) -> None:
    data = pack(textures, tmp_path / "all.tar")
    material = opened(data, tmp_path / "run")
    train, val = names(material)
    assert (len(train), len(val), train & val) == (36, 12, set())
    assert names(opened(data, tmp_path / "run")) == (train, val)
    assert names(opened(data, tmp_path / "other", seed=1)) != (train, val)
    picture = next(i for i in range(36) if material.train.name(i).startswith("stripes1/"))
    assert material.train.classes[material.train.labels[picture]] == "stripes1"
    assert material.train.read(picture).shape == (80, 80, 3)


def test_tar_files_named_for_their_splits_keep_them(textures: Path, others: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    pack(textures, data / "train-0.tar")
    pack(textures, data / "val-0.tar")
    material = opened(data, tmp_path / "run")
    assert (len(material.train), len(material.val)) == (48, 48)
    pack(others, data / "val-0.tar")
    with pytest.raises(DataError, match="not in both splits: stripes3"):
        opened(data, tmp_path / "other")


def test_one_class_is_refused_from_a_tar_file_too(textures: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    shutil.copytree(textures / "stripes0", tmp_path / "one" / "stripes0")
    with pytest.raises(DataError, match="A classifier needs two or more"):
        opened(pack(tmp_path / "one", tmp_path / "one.tar"), tmp_path / "run")


@pytest.mark.parametrize("format", ["raw", "jpeg"])
def test_some_pictures_of_a_set_are_batched_as_they_lie_in_its_files(
    textures: Path, tmp_path: Path, format: Literal["raw", "jpeg"]
) -> None:
    prepare(textures, tmp_path / "set", format=format, size=24, shard_pictures=7)
    whole = open_pictures(tmp_path / "set", "train", 24, "short")
    taken = np.arange(len(whole))[::-3]
    some = subset(whole, taken)
    assert isinstance(some, Gathering) == (format == "raw")
    seen = list(batches(some, np.arange(len(some)), 5, skips=Skips()))
    images = np.concatenate([batch.images.permute(0, 2, 3, 1).numpy() for batch in seen])
    np.testing.assert_array_equal(images, [whole.read(int(index)) for index in taken])
    np.testing.assert_array_equal(np.concatenate([batch.labels.numpy() for batch in seen]), whole.labels[taken])
    assert [some.name(place) for place in range(len(some))] == [whole.name(int(index)) for index in taken]
