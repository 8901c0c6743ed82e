"""Folders of pictures as people have them, made here of empty files: `scan` opens none."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alexnet.data.folder import Listing, require_trainable, scan
from alexnet.errors import DataError


def lay(root: Path, names: Iterable[str]) -> Path:
    """Make files below `root`; a name that ends in a slash is a folder."""
    for name in names:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return root


def rows(listing: Listing) -> list[tuple[str, str, str]]:
    """(name, class, split) of each picture."""
    labels = [listing.classes[label] for label in listing.labels]
    return list(zip(map(listing.name, range(len(listing))), labels, listing.split.tolist(), strict=True))


class TestClassFolders:
    def test_a_folder_is_a_class(self, tmp_path: Path) -> None:
        listing = scan(lay(tmp_path, ["dog/2.png", "cat/1.jpg", "dog/1.JPEG"]))
        assert listing.classes == ("cat", "dog")
        assert rows(listing) == [("cat/1.jpg", "cat", ""), ("dog/1.JPEG", "dog", ""), ("dog/2.png", "dog", "")]
        assert listing.path(0) == tmp_path / "cat" / "1.jpg"

    def test_folders_below_a_class_belong_to_it(self, tmp_path: Path) -> None:
        listing = scan(lay(tmp_path, ["cat/old/deep/1.jpg", "cat/2.jpg", "dog/images/1.jpg"]))
        assert [label for _, label, _ in rows(listing)] == ["cat", "cat", "dog"]

    def test_names_are_sorted_as_whole_texts(self, tmp_path: Path) -> None:
        names = ["a/b/1.jpg", "a/b-c/1.jpg", "a/b.jpg", "a-b/1.jpg", "B/1.jpg", "a/10.jpg", "a/9.jpg", "ä/1.jpg"]
        assert [name for name, *_ in rows(scan(lay(tmp_path, names)))] == sorted(names)

    def test_hidden_files_and_other_suffixes_are_counted_not_listed(self, tmp_path: Path) -> None:
        passed_over = ["cat/.DS_Store", "cat/._1.jpg", "cat/notes.txt", "dog/Thumbs.db", "README.md", "loose.jpg"]
        listing = scan(lay(tmp_path, ["cat/1.jpg", "dog/1.jpg", ".git/x.jpg", "__MACOSX/cat/1.jpg", *passed_over]))
        assert [name for name, *_ in rows(listing)] == ["cat/1.jpg", "dog/1.jpg"]
        assert listing.ignored == len(passed_over)

    def test_a_hidden_folder_inside_a_class_is_passed_over(self, tmp_path: Path) -> None:
        listing = scan(lay(tmp_path, ["cat/1.jpg", "cat/.cache/2.jpg", "dog/1.jpg"]))
        assert len(listing) == 2 and listing.ignored == 1

    def test_names_that_are_not_utf8_keep_their_bytes(self, tmp_path: Path) -> None:
        lay(tmp_path, ["cat/1.jpg", "dog/1.jpg"])
        try:
            Path(os.fsdecode(os.fsencode(tmp_path) + b"/cat/\xff.jpg")).touch()
        except OSError:
            pytest.skip("this filesystem takes UTF-8 only")
        listing = scan(tmp_path)
        assert listing.name_bytes(1) == b"cat/\xff.jpg" and listing.path(1).exists()

    def test_a_heic_picture_is_listed_so_that_it_is_named_when_it_cannot_be_read(self, tmp_path: Path) -> None:
        assert len(scan(lay(tmp_path, ["cat/1.HEIC", "dog/1.jpg"]))) == 2

    @given(st.lists(st.lists(st.sampled_from(["a", "a-", "a.b", "B", "é", " "]), min_size=1, max_size=3), min_size=1))
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_tree_lists_each_picture_once_in_order(self, tmp_path: Path, trees: list[list[str]]) -> None:
        root = tmp_path / str(hash(str(trees)))
        names = {"/".join([*parts, "1.jpg"]) for parts in trees}
        assert [name for name, *_ in rows(scan(lay(root, names)))] == sorted(names)


class TestSplitFolders:
    @pytest.mark.parametrize("name", ["val", "valid", "validation", "test", "Val", "testing"])
    def test_train_and_its_companion_are_splits(self, tmp_path: Path, name: str) -> None:
        listing = scan(lay(tmp_path, ["train/cat/1.jpg", "train/dog/1.jpg", f"{name}/cat/2.jpg"]))
        assert set(rows(listing)) == {
            ("train/cat/1.jpg", "cat", "train"),
            ("train/dog/1.jpg", "dog", "train"),
            (f"{name}/cat/2.jpg", "cat", "val"),
        }

    def test_a_class_that_validation_lacks_does_not_shift_the_others(self, tmp_path: Path) -> None:
        listing = scan(lay(tmp_path, ["train/a/1.jpg", "train/b/1.jpg", "train/c/1.jpg", "val/a/1.jpg", "val/c/1.jpg"]))
        assert listing.classes == ("a", "b", "c")
        assert listing.labels[listing.split == "val"].tolist() == [0, 2]
        assert listing.counts("val").tolist() == [1, 0, 1]

    def test_of_val_and_test_val_is_used_and_the_other_named(self, tmp_path: Path) -> None:
        listing = scan(lay(tmp_path, ["train/a/1.jpg", "val/a/2.jpg", "test/a/3.jpg", "labels/x.txt"]))
        assert [name for name, *_ in rows(listing)] == ["train/a/1.jpg", "val/a/2.jpg"]
        assert listing.unused == ("labels/", "test/")

    @pytest.mark.parametrize("alone", ["train", "test"])
    def test_one_split_alone(self, tmp_path: Path, alone: str) -> None:
        listing = scan(lay(tmp_path, [f"{alone}/cat/1.jpg", f"{alone}/dog/1.jpg"]))
        assert listing.classes == ("cat", "dog")
        assert set(listing.split.tolist()) == {"train" if alone == "train" else "val"}

    def test_a_class_can_be_called_train(self, tmp_path: Path) -> None:
        listing = scan(lay(tmp_path, ["bus/1.jpg", "train/1.jpg", "train/night/2.jpg"]))
        assert listing.classes == ("bus", "train") and set(listing.split.tolist()) == {""}


class TestLinks:
    def test_a_link_to_a_folder_above_ends(self, tmp_path: Path) -> None:
        lay(tmp_path, ["train/cat/1.jpg", "train/dog/1.jpg", "train/cat/deep/2.jpg"])
        for above in (".", "..", "../..", "../../.."):
            (tmp_path / "train/cat/deep" / above.replace("/", "_").replace(".", "x")).symlink_to(above)
        names = [name for name, *_ in rows(scan(tmp_path))]
        assert names == ["train/cat/1.jpg", "train/cat/deep/2.jpg", "train/dog/1.jpg"]

    def test_two_links_that_point_at_each_other_end(self, tmp_path: Path) -> None:
        lay(tmp_path, ["cat/1.jpg", "dog/1.jpg"])
        (tmp_path / "cat/more").symlink_to(tmp_path / "dog")
        (tmp_path / "dog/more").symlink_to(tmp_path / "cat")
        assert len(scan(tmp_path)) == 4

    def test_linked_folders_and_files_are_followed(self, tmp_path: Path) -> None:
        lay(tmp_path, ["store/a/1.jpg", "data/dog/1.jpg"])
        (tmp_path / "data/cat").symlink_to(tmp_path / "store/a")
        (tmp_path / "data/dog/2.jpg").symlink_to(tmp_path / "store/a/1.jpg")
        assert [name for name, *_ in rows(scan(tmp_path / "data"))] == ["cat/1.jpg", "dog/1.jpg", "dog/2.jpg"]

    def test_a_broken_link_is_listed_so_that_it_is_named_when_it_cannot_be_read(self, tmp_path: Path) -> None:
        lay(tmp_path, ["cat/1.jpg", "dog/1.jpg"])
        (tmp_path / "cat/2.jpg").symlink_to("gone.jpg")
        assert len(scan(tmp_path)) == 3


class TestMistakes:
    @pytest.mark.parametrize(
        ("names", "said"),
        [
            (["1.jpg", "2.jpg"], "2 pictures, but no class folders. Expected one folder per class"),
            ([], "no class folders. Expected"),
            (["cat/", "dog/"], "no pictures. Expected"),
            (["cat/a.txt", "dog/b.txt"], "no pictures. 2 other files were passed over"),
            (["cat/1.jpg", "dog/"], "no pictures in the class folders dog"),
            (["train/1.jpg", "val/1.jpg"], "no class folders"),
        ],
    )
    def test_a_folder_that_is_not_laid_out_says_what_was_expected(
        self, tmp_path: Path, names: list[str], said: str
    ) -> None:
        with pytest.raises(DataError, match=said) as caught:
            scan(lay(tmp_path, names))
        assert str(tmp_path) in str(caught.value)

    def test_a_missing_folder_and_a_strange_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"gone: no such file or folder\. Expected"):
            scan(tmp_path / "gone")
        lay(tmp_path, ["notes.txt"])
        with pytest.raises(DataError, match=r"notes\.txt: not a folder of pictures"):
            scan(tmp_path / "notes.txt")

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
    def test_a_folder_without_permission(self, tmp_path: Path) -> None:
        lay(tmp_path, ["cat/1.jpg", "dog/1.jpg"])
        (tmp_path / "dog").chmod(0)
        with pytest.raises(DataError, match="dog: the folder cannot be read"):
            scan(tmp_path)

    def test_many_empty_classes_are_not_all_printed(self, tmp_path: Path) -> None:
        lay(tmp_path, ["z/1.jpg", *(f"class{n:03}/" for n in range(100))])
        with pytest.raises(DataError, match="class004 and 95 more"):
            scan(tmp_path)


class TestTrainable:
    def test_two_classes_are(self, tmp_path: Path) -> None:
        require_trainable(scan(lay(tmp_path, ["cat/1.jpg", "dog/1.jpg"])))

    def test_one_class_is_not(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"one class only, 'cat'\. A classifier needs two or more, one .*each\.$"):
            require_trainable(scan(lay(tmp_path, ["cat/1.jpg", "cat/2.jpg"])))

    def test_a_folder_around_the_classes_is_noticed(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"Did you mean .*pets\?"):
            require_trainable(scan(lay(tmp_path, ["pets/cat/1.jpg", "pets/dog/1.jpg"])))

    def test_a_class_with_validation_pictures_alone_is_not(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no training picture for images"):
            require_trainable(scan(lay(tmp_path, ["train/a/1.jpg", "train/b/1.jpg", "val/images/1.jpg"])))


class TestListing:
    def test_select_keeps_order_and_classes(self, tmp_path: Path) -> None:
        listing = scan(lay(tmp_path, ["a/1.jpg", "b/1.jpg", "b/2.jpg", "c/1.jpg"]))
        chosen = listing.select([2, 0])
        assert rows(chosen) == [("b/2.jpg", "b", ""), ("a/1.jpg", "a", "")]
        assert chosen.classes == ("a", "b", "c")
        assert chosen == listing.select(np.array([2, 0]))
        assert len(listing.select([])) == 0
        assert listing.select(listing.labels == 1) == listing.select([1, 2])

    def test_equal_listings_are_equal_and_others_not(self, tmp_path: Path) -> None:
        listing = scan(lay(tmp_path, ["a/1.jpg", "b/1.jpg", "b/2.jpg"]))
        assert listing == scan(tmp_path) and hash(listing) == hash(scan(tmp_path))
        lay(tmp_path, ["b/3.jpg"])
        assert listing != scan(tmp_path) and listing != 1

    def test_a_picture_costs_few_bytes_beside_its_name(self, tmp_path: Path) -> None:
        listing = scan(lay(tmp_path, [f"{c}/{n}.jpg" for c in "ab" for n in range(500)]))
        arrays = listing.offsets.nbytes + listing.labels.nbytes + listing.split.nbytes
        assert arrays / len(listing) < 40

    def test_a_scan_keeps_no_python_object_for_each_picture(self, tmp_path: Path) -> None:
        lay(tmp_path, [f"{c}/a_rather_long_name_of_a_picture_{n:06}.jpg" for c in "abcdefghij" for n in range(2000)])
        code = (
            "import sys, tracemalloc, pathlib, alexnet.data.folder as f\n"
            "tracemalloc.start(); listing = f.scan(pathlib.Path(sys.argv[1]))\n"
            "now, peak = tracemalloc.get_traced_memory(); print(now / len(listing), peak / len(listing))"
        )
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
        kept, peak = map(float, done.stdout.split())
        assert kept < 100 and peak < 250  # one str of such a name takes 94 bytes, its DirEntry 300 more
