"""Branches of a captured graph: work that need not wait for what is recorded after it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Branch:
    """A line of work beside the main one, in a graph that is being captured; elsewhere all is done in turn."""

    def __init__(self) -> None:
        self._stream: torch.cuda.Stream | None = None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Within, work may begin once all before it is done, and what comes after does not wait for it."""
        if not _is_captured():
            yield
            return
        if self._stream is None:
            self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            yield

    def join(self) -> None:
        """Let what comes after wait for the branch."""
        if self._stream is not None:
            torch.cuda.current_stream().wait_stream(self._stream)
            self._stream = None


def _is_captured() -> bool:
    """Whether a graph is being captured."""
    return torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()  # type: ignore[no-untyped-call]
