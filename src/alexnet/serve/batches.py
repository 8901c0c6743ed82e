"""Pictures of several requests, through the network together."""

import asyncio
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from alexnet.inference import Classifier
from alexnet.inference.squares import stacked
from alexnet.serve.limits import Limits

VIEWS_PER_PASS = 64


@dataclass(frozen=True, eq=False)
class Waiting:
    """One square picture (S, S, 3) uint8 and who waits for its probabilities (K,)."""

    square: np.ndarray
    views: int
    answer: "asyncio.Future[Tensor]"


class Batches:
    """Gathers what arrives within a few milliseconds; one pass runs at a time."""

    def __init__(self, classifier: Classifier, limits: Limits) -> None:
        self.classifier = classifier
        self.limits = limits
        self.queue: asyncio.Queue[Waiting] = asyncio.Queue()
        self.passes = 0

    async def probs(self, square: np.ndarray, views: int) -> Tensor:
        """The probabilities (K,) of one picture."""
        answer: asyncio.Future[Tensor] = asyncio.get_running_loop().create_future()
        await self.queue.put(Waiting(square, views, answer))
        return await answer

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            first = await self.queue.get()
            await asyncio.sleep(self.limits.gather_s)
            batch = [first]
            while not self.queue.empty() and len(batch) < VIEWS_PER_PASS:
                batch.append(self.queue.get_nowait())
            for views in sorted({each.views for each in batch}):
                same = [each for each in batch if each.views == views]
                count = self.classifier.pictures_per_pass(views, VIEWS_PER_PASS)
                for start in range(0, len(same), count):
                    await self._answer(same[start : start + count], views)

    async def _answer(self, batch: list[Waiting], views: int) -> None:
        self.passes += 1
        try:
            images = stacked([each.square for each in batch])  # (B, 3, S, S)
            rows = await asyncio.to_thread(self.classifier.probs, images, views)
        except Exception as error:  # a bug of ours belongs to those who asked; the others go on
            for each in batch:
                if not each.answer.done():
                    each.answer.set_exception(error)
            return
        for each, row in zip(batch, rows, strict=True):
            if not each.answer.done():
                each.answer.set_result(row)
