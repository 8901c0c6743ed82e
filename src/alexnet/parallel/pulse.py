"""What one process wants, all of them do, after the same step: to stop, to write a checkpoint."""

import time

from alexnet.parallel.team import Team

SECONDS = 0.25
MOST_STEPS = 100


class Pulse:
    """Asks the whole team a few times a second; a process alone is asked at every step.

    The ranks agree on the next time as they agree on the rest, so that no clock decides differently from another.
    """

    def __init__(self, team: Team) -> None:
        self.team = team
        self._steps = self._wait = 1
        self._asked_at = time.monotonic()

    def ask(self, *wishes: int) -> tuple[int, ...]:
        """The largest of each wish over the ranks, after this step; zeros where it is not yet time to ask.

        A collective: every rank calls it once a step.
        """
        if self.team.is_alone:
            return wishes
        self._wait -= 1
        if self._wait > 0:
            return (0,) * len(wishes)
        seconds = (time.monotonic() - self._asked_at) / self._steps
        fitting = int(min(MOST_STEPS, max(1.0, SECONDS / max(seconds, 1e-6))))
        *agreed, unfitting = self.team.largest(*wishes, -fitting)
        self._steps = self._wait = -unfitting
        self._asked_at = time.monotonic()
        return tuple(agreed)
