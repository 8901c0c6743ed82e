"""Where a run tells what it is doing: the caller's screen, or nowhere."""

from collections.abc import Mapping
from typing import Protocol


class Reporter(Protocol):
    """What training tells while it works. The command line draws it; a notebook may print it."""

    def say(self, message: str) -> None:
        """One line worth reading: a new stage, a saved checkpoint, what to do next."""

    def warn(self, message: str) -> None:
        """One line that asks for attention; the run goes on."""

    def progress(self, task: str, done: int, total: int, note: str = "") -> None:
        """`done` of `total` pictures of `task` ("head, epoch 2 of 5", "validation"); done == total ends the task."""

    def epoch(self, row: Mapping[str, object]) -> None:
        """A finished epoch: the row that metrics.jsonl got."""


class Silent:
    """Says nothing: what the library does unless told otherwise."""

    def say(self, message: str) -> None: ...

    def warn(self, message: str) -> None: ...

    def progress(self, task: str, done: int, total: int, note: str = "") -> None: ...

    def epoch(self, row: Mapping[str, object]) -> None: ...


SILENT = Silent()
