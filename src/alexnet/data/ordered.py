"""Work shared out to threads, its results in the order of the work: the same whatever the number of threads.

Decoding, resizing and numpy release the interpreter's lock, so threads use all cores without copying a picture.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


MAX_WORKERS = 16  # unless told otherwise: each holds a decoded picture, a few hundred MB for photographs on 16


def core_count() -> int:
    """Cores for this process: a container or a batch system may limit them, and torchrun's processes share them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def ordered_map(function: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """Yield `function(item)` for each item, in order, with a bounded number of results waiting.

    `workers` is a number of threads, by default one for each core, 16 at most. Two results for each are under way at
    most, so memory stays flat.
    """
    workers = workers or min(core_count(), MAX_WORKERS)
    remaining = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        try:
            waiting: deque[Future[R]] = deque(pool.submit(function, item) for item in islice(remaining, 2 * workers))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(function, item) for item in islice(remaining, 1))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)  # what nobody will read need not be made
