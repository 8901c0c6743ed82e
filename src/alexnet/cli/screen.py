"""What a long job tells while it works, on stderr: a bar on a terminal, a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from alexnet.cli.output import console, say, speaks

if TYPE_CHECKING:
    from rich.progress import Progress

SECONDS_BETWEEN_LINES = 5.0


class Screen:
    """Messages, epochs and progress of one command; a `Reporter` for training.

    Args:
        unit: what is counted, for the rate.
        clock: seconds; another one in tests.
    """

    def __init__(self, unit: str = "images", clock: Callable[[], float] = time.monotonic) -> None:
        self.unit = unit
        self.clock = clock
        self.task = ""
        self.started = self.spoke = 0.0
        self.bar: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def say(self, message: str) -> None:
        if self.bar is not None:
            self.bar.console.print(message, soft_wrap=True)
        else:
            say(message)

    def warn(self, message: str) -> None:
        self.say(f"Warning: {message}")

    def epoch(self, row: Mapping[str, object]) -> None:
        self.say(epoch_line(row))

    def progress(self, task: str, done: int, total: int, note: str = "") -> None:
        """`done` of `total` of a task; done == total ends it."""
        if not speaks():
            return
        if task != self.task:
            self._begin(task)
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], completed=done, total=total, rate=self._rate(done), note=note)
        elif self.clock() - self.spoke >= SECONDS_BETWEEN_LINES and done < total:
            self.spoke = self.clock()
            self.say(self._line(done, total, note))
        if done >= total:
            self._end()

    def meter(self, task: str) -> Callable[[int, int], None]:
        """A function of (done, total) that shows the progress of `task`."""
        return lambda done, total: self.progress(task, done, total)

    def _begin(self, task: str) -> None:
        self._end()
        self.task = task
        self.started = self.spoke = self.clock()
        if sys.stderr.isatty():
            self.bar = drawn_bar(task)

    def _end(self) -> None:
        if self.bar is not None:
            self.bar.stop()
        self.bar = None
        self.task = ""

    def _rate(self, done: int) -> str:
        seconds = self.clock() - self.started
        rate = done / seconds if seconds > 0 else 0.0
        return f"{rate:,.{0 if rate >= 10 else 1}f} {self.unit}/s" if seconds > 0 else ""

    def _line(self, done: int, total: int, note: str) -> str:
        seconds = self.clock() - self.started
        left = f"{duration(seconds / done * (total - done))} left" if done else ""
        parts = (f"{self.task}: {done:,} of {total:,} {self.unit}", self._rate(done), left, note)
        return ", ".join(part for part in parts if part)


def drawn_bar(task: str) -> "Progress":
    """A bar on stderr that is wiped when it stops."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate, note = TextColumn("{task.fields[rate]}"), TextColumn("{task.fields[note]}")
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(), rate)
    bar = Progress(*columns, TimeRemainingColumn(compact=True), note, console=console(sys.stderr), transient=True)
    bar.add_task(task, total=None, rate="", note="")
    bar.start()
    return bar


def epoch_line(row: Mapping[str, object]) -> str:
    """A finished epoch in one line, from its row of metrics.jsonl."""
    top5 = "" if row["top5_error"] is None else f", top-5 {row['top5_error']:.1%}"
    return (
        f"epoch {row['epoch']} ({row['stage']}): loss {row['train_loss']:.3f}, validation loss {row['val_loss']:.3f},"
        f" top-1 error {row['top1_error']:.1%}{top5}, {row['images_per_s']:,.0f} images/s"
    )


def duration(seconds: float) -> str:
    """Seconds as 0:07, 12:34 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
