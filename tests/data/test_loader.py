"""The loader on folders drawn here: the same batches however they are read, and no bad picture goes unnamed."""

import threading
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from alexnet.data.chance import permutation
from alexnet.data.loader import MAX_WORKERS, PICTURES_PER_TASK, PREFETCH_BATCHES, Batch, Skips, batches, worker_count
from alexnet.data.prepare import prepare
from alexnet.data.source import Pictures, open_pictures
from alexnet.errors import TooManyUnreadable, UnreadablePicture, UsageError

SIDE, COUNT = 16, 23


class Drawn:
    """Pictures drawn on demand: number `i` is filled with `i`; those in `bad` are refused."""

    classes = ("even", "odd")

    def __init__(
        self,
        count: int,
        bad: Iterable[int] = (),
        error: type[Exception] = UnreadablePicture,
        side: int = SIDE,
        pause_s: float = 0.0,
    ) -> None:
        self.labels, self.side = (np.arange(count) % 2).astype(np.int32), side
        self.bad, self.error, self.pause_s = frozenset(bad), error, pause_s
        self.read_so_far: list[int] = []

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, index: int) -> str:
        return f"{index}.png"

    def read(self, index: int) -> np.ndarray:
        time.sleep(self.pause_s)
        self.read_so_far.append(index)
        if index in self.bad:
            raise self.error(f"{index}.png: torn")
        return np.full((self.side, self.side, 3), index % 256, np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 23 PNG pictures in two classes."""
    root: Path = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for number in range(COUNT):
        path = root / ("cat" if number % 3 else "dog") / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(path)
    return root


@pytest.fixture(scope="module")
def pictures(folder: Path) -> Pictures:
    return open_pictures(folder, None, SIDE, "short")


def read_all(source: Pictures, order: np.ndarray, batch_size: int = 5, **options: Any) -> list[Batch]:
    options.setdefault("skips", Skips())
    return list(batches(source, order, batch_size, **options))


def assert_same(found: list[Batch], expected: list[Batch]) -> None:
    assert [batch.start for batch in found] == [batch.start for batch in expected]
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.indices, other.indices)
        np.testing.assert_array_equal(one.positions, other.positions)


def loader_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("alexnet-loader")]


def test_batches_hold_the_pictures_of_the_order_with_their_labels(pictures: Pictures) -> None:
    order = permutation(3, 0, COUNT)
    found = read_all(pictures, order)
    assert [len(batch) for batch in found] == [5, 5, 5, 5, 3]
    assert [batch.start for batch in found] == [0, 5, 10, 15, 20]
    np.testing.assert_array_equal(np.concatenate([batch.indices for batch in found]), order)
    np.testing.assert_array_equal(np.concatenate([batch.positions for batch in found]), np.arange(COUNT))
    labels = torch.cat([batch.labels for batch in found])
    assert labels.dtype == torch.int64
    np.testing.assert_array_equal(labels, pictures.labels[order])
    images = torch.cat([batch.images for batch in found])
    assert images.dtype == torch.uint8
    assert images.shape == (COUNT, 3, SIDE, SIDE)
    for image, index in zip(images, order.tolist(), strict=True):
        np.testing.assert_array_equal(image.permute(1, 2, 0), pictures.read(index))


@pytest.mark.parametrize("workers", [2, 3, 16, None])
def test_the_number_of_threads_leaves_no_trace(pictures: Pictures, workers: int | None) -> None:
    order = permutation(0, 0, COUNT)
    assert_same(read_all(pictures, order, workers=workers), read_all(pictures, order, workers=1))


@pytest.mark.parametrize("start", [0, 5, 20, 23])
def test_a_resumed_epoch_goes_on_with_the_batches_of_the_undisturbed_one(pictures: Pictures, start: int) -> None:
    order = permutation(0, 1, COUNT)
    assert_same(read_all(pictures, order, start=start), read_all(pictures, order)[-(-start // 5) :])


@pytest.mark.parametrize("shards", ["raw", "jpeg"])
def test_a_prepared_set_gives_what_its_pictures_hold(folder: Path, tmp_path: Path, shards: Any) -> None:
    prepare(folder, tmp_path / "set", format=shards, size=SIDE, fit="short", workers=1, val_fraction=0.2, seed=0)
    prepared = open_pictures(tmp_path / "set", "train", 99, "short")
    order = permutation(0, 0, len(prepared))
    found = read_all(prepared, order, workers=3)
    assert prepared.side == SIDE
    for image, index in zip(torch.cat([batch.images for batch in found]), order.tolist(), strict=True):
        np.testing.assert_array_equal(image.permute(1, 2, 0), prepared.read(index))


def test_order_may_name_a_few_pictures_or_one_twice(pictures: Pictures) -> None:
    (batch,) = read_all(pictures, np.array([4, 4, 2]))
    assert torch.equal(batch.images[0], batch.images[1])
    assert not torch.equal(batch.images[0], batch.images[2])


def test_an_empty_order_gives_no_batch(pictures: Pictures) -> None:
    assert read_all(pictures, np.arange(0)) == []


@pytest.mark.parametrize("workers", [1, 4])
def test_unreadable_pictures_are_dropped_named_and_counted(folder: Path, tmp_path: Path, workers: int) -> None:
    for path in folder.rglob("*.png"):
        copy = tmp_path / path.relative_to(folder)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    torn = sorted(tmp_path.rglob("*.png"))[6]
    torn.write_bytes(torn.read_bytes()[:100])
    source, skips = open_pictures(tmp_path, None, SIDE, "short"), Skips()
    found = read_all(source, np.arange(COUNT), workers=workers, skips=skips)
    assert [len(batch) for batch in found] == [5, 4, 5, 5, 3]
    assert list(skips.reasons) == [source.name(6)]
    assert torn.name in skips.reasons[source.name(6)]
    np.testing.assert_array_equal(found[1].positions, [5, 7, 8, 9])
    for image, index in zip(found[1].images, found[1].indices.tolist(), strict=True):
        np.testing.assert_array_equal(image.permute(1, 2, 0), source.read(index))


def test_a_dropped_picture_moves_no_position() -> None:
    order = np.arange(20)[::-1]
    (first, second) = read_all(Drawn(20, bad=(19, 12, 3)), order, batch_size=10)
    np.testing.assert_array_equal(first.positions, [1, 2, 3, 4, 5, 6, 8, 9])
    np.testing.assert_array_equal(first.indices, [18, 17, 16, 15, 14, 13, 11, 10])
    np.testing.assert_array_equal(first.images[:, 0, 0, 0], first.indices)
    np.testing.assert_array_equal(first.labels, first.indices % 2)
    assert second.start == 10


def test_a_batch_without_a_readable_picture_is_left_out() -> None:
    found = read_all(Drawn(15, bad=(5, 6, 7, 8, 9)), np.arange(15))
    assert [batch.start for batch in found] == [0, 10]


def test_ten_bad_pictures_are_borne_and_eleven_are_not() -> None:
    skips = Skips()
    read_all(Drawn(100, bad=range(10)), np.arange(100), skips=skips)
    assert len(skips) == 10
    with pytest.raises(TooManyUnreadable, match=r"more than 10 of 100 .*\n  0\.png: torn"):
        read_all(Drawn(100, bad=range(11)), np.arange(100))


def test_of_many_pictures_one_in_a_hundred_may_be_bad() -> None:
    read_all(Drawn(2000, bad=range(20)), np.arange(2000), batch_size=50)
    with pytest.raises(TooManyUnreadable, match="more than 20 of 2000"):
        read_all(Drawn(2000, bad=range(21)), np.arange(2000), batch_size=50)


def test_a_picture_that_is_bad_in_every_epoch_counts_once() -> None:
    source, skips = Drawn(50, bad=range(8)), Skips()
    for epoch in range(3):
        read_all(source, permutation(0, epoch, 50), skips=skips)
    assert len(skips) == 8


def test_a_set_without_one_readable_picture_is_an_error() -> None:
    with pytest.raises(TooManyUnreadable, match="none of 3 pictures"):
        read_all(Drawn(3, bad=(0, 1, 2)), np.arange(3))


def test_the_end_of_a_resumed_epoch_may_be_bad() -> None:
    assert read_all(Drawn(12, bad=(10, 11)), np.arange(12), start=10) == []


@pytest.mark.parametrize("workers", [1, 4])
def test_errors_of_a_thread_surface_and_leave_no_thread(workers: int) -> None:
    source = Drawn(60, bad=(31,), error=ZeroDivisionError)
    with pytest.raises(ZeroDivisionError, match=r"31\.png"):
        read_all(source, np.arange(60), workers=workers)
    assert loader_threads() == []


def test_a_finished_epoch_leaves_no_thread(pictures: Pictures) -> None:
    read_all(pictures, np.arange(COUNT), workers=4)
    assert loader_threads() == []


def test_leaving_early_stops_the_threads(pictures: Pictures) -> None:
    for _ in batches(pictures, np.arange(COUNT), 2, workers=4, skips=Skips()):
        assert loader_threads()
        break
    assert loader_threads() == []


def test_leaving_early_does_not_read_what_was_begun() -> None:
    source = Drawn(320, pause_s=0.002)
    with closing(batches(source, np.arange(320), 80, workers=1, skips=Skips())) as stream:
        next(stream)
    assert len(source.read_so_far) < 80 + 4 * PICTURES_PER_TASK


def test_an_interrupt_stops_the_threads_before_it_is_handled(pictures: Pictures) -> None:
    def train() -> None:
        with closing(batches(pictures, np.arange(COUNT), 2, workers=4, skips=Skips())) as stream:
            for _ in stream:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    assert loader_threads() == []


def test_no_more_than_a_few_batches_are_read_ahead() -> None:
    source = Drawn(400)
    with closing(batches(source, np.arange(400), 10, workers=4, skips=Skips())) as stream:
        for handed_out in (1, 2, 3):
            next(stream)
            deadline = time.monotonic() + 10
            while len(source.read_so_far) < 10 * (handed_out + PREFETCH_BATCHES) and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.05)
            assert len(source.read_so_far) == 10 * (handed_out + PREFETCH_BATCHES)


def test_large_batches_are_read_one_ahead() -> None:
    source = Drawn(30, bad=range(30), side=4096)  # 48 MiB a picture, were one ever made
    with pytest.raises(TooManyUnreadable):
        read_all(source, np.arange(30), batch_size=3, workers=2)
    assert len(source.read_so_far) <= 12 + 2 * 3  # the eleventh is in the fourth batch, which waits behind one more


def test_threads_are_one_per_core_that_may_be_used_unless_told() -> None:
    assert 1 <= worker_count(None) <= MAX_WORKERS
    assert worker_count(5) == 5
    with pytest.raises(UsageError, match="workers is 0"):
        worker_count(0)
