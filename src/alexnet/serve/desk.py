"""What the routes share: the network, its queue, how much may be asked, and what was."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException

from alexnet.inference import Classifier
from alexnet.inference.index import Index
from alexnet.serve.batches import Batches
from alexnet.serve.jobs import Jobs
from alexnet.serve.limits import Limits


class Desk:
    """Counts the pictures of all requests and refuses those beyond the limits."""

    def __init__(self, classifier: Classifier, limits: Limits, index: Index | None = None) -> None:
        self.classifier = classifier
        self.limits = limits
        self.index = index
        self.batches = Batches(classifier, limits)
        self.counts: Counter[str] = Counter()
        self.jobs = Jobs(limits, self.counts)

    def admit(self, more: int) -> None:
        """Count `more` pictures as waiting.

        Raises:
            HTTPException: 503, where too many wait.
        """
        if self.counts["waiting"] + more > self.limits.waiting:
            self.counts["refused"] += 1
            raise HTTPException(503, "Too many pictures wait. Try again.", {"Retry-After": "1", "Connection": "close"})
        self.counts["waiting"] += more

    @contextmanager
    def waiting(self) -> Iterator["Held"]:
        """One picture waits from here on; `more` may join it, and all leave together."""
        self.admit(1)
        held = Held(self)
        try:
            yield held
        finally:
            self.counts["waiting"] -= held.count


class Held:
    """The pictures of one request."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.count = 1

    def grow(self, count: int) -> None:
        """They turn out to be `count`.

        Raises:
            HTTPException: 503, where those are too many.
        """
        self.desk.admit(count - self.count)
        self.count = count
