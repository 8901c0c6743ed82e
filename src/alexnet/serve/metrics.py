"""What a server counts, in the text format that Prometheus reads.

Names and units follow https://prometheus.io/docs/practices/naming: base units, `_total` for counters.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
PICTURES = (1, 2, 4, 8, 16, 32, 64)
Labels = tuple[tuple[str, str], ...]
Gauges = dict[str, tuple[str, Callable[[], float]]]


class Histogram:
    """How often values were at most as large as each of some bounds."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def rows(self, name: str, labels: Labels) -> Iterator[str]:
        """Cumulative buckets, the sum and the count."""
        below = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            below += count
            yield row(f"{name}_bucket", below, (*labels, ("le", "+Inf" if bound == float("inf") else f"{bound:g}")))
        yield row(f"{name}_sum", round(self.sum, 6), labels)
        yield row(f"{name}_count", below, labels)


class Metrics:
    """The counts of one server. Lives on the event loop, so nothing is locked.

    Attributes:
        gauges: what is looked up when somebody asks: name -> (what it is, value).
    """

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.durations: dict[str, Histogram] = {}
        self.pictures = 0
        self.passes = Histogram(PICTURES)
        self.gauges: Gauges = {}

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request of a route as the application knows it, never as the client wrote it."""
        self.requests[route, status] += 1
        self.durations.setdefault(route, Histogram(SECONDS)).observe(seconds)

    def passed(self, pictures: int) -> None:
        """Count a pass through the network."""
        self.pictures += pictures
        self.passes.observe(pictures)

    def text(self) -> str:
        """Everything, a line each."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield from head("alexnet_http_requests_total", "counter", "Requests by route and status.")
        for (route, status), count in sorted(self.requests.items()):
            yield row("alexnet_http_requests_total", count, (("route", route), ("status", str(status))))
        yield from head("alexnet_http_request_duration_seconds", "histogram", "From a request's head to its answer.")
        for route, durations in sorted(self.durations.items()):
            yield from durations.rows("alexnet_http_request_duration_seconds", (("route", route),))
        yield from head("alexnet_pictures_total", "counter", "Pictures that went through the network.")
        yield row("alexnet_pictures_total", self.pictures)
        yield from head("alexnet_batch_pictures", "histogram", "Pictures in one pass through the network.")
        yield from self.passes.rows("alexnet_batch_pictures", ())
        for name, (what, value) in self.gauges.items():
            yield from head(name, "gauge", what)
            yield row(name, round(value(), 6))


def head(name: str, kind: str, what: str) -> tuple[str, str]:
    """The two lines before the samples of a metric."""
    return f"# HELP {name} {what}", f"# TYPE {name} {kind}"


def row(name: str, value: float, labels: Labels = ()) -> str:
    """One sample; values of labels are ours and need no escapes."""
    inside = ",".join(f'{key}="{text}"' for key, text in labels)
    return f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"
