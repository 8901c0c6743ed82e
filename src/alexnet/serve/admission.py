"""Who may wait: as many pictures as will be answered in time, and as many bytes as memory is meant to hold."""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle

from starlette.exceptions import HTTPException

from alexnet.serve.limits import Limits
from alexnet.serve.metrics import Gauges

LATEST = 0.2
"""Weight of the latest pass in the speed of late."""
TURNS = 3
KEPT_S = 0.25


class Admission:
    """What waits and how fast it goes away. Lives on the event loop, so nothing is locked.

    Attributes:
        pictures: accepted and not yet answered.
        views: of those pictures; ten views are ten times the work.
        body_bytes: of requests whose bodies arrive or wait.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.pictures = self.views = self.body_bytes = 0
        self._coming = 0
        self._turns = cycle(range(TURNS))
        self._done: tuple[float, float] = (0.0, 0.0)  # seconds of work and views, older ones fading

    @property
    def view_s(self) -> float:
        """Seconds from one answered view to the next while there is work; 0 before the first."""
        seconds, views = self._done
        return seconds / views if views else 0.0

    @property
    def wait_s(self) -> float:
        """How long the next picture would wait."""
        return (self.views + self._coming) * self.view_s

    def learn(self, views: int, seconds: float) -> None:
        """Take in that `views` more were answered in so many seconds of work."""
        self._done = (self._done[0] * (1 - LATEST) + seconds, self._done[1] * (1 - LATEST) + views)

    def gauges(self) -> Gauges:
        """What waits, for `Metrics`."""
        return {
            "alexnet_queue_pictures": ("Pictures accepted and not yet answered.", lambda: self.pictures),
            "alexnet_queue_bytes": ("Bytes of bodies that arrive or wait.", lambda: self.body_bytes),
            "alexnet_queue_wait_seconds": ("How long the next picture would wait.", lambda: self.wait_s),
        }

    def require_room(self) -> None:
        """Refuse who would wait too long, before a byte of the body is read.

        Raises:
            HTTPException: 503 with Retry-After.
        """
        is_slow = self.wait_s >= self.limits.wait_s and self.views + self._coming >= self.limits.few_views
        if is_slow or self.pictures >= self.limits.waiting:
            raise self._refusal("Too many pictures wait.")

    @contextmanager
    def expecting(self, views: int) -> Iterator[None]:
        """Keep a place for one picture whose body arrives inside, unless that takes long.

        Of many who come at once, most are refused by their heads; and whoever sends slowly takes no place from others.

        Raises:
            HTTPException: 503 with Retry-After: there is no room.
        """
        self.require_room()
        place = Place(self, views)
        timer = asyncio.get_running_loop().call_later(KEPT_S, place.leave)
        try:
            yield
        finally:
            timer.cancel()
            place.leave()

    @contextmanager
    def waiting(self, pictures: int, views: int) -> Iterator[None]:
        """Count `pictures` of `views` each as waiting, inside.

        Raises:
            HTTPException: 503 with Retry-After: those before them take too long, or they are too many.
        """
        self.require_room()
        if self.pictures and self.pictures + pictures > self.limits.waiting:
            raise self._refusal("Too many pictures wait.")
        self.pictures += pictures
        self.views += pictures * views
        try:
            yield
        finally:
            self.pictures -= pictures
            self.views -= pictures * views

    @contextmanager
    def body(self, announced: int) -> Iterator["Body"]:
        """Count the bytes of one body, inside, as they come.

        Args:
            announced: the body's length where the client says it, else 0; refused at once if it cannot be held now.

        Raises:
            HTTPException: 503 with Retry-After.
        """
        if self.body_bytes + announced > self.limits.waiting_bytes:
            raise self._refusal("Too many bytes wait.")
        body = Body(self)
        try:
            yield body
        finally:
            self.body_bytes -= body.size

    def _refusal(self, why: str) -> HTTPException:
        """They come again in turns: all at once they would wait for each other's refusals."""
        seconds = max(1, math.ceil(self.wait_s)) + next(self._turns)
        return HTTPException(503, f"{why} Try again.", {"Retry-After": str(seconds)})


class Place:
    """Views that count as coming until they leave."""

    def __init__(self, admission: Admission, views: int) -> None:
        self._admission, self._views = admission, views
        admission._coming += views

    def leave(self) -> None:
        """Count them no longer; again, it does nothing."""
        self._admission._coming -= self._views
        self._views = 0


class Body:
    """The bytes of one request that count as waiting."""

    def __init__(self, admission: Admission) -> None:
        self.size, self.limits = 0, admission.limits
        self._admission = admission

    def grow(self, size: int) -> None:
        """Count `size` more bytes.

        Raises:
            HTTPException: 503 with Retry-After: with those of others they are too many.
        """
        admission = self._admission
        if admission.body_bytes + size > admission.limits.waiting_bytes:
            raise admission._refusal("Too many bytes wait.")
        admission.body_bytes += size
        self.size += size
