"""SIGTERM and Ctrl-C as a wish that training looks at between steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from alexnet.errors import Interrupted, Stopped, Terminated


class StopWish:
    """Whether a signal has asked the run to stop, and which."""

    asked: signal.Signals | None = None

    def note(self, number: int, frame: FrameType | None) -> None:
        """Remember the signal; a second one does not wait for the step to end."""
        if self.asked is not None:
            raise KeyboardInterrupt
        self.asked = signal.Signals(number)

    def error(self, what: str) -> Stopped:
        """The exception for the signal that came; its message is `what`."""
        return (Interrupted if self.asked == signal.SIGINT else Terminated)(what)


@contextmanager
def stop_signals() -> Iterator[StopWish]:
    """A wish that SIGTERM and SIGINT set while the block runs; the handlers from before come back after it.

    Only the main thread may install handlers; in another one the wish never comes.
    """
    wish = StopWish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    before = {number: signal.signal(number, wish.note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
