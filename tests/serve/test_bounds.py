"""What a server refuses, how soon, and that it goes on answering others."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest

pytest.importorskip("fastapi")

from alexnet.inference import Classifier
from alexnet.serve.app import application
from alexnet.serve.limits import Limits
from oracles.classifiers import make_classifier
from oracles.running import ask, running
from oracles.uploads import boastful_png, encoded, multipart, png

LIMITS = Limits(body_bytes=200_000, waiting=16, waiting_bytes=250_000, receive_s=1.0, linger_s=5.0, connections=24)
HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n"
OFTEN = 300


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return make_classifier()


@pytest.fixture(scope="module")
def port(classifier: Classifier) -> Iterator[int]:
    with running(application(classifier, LIMITS), LIMITS) as port:
        yield port


@contextmanager
def connected(port: int, *sent: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        for each in sent:
            client.sendall(each)
        yield client


def everything(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def gauge(port: int, name: str) -> float:
    lines = ask(port, "GET", "/metrics")[2].decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"alexnet_queue_{name} "))


def wait_for(port: int, name: str, value: float) -> None:
    for _ in range(OFTEN):
        if gauge(port, name) == value:
            return
        time.sleep(0.01)
    raise AssertionError(f"{name} is {gauge(port, name)}, not {value}")


def test_an_upload_that_says_it_is_large_is_refused_unread(port: int) -> None:
    with connected(port, HEAD + b"Content-Length: 400000000\r\n\r\n") as client:
        assert client.recv(4096).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("is_chunked", [False, True])
def test_who_sends_all_before_looking_gets_to_read_the_refusal(port: int, is_chunked: bool) -> None:
    block = b"%x\r\n%b\r\n" % (2**16, bytes(2**16)) if is_chunked else bytes(2**16)
    header = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: 20000000"
    with connected(port, HEAD + header + b"\r\n\r\n", *[block] * 300) as client:
        assert everything(client).startswith(b"HTTP/1.1 413")
    wait_for(port, "bytes", 0)


def test_who_does_not_say_the_length_may_send_less(classifier: Classifier) -> None:
    limits, body = replace(LIMITS, unannounced_bytes=len(png(1))), png(1)
    head = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body)
    with running(application(classifier, limits), limits) as port:
        with connected(port, head, body, b"\r\n0\r\n\r\n") as client:
            assert everything(client).startswith(b"HTTP/1.1 200")
        with connected(port, head, body, b"\r\n1\r\nx\r\n0\r\n\r\n") as client:
            answer = everything(client)
            assert answer.startswith(b"HTTP/1.1 413") and b"without Content-Length" in answer


@pytest.mark.parametrize(
    "start", [b"", b"POST /v1/pre", HEAD + b"Content-Length: 9\r\n\r\nab", HEAD + b"Transfer-Encoding: chunked\r\n\r\n"]
)
def test_slow_sockets_are_closed_while_health_answers(port: int, start: bytes) -> None:
    with connected(port, start) as client:
        assert ask(port, "GET", "/healthz")[0] == 200
        said = everything(client)
        assert said == b"" if b"\r\n\r\n" not in start else said.startswith(b"HTTP/1.1 408")


def test_a_head_that_drips_is_closed(port: int) -> None:
    def drip(client: socket.socket) -> None:
        for letter in HEAD * 20:
            client.sendall(bytes([letter]))
            time.sleep(0.01)

    with connected(port) as client, pytest.raises(ConnectionError):
        drip(client)


def test_bodies_that_wait_are_bounded_in_bytes(port: int) -> None:
    body = HEAD + b"Content-Length: 199000\r\n\r\n"
    with connected(port, body, bytes(150_000)) as first:
        wait_for(port, "bytes", 150_000)
        with connected(port, body) as second:
            answer = second.recv(4096)
            assert answer.startswith(b"HTTP/1.1 503") and re.search(b"\r\nretry-after: [1-3]\r\n", answer)
        grown = b"%x\r\n%b\r\n" % (120_000, bytes(120_000))
        with connected(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", grown) as third:
            assert third.recv(4096).startswith(b"HTTP/1.1 503")
        assert ask(port, "POST", "/v1/predict", png(1))[0] == 200
        first.close()
    wait_for(port, "bytes", 0)


def test_slow_bodies_take_no_place_from_others(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(LIMITS.waiting):
            stack.enter_context(connected(port, HEAD + b"Content-Length: 9\r\n\r\nab"))
        wait_for(port, "bytes", 2 * LIMITS.waiting)
        assert ask(port, "POST", "/v1/predict", png(1))[0] == 200


def test_a_full_queue_says_when_to_come_again_and_empties(classifier: Classifier) -> None:
    body = multipart(*[("a.png", png(seed)) for seed in range(16)])
    head = (
        b"POST /v1/predict?views=10 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    with running(application(classifier, LIMITS), LIMITS) as port, connected(port, head + body) as client:
        answers: list[bytes] = []
        thread = threading.Thread(target=lambda: answers.append(everything(client)))
        thread.start()
        statuses = []
        while not answers:
            status, headers, _ = ask(port, "POST", "/v1/predict", png(1))
            statuses.append(status)
            assert status == 200 or headers["Retry-After"] in ("1", "2", "3")
        thread.join()
        assert len(json.loads(answers[0].split(b"\r\n\r\n", 1)[1])) == 16
        assert set(statuses) <= {200, 503} and 503 in statuses
        wait_for(port, "pictures", 0)
        assert ask(port, "POST", "/v1/predict", png(1))[0] == 200


def test_connections_are_bounded(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(LIMITS.connections):
            stack.enter_context(connected(port))
        with connected(port) as client:
            answer = everything(client)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503") and b"Retry-After: 1" in head
        assert len(body) == int(head.split(b"Content-Length: ")[1].split()[0]) and json.loads(body)
    for _ in range(OFTEN):
        with connected(port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") as client:
            if everything(client).startswith(b"HTTP/1.1 200"):
                return
        time.sleep(0.01)
    raise AssertionError("places of connections that ended are not given away again")


def test_pixels_are_counted_before_anything_is_decoded(classifier: Classifier) -> None:
    limits = replace(LIMITS, pixels=20_000)
    larger = [encoded(kind, 1, width=200, height=200) for kind in ("PNG", "JPEG")] + [boastful_png(9_000, 9_000)]
    with running(application(classifier, limits), limits) as port:
        assert [ask(port, "POST", "/v1/predict", body)[0] for body in larger] == [413] * 3
        assert ask(port, "POST", "/v1/predict", encoded("JPEG", 1, width=100, height=200))[0] == 200
