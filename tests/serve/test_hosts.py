"""Pages from elsewhere cannot make a browser read what this server says."""

import socket
from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi")

from alexnet.serve.app import application
from alexnet.serve.hosts import LOOPBACK, Hosts
from oracles.classifiers import make_classifier
from oracles.running import running


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running(application(make_classifier(), hosts=(*LOOPBACK, "10.0.0.7", "Pets.example."))) as port:
        yield port


def status(port: int, host: str, version: str = "1.1") -> int:
    header = f"Host: {host}\r\n" if host else ""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(f"GET /healthz HTTP/{version}\r\n{header}Connection: close\r\n\r\n".encode())
        return int(client.recv(4096).split()[1])


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8000", "localhost.", "10.0.0.7:1",
     "pets.example:8000"],
)  # fmt: skip
def test_its_own_names_are_answered(port: int, host: str) -> None:
    assert status(port, host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "evil.example:8000", "127.0.0.1.evil.example", "127.0.0.2", "10.0.0.8",
     "evil.example:127.0.0.1", "localhost@evil.example", "[::2]", "localhost:x"],
)  # fmt: skip
def test_other_names_are_not(port: int, host: str) -> None:
    assert status(port, host) == 421


def test_no_name_at_all_is_none_of_its_own(port: int) -> None:
    assert status(port, "", "1.0") == 421


def test_a_server_on_all_addresses_takes_any_address_but_no_name() -> None:
    for everywhere in ("0.0.0.0", "::"):
        hosts = Hosts(lambda *_: None, (*LOOPBACK, everywhere))  # type: ignore[arg-type]
        assert hosts.knows("192.168.1.5:8000") and hosts.knows("[fe80::1]:8000") and not hosts.knows("evil.example")


def test_a_star_takes_all() -> None:
    assert Hosts(lambda *_: None, ("*",)).knows("anything.example:1")  # type: ignore[arg-type]
