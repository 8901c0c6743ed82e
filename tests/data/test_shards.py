"""Shards on disk, read by ours and by programs that know nothing of us: tarfile, webdataset, numpy."""

import gc
import io
import json
import os
import shutil
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import webdataset
from PIL import Image, JpegImagePlugin

from alexnet.data.dataset_card import read_statistics
from alexnet.data.prepare import prepare
from alexnet.data.shards import RawPictures, TarPictures, open_prepared, open_tars
from alexnet.errors import DataError, UnreadablePicture

SIDE = 24
NAMES = ("plain.png", "two.dots.png", "a space.png", "ümlaut" + 150 * "l" + ".png", os.fsdecode(b"latin-\xe9.png"))


def picture(seed: int, width: int = 40, height: int = 30) -> Image.Image:
    """A smooth picture, as JPEG likes it: a few random colours, blown up."""
    colors = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(colors).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten training and four validation pictures of two classes, with names of every kind."""
    root: Path = tmp_path_factory.mktemp("source")
    for seed, name in enumerate(NAMES):
        for label in ("cat", "dog"):
            for split in ("train", "val") if seed < 2 else ("train",):
                path = root / split / label / name
                path.parent.mkdir(parents=True, exist_ok=True)
                picture(4 * seed + 2 * (label == "cat") + (split == "val")).save(path)
    return root


@pytest.fixture(scope="module")
def jpeg_set(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("jpeg") / "set"
    prepare(source, folder, size=SIDE, shard_pictures=4)
    return folder


@pytest.fixture(scope="module")
def raw_set(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("raw") / "set"
    prepare(source, folder, format="raw", size=SIDE, shard_pictures=4)
    return folder


@pytest.fixture
def copy_of(tmp_path: Path) -> Path:
    return tmp_path / "copy"


def expected(source: Path, name: str) -> np.ndarray:
    """The square of a source picture, by Pillow alone: short side to SIDE, then the centre."""
    with Image.open(source / name) as opened:
        resized = opened.resize((SIDE * 40 // 30, SIDE), Image.Resampling.BILINEAR)  # 32 x 24
    return np.asarray(resized.crop((4, 0, 4 + SIDE, SIDE)))


def read_by_webdataset(shards: list[str]) -> list[tuple[str, Image.Image, int]]:
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("pil").to_tuple("__key__", "jpg", "cls"))
    gc.collect()  # it leaves its files open; closed here, their warnings do not reach other tests
    return samples


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_webdataset_reads_every_picture_and_label(jpeg_set: Path, source: Path) -> None:
    pictures = open_prepared(jpeg_set, "train")
    samples = read_by_webdataset(sorted(str(path) for path in jpeg_set.glob("train-*.tar")))
    assert [key for key, _, _ in samples] == [f"{position:09d}" for position in range(10)]
    assert [label for _, _, label in samples] == pictures.labels.tolist()
    for position, (_, image, _) in enumerate(samples):
        np.testing.assert_array_equal(np.asarray(image), pictures.read(position))
        assert np.abs(np.asarray(image, int) - expected(source, pictures.name(position))).mean() < 2


def test_jpeg_keeps_colour_at_full_resolution(jpeg_set: Path) -> None:
    with tarfile.open(jpeg_set / "train-00000.tar") as tar:
        file = tar.extractfile("000000000.jpg")
        assert file is not None
        with Image.open(io.BytesIO(file.read())) as image:
            assert JpegImagePlugin.get_sampling(image) == 0  # 4:4:4


def test_tar_headers_hold_nothing_that_differs_between_runs(jpeg_set: Path) -> None:
    path = jpeg_set / "train-00000.tar"
    with tarfile.open(path) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    for member in members:
        assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
        assert member.mode == 0o644 and member.type == tarfile.REGTYPE
    data = path.read_bytes()
    assert data[257:265] == b"ustar\x0000" and len(data) % tarfile.RECORDSIZE == 0


def test_index_points_at_the_bytes_that_tarfile_finds(jpeg_set: Path) -> None:
    index = np.load(jpeg_set / "train-00001.index.npy", allow_pickle=False)
    data = (jpeg_set / "train-00001.tar").read_bytes()
    with tarfile.open(jpeg_set / "train-00001.tar") as tar:
        members = [member for member in tar if member.name.endswith(".jpg")]
    assert [(member.offset_data, member.size) for member in members] == list(
        zip(index["offset"].tolist(), index["size"].tolist(), strict=True)
    )
    assert all(data[offset : offset + 3] == b"\xff\xd8\xff" for offset in index["offset"])


def test_any_name_is_kept(jpeg_set: Path, raw_set: Path) -> None:
    wanted = {f"train/{label}/{name}" for label in ("cat", "dog") for name in NAMES}
    for folder in (jpeg_set, raw_set):
        pictures = open_prepared(folder, "train")
        assert {pictures.name(position) for position in range(len(pictures))} == wanted
        for position in range(len(pictures)):
            assert pictures.classes[pictures.labels[position]] == pictures.name(position).split("/")[1]


def test_raw_shards_are_plain_numpy_files_of_the_exact_squares(raw_set: Path, source: Path) -> None:
    position = 0
    pictures = open_prepared(raw_set, "train")
    for path in sorted(raw_set.glob("train-?????.npy")):
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
        assert stored.dtype == np.uint8 and stored.shape[1:] == (SIDE, SIDE, 3)
        assert stored.offset % 64 == 0
        for square in stored:
            np.testing.assert_array_equal(square, expected(source, pictures.name(position)))
            position += 1
    assert position == 10


def test_raw_index_gives_offsets_into_the_file(raw_set: Path) -> None:
    index = np.load(raw_set / "val-00000.index.npy", allow_pickle=False)
    offset, size = int(index["offset"][2]), int(index["size"][2])
    data = (raw_set / "val-00000.npy").read_bytes()[offset : offset + size]
    square = np.frombuffer(data, np.uint8).reshape(SIDE, SIDE, 3)
    np.testing.assert_array_equal(square, open_prepared(raw_set, "val").read(2))


@pytest.mark.parametrize("folder", ["jpeg_set", "raw_set"])
def test_both_splits_together_are_training_then_validation(folder: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(folder)
    train, val, both = (open_prepared(path, split) for split in ("train", "val", None))
    assert (len(train), len(val), len(both)) == (10, 4, 14)
    assert both.labels.tolist() == train.labels.tolist() + val.labels.tolist()
    assert [both.name(10 + position) for position in range(4)] == [val.name(position) for position in range(4)]
    np.testing.assert_array_equal(both.read(12), val.read(2))
    assert both.classes == ("cat", "dog") and both.side == SIDE


def test_a_picture_beyond_the_end_is_an_index_error(raw_set: Path) -> None:
    pictures = open_prepared(raw_set, "train")
    for wrong in (-1, 10):
        with pytest.raises(IndexError, match="among 10"):
            pictures.read(wrong)


def test_a_picture_that_was_read_can_be_changed_without_harm(raw_set: Path) -> None:
    pictures = open_prepared(raw_set, "train")
    before = pictures.read(3)
    before[:] = 0
    assert pictures.read(3).any()


def test_gather_fills_a_batch_in_any_order_across_shards(raw_set: Path) -> None:
    pictures = open_prepared(raw_set, "train")
    assert isinstance(pictures, RawPictures)
    indices = np.array([9, 0, 4, 4, 3, 8])
    batch = np.zeros((6, SIDE, SIDE, 3), np.uint8)
    pictures.gather(indices, batch)
    np.testing.assert_array_equal(batch, np.stack([pictures.read(int(index)) for index in indices]))


def test_gather_gives_the_bytes_of_the_files(raw_set: Path) -> None:
    pictures = open_prepared(raw_set, "train")
    assert isinstance(pictures, RawPictures)
    stored = np.concatenate([np.load(path) for path in sorted(raw_set.glob("train-0000?.npy"))])
    order = np.random.default_rng(0).integers(0, 10, 500)
    batch = np.zeros((500, SIDE, SIDE, 3), np.uint8)
    pictures.gather(order, batch)
    np.testing.assert_array_equal(batch, stored[order])
    pictures.gather(order[:0], batch[:0])


def test_a_shard_cut_short_while_it_is_read_is_an_error_that_names_it(raw_set: Path, copy_of: Path) -> None:
    shutil.copytree(raw_set, copy_of)
    pictures = open_prepared(copy_of, "train")
    assert isinstance(pictures, RawPictures)
    shard = copy_of / "train-00001.npy"
    os.truncate(shard, shard.stat().st_size - 1)
    with pytest.raises(DataError, match=r"train-00001\.npy ends before picture 7"):
        pictures.gather(np.array([0, 9, 7]), np.zeros((3, SIDE, SIDE, 3), np.uint8))


def open_files() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@pytest.mark.parametrize("folder", ["jpeg_set", "raw_set"])
def test_many_threads_read_what_one_reads_and_leave_no_file_open(folder: str, request: pytest.FixtureRequest) -> None:
    pictures = open_prepared(request.getfixturevalue(folder), "train")
    alone = [pictures.read(position) for position in range(10)]
    opened = open_files()
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(pictures.read, list(range(10)) * 5))
    for position, square in enumerate(together):
        np.testing.assert_array_equal(square, alone[position % 10])
    assert open_files() == opened


def test_statistics_come_with_the_mean_image(raw_set: Path) -> None:
    statistics = read_statistics(raw_set)
    stored = np.concatenate([np.load(path) for path in sorted(raw_set.glob("train-?????.npy"))])
    np.testing.assert_allclose(statistics.mean, stored.mean(axis=(0, 1, 2)), rtol=1e-12)
    assert statistics.mean_image is not None
    np.testing.assert_allclose(statistics.mean_image, stored.mean(axis=0), rtol=1e-6)


def test_statistics_come_without_a_mean_image_that_was_removed(raw_set: Path, copy_of: Path) -> None:
    shutil.copytree(raw_set, copy_of)
    (copy_of / "mean.npy").unlink()
    assert read_statistics(copy_of).mean_image is None


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda folder: (folder / "train-00001.npy").unlink(), "train-00001.npy is missing"),
        (lambda folder: os.truncate(folder / "train-00001.npy", 500), "train-00001.npy has 500 bytes"),
        (lambda folder: (folder / "train-00001.index.npy").unlink(), "train-00001.index.npy cannot be read"),
        (lambda folder: os.truncate(folder / "train-00001.index.npy", 150), "train-00001.index.npy cannot be read"),
        (lambda folder: np.save(folder / "train-00001.index.npy", np.zeros(4)), "is not the index of 4 pictures"),
        (lambda folder: os.truncate(folder / "dataset.json", 100), "dataset.json is damaged"),
        (lambda folder: (folder / "dataset.json").write_text("[]"), "dataset.json is damaged"),
        (lambda folder: edit_card(folder, version=2), "version is 2"),
        (lambda folder: edit_card(folder, mean=[1]), "mean is"),
        (lambda folder: edit_card(folder, classes=["cat"]), "one number for each class"),
        (lambda folder: (folder / "dataset.json").unlink(), "is no prepared set"),
    ],
)
def test_a_damaged_set_says_what_is_wrong(raw_set: Path, copy_of: Path, damage: object, complaint: str) -> None:
    shutil.copytree(raw_set, copy_of)
    open_prepared(copy_of, "train")
    damage(copy_of)  # type: ignore[operator]
    with pytest.raises(DataError, match=complaint):
        open_prepared(copy_of, "train")


def edit_card(folder: Path, **changes: object) -> None:
    card = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(card | changes))


def test_a_shard_that_loses_its_end_while_in_use_is_named(jpeg_set: Path, copy_of: Path) -> None:
    shutil.copytree(jpeg_set, copy_of)
    pictures = open_prepared(copy_of, "train")
    os.truncate(copy_of / "train-00000.tar", 3000)
    with pytest.raises(DataError, match=r"train-00000\.tar ends before"):
        pictures.read(3)
    (copy_of / "train-00000.tar").unlink()
    with pytest.raises(DataError, match=r"train-00000\.tar cannot be read"):
        pictures.read(3)


def test_one_bad_picture_in_a_shard_leaves_the_others(jpeg_set: Path, copy_of: Path) -> None:
    shutil.copytree(jpeg_set, copy_of)
    index = np.load(copy_of / "train-00000.index.npy")
    with (copy_of / "train-00000.tar").open("r+b") as file:
        file.seek(int(index["offset"][1]))
        file.write(bytes(int(index["size"][1])))
    pictures = open_prepared(copy_of, "train")
    with pytest.raises(UnreadablePicture) as refusal:
        pictures.read(1)
    assert pictures.name(1) in str(refusal.value)
    assert pictures.read(2).shape == (SIDE, SIDE, 3)


def test_a_split_that_is_not_there_is_named(source: Path, tmp_path: Path) -> None:
    prepare(source / "train", tmp_path / "set", size=SIDE)
    with pytest.raises(DataError, match="no val pictures"):
        open_prepared(tmp_path / "set", "val")


# Tar files that others made.


def png(seed: int) -> bytes:
    buffer = io.BytesIO()
    picture(seed).save(buffer, "PNG")
    return buffer.getvalue()


def make_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_shards_written_by_webdataset_itself_are_read(tmp_path: Path) -> None:
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as writer:
        for seed in range(3):
            writer.write({"__key__": f"sample{seed}", "png": picture(seed), "cls": 2 * seed})
    pictures = open_tars([tmp_path / "a.tar"], SIDE, "short")
    assert pictures.labels.tolist() == [0, 2, 4]
    assert pictures.classes == ("0", "1", "2", "3", "4"), "a class index keeps its value"
    with Image.open(io.BytesIO(png(1))) as opened:
        resized = opened.resize((SIDE * 40 // 30, SIDE), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(pictures.read(1), np.asarray(resized.crop((4, 0, 4 + SIDE, SIDE))))


def test_our_own_tars_are_read_without_their_index(jpeg_set: Path) -> None:
    known = open_prepared(jpeg_set, "train")
    foreign = open_tars(sorted(jpeg_set.glob("train-*.tar")), SIDE, "short")
    assert foreign.labels.tolist() == known.labels.tolist()
    np.testing.assert_array_equal(foreign.read(7), known.read(7))
    assert foreign.name(7) == "000000007.jpg"


def test_classes_come_from_names_over_all_tars(tmp_path: Path) -> None:
    one = make_tar(tmp_path / "1.tar", {"0.png": png(0), "0.cls": b"zebra\n", "1.png": png(1), "1.cls": b"ant"})
    two = make_tar(tmp_path / "2.tar", {"2.cls": b"moth", "2.png": png(2)})
    pictures = open_tars([one, two])
    assert pictures.classes == ("ant", "moth", "zebra")
    assert pictures.labels.tolist() == [2, 0, 1]
    assert pictures.side == 256 and isinstance(pictures, TarPictures)


def test_classes_come_from_json_or_from_folders_where_there_is_no_cls(tmp_path: Path) -> None:
    described = make_tar(tmp_path / "1.tar", {"0.png": png(0), "0.json": b'{"label": 3, "caption": "x"}'})
    assert open_tars([described]).labels.tolist() == [3]
    plain = make_tar(tmp_path / "2.tar", {"set/dog/cat.1.png": png(0), "set/cat/cat.2.png": png(1), "README": b"hi"})
    pictures = open_tars([plain])
    assert pictures.classes == ("cat", "dog") and pictures.labels.tolist() == [1, 0]


def test_pictures_without_any_label_have_minus_one(tmp_path: Path) -> None:
    pictures = open_tars([make_tar(tmp_path / "1.tar", {"0.png": png(0), "1.png": png(1), "1.cls": b"5"})])
    assert pictures.labels.tolist() == [-1, 5]


def test_identifiers_are_names_not_a_million_classes(tmp_path: Path) -> None:
    pictures = open_tars([make_tar(tmp_path / "1.tar", {"0.png": png(0), "0.cls": b"900000000001"})])
    assert pictures.classes == ("900000000001",) and pictures.labels.tolist() == [0]


def test_long_names_of_foreign_tars_are_kept(tmp_path: Path) -> None:
    name = "folder/" + "n" * 300 + ".png"
    for format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tarfile.open(tmp_path / "1.tar", "w", format=format) as tar:
            member = tarfile.TarInfo(name)
            member.size = len(png(0))
            tar.addfile(member, io.BytesIO(png(0)))
        assert open_tars([tmp_path / "1.tar"]).name(0) == name


def test_tars_that_cannot_serve_are_refused_by_name(tmp_path: Path) -> None:
    files = {f"{seed}.png": png(seed) for seed in range(5)}
    compressed = make_tar(tmp_path / "1.tar.gz", files, "w:gz")
    with pytest.raises(DataError, match=r"1\.tar\.gz.*unpack it"):
        open_tars([compressed])
    short = make_tar(tmp_path / "short.tar", files)
    os.truncate(short, 4000)
    with pytest.raises(DataError, match=r"short\.tar"):
        open_tars([short])
    with pytest.raises(DataError, match=r"missing\.tar"):
        open_tars([tmp_path / "missing.tar"])
    with pytest.raises(DataError, match=r"no picture in .*text\.tar"):
        open_tars([make_tar(tmp_path / "text.tar", {"README": b"hi"})])
    with pytest.raises(DataError, match=r"0\.json in .*bad\.tar is not JSON"):
        open_tars([make_tar(tmp_path / "bad.tar", {"0.png": png(0), "0.json": b"{"})])


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "1.tar", {f"{seed}.png": png(seed) for seed in range(5)})
    with tarfile.open(path) as tar:
        third = tar.getmembers()[2]
    with path.open("r+b") as file:
        file.seek(third.offset)
        file.write(b"\xff" * 200)
    with pytest.raises(DataError, match=f"no valid header at byte {third.offset}"):
        open_tars([path])
