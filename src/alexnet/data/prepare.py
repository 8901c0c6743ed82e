"""A folder of pictures to a prepared set: squares of one size in shards, with the statistics of the training pictures.

Equal sources and settings give equal bytes, with any number of threads and however often the work was interrupted:
a shard is whole or absent, and a second call makes the absent ones. shards.py says what the files are.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from alexnet.data.dataset_card import REPORT, Card, ShardFile, read_card, write_card
from alexnet.data.destination import is_finished, remove_work, require_apart, require_room, working_folder
from alexnet.data.durable import written_aside
from alexnet.data.folder import scan
from alexnet.data.listing import Listing, Split
from alexnet.data.make_shard import make_shard
from alexnet.data.plan import SPLITS, Format, Plan, ShardTask, listing_sha256, shard_tasks
from alexnet.data.records import Tally, read_record, read_sums
from alexnet.data.statistics import Moments
from alexnet.errors import TooManyUnreadable
from alexnet.lineages.spec import Fit

SHARD_PICTURES = 4096  # at 256x256 about 130 MB as JPEG and 805 MB raw; ImageNet in 313 files, all open at once


@dataclass(frozen=True)
class PrepareReport:
    """What `prepare` made, or would make.

    Attributes:
        counts: pictures of each class, by split; before any was read, in a dry run.
        refused, repaired: how many pictures `report.jsonl` names as such.
        shards: files of pictures in the set.
        made: how many of them this call wrote, or would write; 0 means that there was nothing to do.
    """

    destination: Path
    classes: tuple[str, ...]
    counts: dict[Split, tuple[int, ...]]
    refused: int
    repaired: int
    shards: int
    made: int

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "destination": str(self.destination)}


def prepare(
    source: str | Path,
    destination: str | Path,
    *,
    format: Format = "jpeg",
    size: int = 256,
    fit: Fit = "short",
    workers: int | None = None,
    val_fraction: float = 0.0,
    seed: int = 0,
    shard_pictures: int = SHARD_PICTURES,
    quota: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    dry_run: bool = False,
) -> PrepareReport:
    """Cut every picture of `source` to a square and write shards, statistics and a report to `destination`.

    Args:
        source: what `scan` reads: a folder or a list. It is only read.
        destination: a new or empty folder, or one where the same call was interrupted.
        format: "jpeg" for tar shards, "raw" for uint8 shards.
        size: side of the squares in pixels.
        fit: see `to_square`.
        workers: threads; default one for each core.
        val_fraction: share of each class to validate with, where the source has no split of its own; 0 for none.
        seed: decides the split and the order of the training pictures.
        shard_pictures: pictures of the source for each shard.
        quota: unreadable pictures that are put up with; default 1 %, at least 10.
        progress: called with pictures done and pictures in all.
        dry_run: look and count, write nothing.

    Raises:
        DataError: no usable source; a destination inside the source, with another set in it, or without room.
        TooManyUnreadable: more bad pictures than the quota.
        UsageError: a setting that does not exist.
    """
    source, destination = Path(source), Path(destination)
    require_apart(source, destination)
    listing = scan(source)
    plan = Plan(format, size, fit, val_fraction, seed, shard_pictures, listing_sha256(listing))
    if is_finished(destination, plan):
        return _finished(destination, dry_run)
    tasks = shard_tasks(listing, plan)
    if dry_run:
        return _planned(destination, listing, tasks)
    tally = Tally(len(listing), max(10, len(listing) // 100) if quota is None else quota, progress)
    with working_folder(destination, plan):
        missing = _missing(destination, tasks, tally)
        if plan.format == "raw":
            require_room(destination, sum(len(task.indices) for task in missing) * plan.size**2 * 3)
        for task in missing:
            make_shard(task, listing, plan, destination, tally, workers)
        card = _finish(destination, listing, tasks, plan)
    return _report(destination, card, made=len(missing))


def _missing(destination: Path, tasks: Sequence[ShardTask], tally: Tally) -> list[ShardTask]:
    """The shards still to make; the pictures of those that an earlier call finished are added to the tally."""
    missing = []
    for task in tasks:
        if record := read_record(destination, task.name):
            tally.add(len(task.indices), record.report)
        else:
            missing.append(task)
    return missing


def _finish(destination: Path, listing: Listing, tasks: Sequence[ShardTask], plan: Plan) -> Card:
    """Write the report, the mean image and the card from what each shard left, one shard at a time."""
    sums = Moments(plan.size)
    files: dict[Split, list[ShardFile]] = {split: [] for split in SPLITS}
    counts = {split: np.zeros(len(listing.classes), np.int64) for split in SPLITS}
    actions: Counter[str] = Counter()
    with written_aside(destination / REPORT) as report:
        for task in tasks:
            record = read_record(destination, task.name)
            assert record is not None, f"{task.name} was just made"
            report.writelines(entry.to_line() for entry in record.report)
            actions.update(entry.action for entry in record.report)
            files[task.split].append(record.file)
            counts[task.split] += record.counts
            if task.split == "train":  # validation must not leak into what training subtracts
                sums.merge(read_sums(destination, task.name))
    if not sums.count:
        raise TooManyUnreadable(f"not one training picture can be read. {destination / REPORT} says why of each.")
    card = Card(
        plan=plan,
        classes=listing.classes,
        counts={split: tuple(counts[split].tolist()) for split in SPLITS},
        shards={split: tuple(files[split]) for split in SPLITS},
        statistics=sums.finish(),
        refused=actions["refused"],
        repaired=actions["repaired"],
    )
    write_card(destination, card)
    return card


def _planned(destination: Path, listing: Listing, tasks: Sequence[ShardTask]) -> PrepareReport:
    counts = {
        split: _label_counts(listing, [task.indices for task in tasks if task.split == split]) for split in SPLITS
    }
    missing = sum(read_record(destination, task.name) is None for task in tasks)
    return PrepareReport(destination, listing.classes, counts, refused=0, repaired=0, shards=len(tasks), made=missing)


def _label_counts(listing: Listing, parts: Sequence[npt.NDArray[np.int64]]) -> tuple[int, ...]:
    labels = [listing.labels[indices] for indices in parts] or [listing.labels[:0]]
    return tuple(np.bincount(np.concatenate(labels), minlength=len(listing.classes)).tolist())


def _finished(destination: Path, dry_run: bool) -> PrepareReport:
    """The report of a set that needs nothing; tidies what a call that was killed at its very end left."""
    if not dry_run:
        remove_work(destination)
    return _report(destination, read_card(destination), made=0)


def _report(destination: Path, card: Card, made: int) -> PrepareReport:
    return PrepareReport(
        destination=destination,
        classes=card.classes,
        counts=card.counts,
        refused=card.refused,
        repaired=card.repaired,
        shards=sum(len(files) for files in card.shards.values()),
        made=made,
    )
