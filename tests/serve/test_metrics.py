"""What is counted, as Prometheus' own parser reads it."""

import socket
from dataclasses import replace

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

from prometheus_client.parser import text_string_to_metric_families

from alexnet.serve.app import application
from oracles.classifiers import make_classifier
from oracles.running import ask, running
from oracles.uploads import png

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(port: int) -> tuple[Samples, dict[str, str]]:
    """Values by name and labels, and the kinds of the metrics."""
    families = list(text_string_to_metric_families(ask(port, "GET", "/metrics")[2].decode()))
    found = {
        (each.name, tuple(sorted(each.labels.items()))): each.value for family in families for each in family.samples
    }
    return found, {family.name: family.type for family in families}


def count(found: Samples, route: str, status: int) -> float:
    return found["alexnet_http_requests_total", (("route", route), ("status", str(status)))]


def test_requests_are_counted_by_route_and_status() -> None:
    with running(application(make_classifier())) as port:
        for body in (png(1), png(2), b"no picture"):
            ask(port, "POST", "/v1/predict", body)
        for path in ("/healthz", "/v1/nothing-of-the-kind", "/v1/another"):
            ask(port, "GET", path)
        found, kinds = samples(port)
    assert (count(found, "/v1/predict", 200), count(found, "/v1/predict", 422)) == (2, 1)
    assert (count(found, "/healthz", 200), count(found, "other", 404)) == (1, 2)
    route = ("route", "/v1/predict")
    durations = [
        value
        for (name, labels), value in found.items()
        if name == "alexnet_http_request_duration_seconds_bucket" and route in labels
    ]
    assert durations == sorted(durations) and durations[-1] == 3
    assert found["alexnet_http_request_duration_seconds_count", (route,)] == 3
    assert 0 < found["alexnet_http_request_duration_seconds_sum", (route,)] < 60
    assert found["alexnet_batch_pictures_bucket", (("le", "1"),)] == found["alexnet_pictures_total", ()] == 2
    assert {name for name, kind in kinds.items() if kind == "gauge"} == {
        "alexnet_queue_pictures", "alexnet_queue_bytes", "alexnet_queue_wait_seconds", "alexnet_queue_jobs",
    }  # fmt: skip
    assert found["alexnet_queue_pictures", ()] == found["alexnet_queue_bytes", ()] == 0


def test_a_bug_of_ours_is_a_500_that_tells_nothing_of_the_inside() -> None:
    broken = replace(make_classifier(), labels=("ant",))  # a name for one class of seven
    with running(application(broken)) as port:
        status, _, body = ask(port, "POST", "/v1/predict?top=7", png(1))
        found, _ = samples(port)
    assert status == 500 and body == b'{"detail":"The server failed; its log says why."}'
    assert count(found, "/v1/predict", 500) == 1


def test_refused_names_count_too() -> None:
    with running(application(make_classifier(), hosts=("127.0.0.1",))) as port:
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 421")
        assert count(samples(port)[0], "other", 421) == 1
