"""Branches of a captured graph: work that need not wait for what is recorded after it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

import torch
from torch import Tensor

FORK_BELOW = 512  # pictures of a batch below which one convolution does not fill a GPU, see the log


class Branch:
    """A line of work beside the main one, in a graph that is being captured; elsewhere all is done in turn.

    Args:
        is_urgent: others wait for it. If not, the GPU prefers what is on the main line where both are ready.
    """

    def __init__(self, *, is_urgent: bool = False) -> None:
        self._stream: torch.cuda.Stream | None = None
        self._is_urgent = is_urgent
        self._kept: list[Tensor] = []

    @contextmanager
    def aside(self, *read: Tensor) -> Iterator[None]:
        """Within, work may begin once all before it is done, and what comes after does not wait for it.

        Args:
            read: what the work looks at, of which the main line may have the last reference: its memory must not be
                used again before `join`.
        """
        if not _is_captured():
            yield
            return
        if self._stream is None:
            self._stream = main_stream() if self._is_urgent else torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._kept += read
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            yield

    def join(self) -> None:
        """Let what comes after wait for the branch."""
        if self._stream is not None:
            torch.cuda.current_stream().wait_stream(self._stream)
            self._stream, self._kept = None, []


_of_weights: ContextVar[Branch | None] = ContextVar("gradients of weights", default=None)


@contextmanager
def weights_on(branch: Branch) -> Iterator[None]:
    """Within, `beside` is on this branch; whoever opens the block joins it before they use the gradients."""
    token = _of_weights.set(branch)
    try:
        yield
    finally:
        _of_weights.reset(token)


@contextmanager
def beside(*read: Tensor) -> Iterator[None]:
    """Where to compute the gradient of a weight: no other gradient waits for it, only the update does.

    Args:
        read: see `Branch.aside`; (B, ...) each.
    """
    branch = _of_weights.get()
    with branch.aside(*read) if branch is not None and len(read[0]) < FORK_BELOW else nullcontext():
        yield


def side_by_side(works: Sequence[Callable[[], Tensor]], batch_size: int) -> tuple[Tensor, ...]:
    """The results of `works`, which a captured graph runs at the same time where one does not fill the GPU."""
    if batch_size >= FORK_BELOW:
        return tuple(work() for work in works)
    branches, results = [Branch(is_urgent=True) for _ in works[1:]], []
    for branch, work in zip(branches, works[1:], strict=True):
        with branch.aside():
            results.append(work())
    first = works[0]()
    for branch in branches:
        branch.join()
    return first, *results


def main_stream() -> torch.cuda.Stream:
    """A stream to capture on, whose work goes before that of branches."""
    stream: torch.cuda.Stream = torch.cuda.Stream(priority=-1)  # type: ignore[no-untyped-call]
    return stream


def _is_captured() -> bool:
    """Whether a graph is being captured."""
    return torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()  # type: ignore[no-untyped-call]
