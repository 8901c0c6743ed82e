"""`dataset.json`, the card of a prepared set: written last, so a folder that has one is complete."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from alexnet.data.durable import write_json, written_aside
from alexnet.data.listing import Split
from alexnet.data.plan import SPLITS, Plan
from alexnet.data.statistics import Statistics
from alexnet.errors import DataError

CARD = "dataset.json"
MEAN = "mean.npy"
REPORT = "report.jsonl"
WORK = ".preparing"  # where an unfinished set keeps what it knows


@dataclass(frozen=True)
class ShardFile:
    """One shard of a set: its file, how many pictures it holds, its length in bytes."""

    name: str
    pictures: int
    bytes: int


@dataclass(frozen=True, eq=False)
class Card:
    """What a prepared set says about itself.

    Attributes:
        counts: pictures of each class, by split.
        shards: the files of each split, in order.
        statistics: of the training pictures as they were cut, before JPEG; without the mean image.
        refused, repaired: how many pictures `report.jsonl` names as such.
    """

    plan: Plan
    classes: tuple[str, ...]
    counts: dict[Split, tuple[int, ...]]
    shards: dict[Split, tuple[ShardFile, ...]]
    statistics: Statistics
    refused: int
    repaired: int


def is_prepared(folder: Path) -> bool:
    """Whether `folder` is a prepared set, finished or not."""
    return (folder / CARD).is_file() or (folder / WORK).is_dir()


def write_card(folder: Path, card: Card) -> None:
    """Write `mean.npy`, then `dataset.json`."""
    assert card.statistics.mean_image is not None
    with written_aside(folder / MEAN) as file:
        np.lib.format.write_array(file, card.statistics.mean_image, version=(1, 0), allow_pickle=False)
    values: dict[str, Any] = {
        **card.plan.to_json(),
        "classes": list(card.classes),
        "counts": {split: list(counts) for split, counts in card.counts.items()},
        **card.statistics.to_json(),
        "refused": card.refused,
        "repaired": card.repaired,
        "splits": {split: [vars(shard) for shard in shards] for split, shards in card.shards.items()},
    }
    write_json(folder / CARD, values)


def read_card(folder: Path) -> Card:
    """Read the card of a prepared set.

    Raises:
        DataError: the set is unfinished, or its card is damaged.
    """
    path = folder / CARD
    if not path.is_file():
        is_begun = is_prepared(folder)
        state = "was not finished: run the same `alexnet prepare` again" if is_begun else "is no prepared set"
        raise DataError(f"{folder} {state}; it has no {CARD}.")
    try:
        return _parse(json.loads(path.read_text(encoding="utf-8")))
    except (DataError, ValueError, KeyError, TypeError, AttributeError) as cause:
        raise DataError(f"{path} is damaged: {cause}. Copy or prepare this set again.") from cause


def read_statistics(folder: Path) -> Statistics:
    """The statistics of a prepared set with the mean image; without it where `mean.npy` is missing.

    Raises:
        DataError: the set is unfinished or damaged.
    """
    card, path = read_card(folder), folder / MEAN
    image = _read_mean(path, card.plan.size) if path.exists() else None
    return Statistics.from_json(card.statistics.to_json(), image)


def _parse(values: dict[str, Any]) -> Card:
    classes = tuple(str(name) for name in values["classes"])
    counts = {split: tuple(int(count) for count in values["counts"][split]) for split in SPLITS}
    if any(len(row) != len(classes) for row in counts.values()):
        raise DataError("counts does not have one number for each class")
    return Card(
        plan=Plan.from_json(values),
        classes=classes,
        counts=counts,
        shards={split: tuple(ShardFile(**shard) for shard in values["splits"][split]) for split in SPLITS},
        statistics=Statistics.from_json(values),
        refused=int(values["refused"]),
        repaired=int(values["repaired"]),
    )


def _read_mean(path: Path, side: int) -> npt.NDArray[np.float32]:
    try:
        image: npt.NDArray[np.float32] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as cause:
        raise DataError(f"{path} cannot be read: {cause}. Copy or prepare this set again.") from cause
    if image.shape != (side, side, 3) or image.dtype != np.float32:
        raise DataError(f"{path} holds {image.dtype} {image.shape}; the set's pictures need float32 {(side, side, 3)}.")
    return image
