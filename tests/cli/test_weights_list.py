"""`alexnet weights list`."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Alexnet = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alexnet: Alexnet) -> Path:
    """An empty cache."""
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for variable in ("TORCH_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def test_every_known_file_has_a_line(alexnet: Alexnet) -> None:
    text = alexnet("weights", "list").out
    document = alexnet("weights", "list", "--json").document
    assert {"bvlc", "caffenet", "torchvision"} <= {each["name"] for each in document}
    assert all(any(line.startswith(f"{each['name']} ") for line in text.splitlines()) for each in document)


def test_what_is_here_is_said(alexnet: Alexnet, home: Path) -> None:
    there = home / "torch/hub/checkpoints/alexnet-owt-7be5be79.pth"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"")
    (torchvision,) = [each for each in alexnet("weights", "list", "--json").document if each["name"] == "torchvision"]
    assert torchvision["here"] == [{"cache": "TORCH_HOME", "path": str(there)}]
    line = next(line for line in alexnet("weights", "list").out.splitlines() if line.startswith("torchvision "))
    assert line.split()[-2:] == ["torch", "hub"]


def test_one_file_has_a_card(alexnet: Alexnet, home: Path) -> None:
    text = alexnet("weights", "list", "bvlc").out
    document = alexnet("weights", "list", "bvlc", "--json").document
    assert "sha1 9116a64c0fbe4459d18f4bb6b56d647b63920377" in text
    assert "top-1 42.90 %, top-5 19.80 %" in text
    assert document["checksum"] == {"algorithm": "sha1", "digest": "9116a64c0fbe4459d18f4bb6b56d647b63920377"}
    assert (document["params"], document["size_bytes"]) == (60_965_224, None)
    assert document["place"] == str(home / "weights" / "bvlc_alexnet.caffemodel")


def test_an_unknown_name_is_a_mistake(alexnet: Alexnet) -> None:
    answer = alexnet("weights", "list", "bvcl")
    assert (answer.code, answer.out) == (2, "")
    assert "Did you mean bvlc?" in answer.err


def test_packaged_networks_come_first(alexnet: Alexnet) -> None:
    first = alexnet("weights", "list", "--json").document[0]
    assert (first["kind"], first["here"][0]["cache"]) == ("packaged", "the package")
    path = Path(first["here"][0]["path"])
    assert first["checksum"]["digest"] == hashlib.sha256(path.read_bytes()).hexdigest()
    text = alexnet("weights", "list", first["name"]).out
    assert "comes with the package" in text
    assert str(path) in text
    assert "by hand" not in text


def test_the_table_fits_a_small_terminal(alexnet: Alexnet) -> None:
    assert max(len(line.rstrip()) for line in alexnet("weights", "list").out.splitlines()) <= 80
