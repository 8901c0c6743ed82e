"""The split into training and validation pictures: shares, seeds, and what the source has decided."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alexnet.data.folder import Listing, scan
from alexnet.data.listing import Rows
from alexnet.data.split import split, write_splits
from alexnet.errors import DataError, UsageError


def made(classes: Mapping[str, int], given: str = "") -> Listing:
    rows = Rows()
    for label, (name, count) in enumerate(sorted(classes.items())):
        for n in range(count):
            rows.add(f"{name}/{n}.jpg", label, given)
    return rows.listing(Path("pets"), sorted(classes))


def val_names(listing: Listing) -> set[str]:
    return {listing.name(i) for i in np.flatnonzero(listing.split == "val").tolist()}


def test_each_class_gives_its_share() -> None:
    listing = split(made({"a": 100, "b": 50, "c": 10}), 0.2, seed=0)
    assert listing.counts("val").tolist() == [20, 10, 2]
    assert listing.counts("train").tolist() == [80, 40, 8]


@given(counts=st.lists(st.integers(2, 40), min_size=1, max_size=5), share=st.floats(0.001, 0.999))
def test_each_class_has_both_and_the_share_to_half_a_picture(counts: list[int], share: float) -> None:
    listing = split(made({f"c{n}": count for n, count in enumerate(counts)}), share, seed=1)
    for count, val in zip(counts, listing.counts("val"), strict=True):
        assert 1 <= val <= count - 1
        assert abs(val - share * count) <= 0.5 or val in (1, count - 1)
    assert np.array_equal(listing.counts("train") + listing.counts("val"), counts)


def test_the_same_seed_gives_the_same_split_and_another_another() -> None:
    listing = made({"a": 100, "b": 100})
    assert split(listing, 0.2, 3) == split(listing, 0.2, 3)
    splits = [split(listing, 0.2, seed).split.tobytes() for seed in range(-2, 20)]
    assert len(set(splits)) == len(splits)


def test_every_picture_is_chosen_equally_often() -> None:
    listing = made({"a": 20})
    chosen = sum((split(listing, 0.25, seed).split == "val").astype(int) for seed in range(800))
    assert np.sum((chosen - 200) ** 2 / 200) < 43.8  # chi-square of 19 degrees of freedom, 0.1 %; the sum is fixed


def test_the_order_of_the_listing_does_not_matter() -> None:
    listing = made({"a": 30, "b": 30})
    backwards = listing.select(np.arange(len(listing))[::-1])
    assert val_names(split(listing, 0.2, 0)) == val_names(split(backwards, 0.2, 0))


def test_one_more_picture_moves_at_most_one_other_and_none_in_another_class() -> None:
    for count in range(2, 60):
        before = val_names(split(made({"a": count, "b": 40}), 0.2, 0))
        after = val_names(split(made({"a": count + 1, "b": 40}), 0.2, 0))
        added = f"a/{count}.jpg"
        assert {name for name in before ^ after if name.startswith("b")} == set()
        assert len((before ^ after) - {added}) <= 1


def test_what_the_source_decided_stays() -> None:
    listing = made({"a": 10, "b": 10})
    listing.split[:] = ["train"] * 4 + ["val"] + [""] * 5 + ["train"] * 9 + [""]
    done = split(listing, 0.3, 0)
    decided = listing.split != ""
    assert np.array_equal(done.split[decided], listing.split[decided])
    assert done.counts("val").tolist() == [3, 1]  # b has one open picture only


def test_a_source_with_both_splits_is_returned_as_it_is() -> None:
    listing = made({"a": 4, "b": 4})
    listing.split[:] = ["train", "train", "train", "val"] + ["train"] * 4  # none of b for validation: its own choice
    assert split(listing, 0.5, 0) == listing


def test_a_training_split_alone_is_divided() -> None:
    done = split(made({"a": 10, "b": 10}, given="train"), 0.2, 0)
    assert done.counts("val").tolist() == [2, 2]
    assert val_names(done) == val_names(split(made({"a": 10, "b": 10}), 0.2, 0))


def test_a_validation_split_alone_stays() -> None:
    assert set(split(made({"a": 3}, given="val"), 0.2, 0).split.tolist()) == {"val"}


def test_the_listing_given_is_not_changed() -> None:
    listing = made({"a": 10})
    split(listing, 0.2, 0)
    assert set(listing.split.tolist()) == {""}


def test_pictures_without_a_label_stay_out() -> None:
    rows = Rows()
    for name, label in (("1", -1), ("2", 0), ("3", 0), ("4", -1)):
        rows.add(name, label, "")
    assert split(rows.listing(Path("x"), ["a"]), 0.5, 0).split.tolist().count("") == 2


def test_a_class_of_one_picture_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="pets: class 'b' has no picture left for 'val', 1 in all"):
        split(made({"a": 10, "b": 1}), 0.2, 0)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="must lie between 0 and 1"):
        split(made({"a": 10}), share, 0)


@given(counts=st.lists(st.integers(2, 9), min_size=2, max_size=4), seed=st.integers(0, 9))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_written_splits_come_back_equal(tmp_path: Path, counts: list[int], seed: int) -> None:
    for label, count in enumerate(counts):
        (tmp_path / f"c{label}").mkdir(exist_ok=True)
        for n in range(count):
            (tmp_path / f"c{label}/{n}.jpg").touch()
    listing = split(scan(tmp_path), 0.3, seed)
    write_splits(listing, tmp_path / "splits.csv")
    assert scan(tmp_path / "splits.csv") == listing
    assert (tmp_path / "splits.csv").read_text().startswith("path,label,split\nc0/0.jpg,c0,")
