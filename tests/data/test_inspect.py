"""What `inspect` finds in a folder whose every fault was put there by hand."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet.data.folder import scan
from alexnet.data.inspect import Duplicates, Inspection, Spread, inspect
from alexnet.data.split import split
from alexnet.errors import DataError


def draw(path: Path, seed: int, size: tuple[int, int] = (24, 16), held: int = 1, mode: str = "RGB") -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = held
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path, exif=exif)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Classes cat (7) and dog (6): two bad files, one turned, one pair and one trio of duplicates."""
    root = tmp_path_factory.mktemp("faulty")
    for n in range(4):
        draw(root / f"cat/{n}.jpg", seed=n)
        draw(root / f"dog/{n}.png", seed=10 + n, mode="L")
    draw(root / "cat/turned.jpg", seed=20, size=(100, 50), held=6)
    draw(root / "dog/wide.bmp", seed=21, size=(300, 8))
    whole = (root / "cat/0.jpg").read_bytes()
    (root / "cat/cut.jpg").write_bytes(whole[:-20])
    (root / "cat/page.jpg").write_text("<html>not found</html>")
    (root / "cat/copy.jpg").write_bytes((root / "cat/1.jpg").read_bytes())
    (root / "dog/cat.jpg").write_bytes((root / "cat/1.jpg").read_bytes())
    (root / "dog/.hidden.jpg").touch()
    return root


@pytest.fixture(scope="module")
def found(faulty: Path) -> Inspection:
    return inspect(faulty, val_fraction=0.25, seed=1)


def test_pictures_are_counted_by_class_format_and_mode(found: Inspection) -> None:
    assert [(row.name, row.pictures) for row in found.classes] == [("cat", 8), ("dog", 6)]
    assert found.pictures == 14 and found.ignored == 1 and found.splits == {"": 14}
    assert found.formats == {"JPEG": 7, "PNG": 4, "BMP": 1}
    assert found.modes == {"RGB": 8, "L": 4}


def test_sizes_are_those_stored_in_the_readable_files(found: Inspection) -> None:
    assert found.width == Spread(24, 24.0, 300)
    assert found.height == Spread(8, 16.0, 50)


def test_unreadable_files_are_named_with_the_reason(found: Inspection) -> None:
    assert [bad.name for bad in found.unreadable] == ["cat/cut.jpg", "cat/page.jpg"]
    assert "truncated" in found.unreadable[0].reason and "web page" in found.unreadable[1].reason
    assert not any("cat/" in bad.reason for bad in found.unreadable)


def test_turned_pictures_are_counted(found: Inspection) -> None:
    assert found.turned == 1


def test_copies_are_grouped_and_two_labels_for_one_picture_are_a_conflict(found: Inspection) -> None:
    (group,) = found.duplicates
    assert group.names == ("cat/1.jpg", "cat/copy.jpg", "dog/cat.jpg") and group.is_conflict


def test_the_proposed_split_is_what_split_gives(found: Inspection, faulty: Path) -> None:
    done = split(scan(faulty), 0.25, 1)
    assert [row.train for row in found.classes] == done.counts("train").tolist()
    assert [row.val for row in found.classes] == done.counts("val").tolist() == [2, 2]


def test_the_document_is_json(found: Inspection) -> None:
    document = json.loads(json.dumps(found.to_json()))
    assert document["classes"][0] == {"name": "cat", "pictures": 8, "train": 6, "val": 2}
    assert document["duplicates"][0]["is_conflict"] is True
    assert document["width"] == {"min": 24, "median": 24.0, "max": 300}


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_number_of_threads_changes_nothing(found: Inspection, faulty: Path, workers: int) -> None:
    assert inspect(faulty, 0.25, 1, workers=workers) == found


def test_progress_counts_each_picture_on_the_calling_thread(faulty: Path) -> None:
    calls = []
    inspect(faulty, progress=lambda done, total: calls.append((done, total, threading.get_ident())))
    assert calls == [(n, 14, threading.get_ident()) for n in range(1, 15)]


def test_copies_across_the_splits_of_the_source_are_a_leak(tmp_path: Path) -> None:
    for n, name in enumerate(["train/a/1", "train/a/2", "train/b/1", "val/a/1", "val/b/1"]):
        draw(tmp_path / f"{name}.png", seed=n)
    (tmp_path / "val/a/again.png").write_bytes((tmp_path / "train/a/1.png").read_bytes())
    (tmp_path / "train/a/twice.png").write_bytes((tmp_path / "train/a/2.png").read_bytes())
    found = inspect(tmp_path)
    assert found.duplicates == (
        Duplicates(("train/a/1.png", "val/a/again.png"), is_conflict=False, is_leak=True),
        Duplicates(("train/a/2.png", "train/a/twice.png"), is_conflict=False, is_leak=False),
    )
    assert found.splits == {"train": 4, "val": 3}
    assert [(row.train, row.val) for row in found.classes] == [(3, 2), (1, 1)]
    assert found.problems == ()


def test_different_pictures_are_no_duplicates(tmp_path: Path) -> None:
    for n in range(6):
        draw(tmp_path / "ab"[n % 2] / f"{n}.png", seed=n)
    assert inspect(tmp_path).duplicates == ()


def test_what_would_stop_training_is_a_problem_here_not_an_error(tmp_path: Path) -> None:
    draw(tmp_path / "cat/1.png", seed=0)
    found = inspect(tmp_path)
    assert len(found.problems) == 2
    assert "one class only, 'cat'" in found.problems[0] and "no picture left for 'val'" in found.problems[1]
    assert [(row.pictures, row.train, row.val) for row in found.classes] == [(1, 0, 0)]


def test_a_folder_of_bad_files_has_no_sizes(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "b/1.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    found = inspect(tmp_path)
    assert found.width is None and len(found.unreadable) == 2 and found.duplicates == ()


def test_a_list_is_inspected_too_and_its_missing_files_named(tmp_path: Path) -> None:
    draw(tmp_path / "1.png", seed=0)
    draw(tmp_path / "2.png", seed=1)
    (tmp_path / "list.csv").write_text("path,label\n1.png,a\n2.png,b\n3.png,b\n")
    found = inspect(str(tmp_path / "list.csv"))
    assert [(bad.name, "No such file" in bad.reason) for bad in found.unreadable] == [("3.png", True)]


def test_a_flat_folder_is_an_error(tmp_path: Path) -> None:
    draw(tmp_path / "1.png", seed=0)
    with pytest.raises(DataError, match="no class folders"):
        inspect(tmp_path)
