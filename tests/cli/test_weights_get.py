"""`alexnet weights get`, from a real server in a thread."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alexnet.errors import DownloadFailed
from alexnet.weights.fetch import fetch
from alexnet.weights.registry import FILES, Checksum, KnownFile
from alexnet.weights.transfer import Limits
from oracles.file_server import FileServer, serving

Alexnet = Callable[..., Any]
CONTENT = bytes(range(256)) * 5000


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alexnet: Alexnet) -> Path:
    """An empty cache."""
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for variable in ("TORCH_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Serves what is known as "net"."""
    with serving(FileServer(CONTENT)) as told:
        checksum = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest())
        file = KnownFile("net", "net.npy", "npy", "bvlc", told.url, "https://example.org/net", checksum)
        monkeypatch.setitem(FILES, "net", file)
        yield told


def test_the_size_comes_first_and_the_place_is_the_result(alexnet: Alexnet, server: FileServer, home: Path) -> None:
    place = home / "weights" / "net.npy"
    first, second = alexnet("weights", "get", "net"), alexnet("weights", "get", "net")
    assert first.out == second.out == f"{place}\n"
    assert first.err.splitlines() == [
        f"net.npy: 1,280,000 bytes, from {server.url} to {place}", "net.npy: fetched, sha256 as published.",
    ]  # fmt: skip
    assert second.err == "net.npy: already here, sha256 as published.\n"
    assert place.read_bytes() == CONTENT


def test_what_is_already_here_is_said(alexnet: Alexnet, server: FileServer, home: Path) -> None:
    server.breaks = [500_000]
    with pytest.raises(DownloadFailed):
        fetch(FILES["net"], limits=Limits(len(CONTENT), attempts=1))
    assert "1,280,000 bytes, 500,000 of them already here" in alexnet("weights", "get", "net").err


def test_the_result_as_json(alexnet: Alexnet, server: FileServer, home: Path) -> None:
    place = str(home / "weights" / "net.npy")
    expected = {"name": "net", "file": "net.npy", "path": place, "fetched": True, "url": server.url}
    assert alexnet("weights", "get", "net", "--json").document == expected
    assert alexnet("weights", "get", "net", "--json").document == {**expected, "fetched": False}


def test_a_dry_run_asks_nobody(alexnet: Alexnet, server: FileServer, home: Path) -> None:
    answer = alexnet("weights", "get", "net", "--dry-run", "--json")
    assert answer.document["path"] is None
    assert "would be fetched from" in answer.err
    assert server.asked == []
    assert list(home.iterdir()) == []


def test_another_address_must_have_the_same_file(alexnet: Alexnet, server: FileServer) -> None:
    with serving(FileServer(CONTENT[::-1])) as mirror:
        answer = alexnet("weights", "get", "net", "--url", mirror.url)
    assert answer.code == 2
    assert f"what came from {mirror.url} is not net.npy: its sha256 is" in answer.err
    assert f"get it from {server.url}, put it at" in answer.err
    with serving(FileServer(CONTENT)) as mirror:
        assert alexnet("weights", "get", "net", "--url", mirror.url).code == 0
    assert server.asked == []


def test_a_failure_is_one_message(alexnet: Alexnet, server: FileServer) -> None:
    server.status = 404
    answer = alexnet("weights", "get", "net")
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert "answers 404 Not Found" in answer.err
    assert "To bring it from another machine: get it from" in answer.err


def test_an_unknown_name_is_a_mistake(alexnet: Alexnet) -> None:
    answer = alexnet("weights", "get", "torchvison")
    assert answer.code == 2
    assert "Did you mean torchvision?" in answer.err


def test_a_packaged_network_is_already_here(alexnet: Alexnet) -> None:
    from alexnet.weights.load import packaged

    for name in packaged():
        assert Path(alexnet("weights", "get", name).out.strip()).is_file()
        assert alexnet("weights", "get", name, "--dry-run", "--json").document["path"]


def test_a_dry_run_does_not_ask_the_hub(alexnet: Alexnet) -> None:
    answer = alexnet("weights", "get", "hf://me/net", "--dry-run")
    assert (answer.code, answer.out) == (0, "")
    assert "The hub would be asked for hf://me/net." in answer.err
