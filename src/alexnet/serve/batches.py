"""Pictures of several requests, through the network together."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from alexnet.data.ordered import core_count
from alexnet.fast.cpu.operators import compile_all
from alexnet.inference import Classifier
from alexnet.inference.squares import stacked
from alexnet.serve.admission import Admission
from alexnet.serve.decode import square_of
from alexnet.serve.metrics import Metrics

VIEWS_PER_PASS = 64
LANES = 2
"""Passes at a time on a CPU. Two with half the threads each give 1.2 times the pictures per second of one with all, and
1.4 times while other threads decode: threads of one pass wait for the slowest (two EPYC cores, 16 pictures, quiet)."""
MOST_DECODERS = 8  # each holds a whole picture: `Limits.pixels` times 3 bytes, and as much again for odd formats


@dataclass(frozen=True, eq=False)
class Waiting:
    """One square picture (S, S, 3) uint8 and who waits for its probabilities (K,)."""

    square: np.ndarray
    views: int
    answer: "asyncio.Future[Tensor]"

    def succeed(self, probs: Tensor) -> None:
        if not self.answer.done():  # it is, where who asked has been cancelled
            self.answer.set_result(probs)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Batches:
    """Gathers what arrives within a few milliseconds into passes. Lives on the event loop; threads decode and compute.

    Attributes:
        queue: squares, oldest first.
        decoding: pictures on their way to the queue.
        working: passes that run now.
    """

    def __init__(self, classifier: Classifier, admission: Admission, metrics: Metrics) -> None:
        self.classifier, self.admission, self.metrics = classifier, admission, metrics
        self.queue: deque[Waiting] = deque()
        self.decoding = self.working = 0
        self.cores = torch.get_num_threads()
        self.lanes = min(LANES, self.cores) if classifier.device.type == "cpu" else 1
        self._changed = asyncio.Event()
        self._decoders = ThreadPoolExecutor(min(core_count(), MOST_DECODERS), "decode")
        self._computers = ThreadPoolExecutor(self.lanes, "compute")
        self._last_end = 0.0

    async def probs(self, name: str, data: bytes, views: int) -> Tensor:
        """The probabilities (K,) of one picture.

        Raises:
            HTTPException: as `square_of`.
        """
        self.decoding += 1
        try:
            await asyncio.sleep(0)  # threads would slow the loop, which has the refusals of this moment to send
            square = await asyncio.get_running_loop().run_in_executor(
                self._decoders, square_of, self.classifier, name, data, self.admission.limits
            )
            answer: asyncio.Future[Tensor] = asyncio.get_running_loop().create_future()
            self.queue.append(Waiting(square, views, answer))
        finally:
            self.decoding -= 1
            self._changed.set()
        return await answer

    async def run(self) -> None:
        """Answer until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._until(lambda: bool(self.queue) and self.working < self.lanes)
                    await self._gather()
                    batch = self._next()
                    self.working += 1
                    group.create_task(self._answer(batch, self._threads(batch)))
        finally:
            self._decoders.shutdown(wait=False, cancel_futures=True)
            self._computers.shutdown(wait=False, cancel_futures=True)

    async def warm_up(self) -> None:
        """Compile what can be, lay out the weights and learn the speed, before anybody waits for it."""
        if self.classifier.device.type == "cpu":
            compile_all()
        side = self.classifier.preprocessing.side
        for count in (1, 8, 8):
            squares = [np.zeros((side, side, 3), np.uint8)] * count
            started = time.perf_counter()
            await asyncio.get_running_loop().run_in_executor(self._computers, self._compute, squares, 1, self.cores)
        self.admission.learn(8, time.perf_counter() - started)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def _gather(self) -> None:
        """Wait for pictures that are on their way, as long as they are few and it is not too long."""
        try:
            async with asyncio.timeout(self.admission.limits.gather_s):
                await self._until(lambda: self.decoding == 0 or len(self.queue) >= VIEWS_PER_PASS)
        except TimeoutError:
            pass

    def _next(self) -> list[Waiting]:
        """The oldest pictures that want as many views as the first, and this lane's share of them."""
        views = self.queue[0].views
        share = math.ceil(len(self.queue) / (self.lanes - self.working))
        count = min(share, self.classifier.pictures_per_pass(views, VIEWS_PER_PASS))
        batch: list[Waiting] = []
        while self.queue and self.queue[0].views == views and len(batch) < count:
            batch.append(self.queue.popleft())
        return batch

    def _threads(self, batch: list[Waiting]) -> int:
        """Of a pass: all for one that is alone, else its lane's."""
        is_alone = self.working == 1 and not self.queue and not self.decoding and len(batch) * batch[0].views < 4
        return self.cores if is_alone else max(1, self.cores // self.lanes)

    async def _answer(self, batch: list[Waiting], threads: int) -> None:
        views, squares = batch[0].views, [each.square for each in batch]
        started = time.perf_counter()
        try:
            rows = await asyncio.get_running_loop().run_in_executor(
                self._computers, self._compute, squares, views, threads
            )
        except Exception as error:  # a bug of ours belongs to those who asked; the others go on
            for each in batch:
                each.fail(error)
        else:
            for each, row in zip(batch, rows, strict=True):
                each.succeed(row)
            self.metrics.passed(len(batch))
            self._learn(len(batch) * views, started)
        finally:
            self.working -= 1
            self._changed.set()

    def _learn(self, views: int, started: float) -> None:
        """Passes overlap: the time that counts is since the last one ended, if this one had begun by then."""
        now = time.perf_counter()
        self.admission.learn(views, now - max(started, self._last_end))
        self._last_end = now

    def _compute(self, squares: list[np.ndarray], views: int, threads: int) -> Tensor:
        if self.classifier.device.type == "cpu" and torch.get_num_threads() != threads:
            torch.set_num_threads(threads)  # of passes from this thread
        return self.classifier.probs(stacked(squares), views).cpu()
