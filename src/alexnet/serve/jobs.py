"""Work that keeps the network busy for a while: one job at a time, a few may wait, none outlives its client."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fastapi import HTTPException, Request

from alexnet.serve.limits import Limits
from alexnet.serve.metrics import Gauges

T = TypeVar("T")
GoOn = Callable[..., None]
"""Called now and then by a job, with anything; raises where nobody waits for its answer any more."""
LOOK_S = 0.5  # how soon it is noticed that a client has gone


class Abandoned(Exception):
    """The client has gone: whatever is left of its job is not done."""


class Jobs:
    """A thread of its own, so that predictions go on beside it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.count = 0  # accepted and not yet answered
        self.thread = ThreadPoolExecutor(1, "job")

    def gauges(self) -> Gauges:
        """What waits, for `Metrics`."""
        return {"alexnet_queue_jobs": ("Explanations and searches not yet answered.", lambda: self.count)}

    async def run(self, request: Request, work: Callable[[GoOn], T]) -> T:
        """What `work` returns.

        Raises:
            HTTPException: 503, where too many wait.
        """
        if self.count >= self.limits.jobs:
            raise HTTPException(503, "Too many explanations wait. Try again.", {"Retry-After": "2"})
        gone = threading.Event()

        def go_on(*_: int) -> None:
            if gone.is_set():
                raise Abandoned

        def whole() -> T:
            go_on()
            return work(go_on)

        self.count += 1
        try:
            done = asyncio.get_running_loop().run_in_executor(self.thread, whole)
            while not (await asyncio.wait([done], timeout=LOOK_S))[0]:
                if await request.is_disconnected():
                    gone.set()
            return done.result()
        except Abandoned:
            raise HTTPException(499, "The client has gone.") from None
        finally:
            gone.set()
            self.count -= 1

    def close(self) -> None:
        """What waits is dropped."""
        self.thread.shutdown(wait=False, cancel_futures=True)
