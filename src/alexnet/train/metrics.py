"""The figures of a run as it goes: metrics.jsonl, metrics.csv, and TensorBoard's events where it is installed.

A row is written every few steps ("step") and at the end of each epoch ("epoch", with the validation's figures). All
three agree with the last checkpoint after a resume: rows beyond it are dropped, and come again.
"""

import csv
import json
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from alexnet.errors import RunError
from alexnet.weights.durable import replace_file, writing

COLUMNS = (
    "event", "stage", "epoch", "step", "lr", "train_loss", "val_loss", "top1_error", "top5_error", "images_per_s",
    "seconds",
)  # fmt: skip
JSONL, CSV = "metrics.jsonl", "metrics.csv"


class NoLog:
    """What the other ranks of a team write to: nothing."""

    def append(self, row: Mapping[str, Any]) -> None: ...

    def sync(self) -> None: ...

    def close(self) -> None: ...


class MetricsLog(NoLog):
    """The open files of a run's figures.

    Args:
        folder: of the run.
        keep: rows that the checkpoint knows; those behind it are dropped.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder = folder
        rows = read_metrics(folder, keep)
        with writing(folder, RunError):
            # Replaced whole, then added to: a process that is killed in between leaves the old rows or the kept ones.
            replace_file(folder / JSONL, lambda path: path.write_text("".join(map(_line, rows)), encoding="utf-8"))
            replace_file(folder / CSV, lambda path: _write_csv(path, rows))
            self._jsonl = (folder / JSONL).open("a", encoding="utf-8")
            self._csv = (folder / CSV).open("a", encoding="utf-8", newline="")
        self._events = _event_writer(folder, after=int(rows[-1]["step"]) if rows else 0)

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one row; keys are among COLUMNS, and None stands for a figure that this event has not.

        Raises:
            RunError: the disk is full, or gone.
        """
        with writing(self._folder, RunError):
            self._jsonl.write(_line(row))
            csv.DictWriter(self._csv, COLUMNS).writerow(row)
            self._jsonl.flush()
            self._csv.flush()
        if self._events is not None:
            for name in ("lr", "train_loss", "val_loss", "top1_error", "top5_error", "images_per_s"):
                if row.get(name) is not None:
                    self._events.add_scalar(f"{row['event']}/{name}", row[name], row["step"])

    def sync(self) -> None:
        """Force the rows to the disk: a checkpoint must not know more of them than there are."""
        for file in (self._jsonl, self._csv):
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        self._jsonl.close()
        self._csv.close()
        if self._events is not None:
            self._events.close()


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row) + "\n"


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def read_metrics(folder: Path, limit: int | None = None) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl, the first `limit` of them; none where there is no file."""
    try:
        lines = (folder / JSONL).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines[:limit]]


def _event_writer(folder: Path, after: int) -> Any:
    """TensorBoard's writer, or None without it."""
    if find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder / "events"), purge_step=after + 1)
