"""`hf://owner/name` against a hub on this machine."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from alexnet.cli.app import app
from alexnet.errors import DownloadFailed, UnreadableWeights, UsageError
from alexnet.weights import Weights, load, save
from alexnet.weights.export import write_weights
from alexnet.weights.hub import Address, parse
from oracles.hub_server import Files, Hub, hub_of

pytest.importorskip("huggingface_hub")
MODEL = "model.safetensors"


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test alone."""
    for variable in ("HF_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path


def files_of(weights: Weights, folder: Path) -> Files:
    """What `save` writes, as the files of a repository."""
    return {path.name: path.read_bytes() for path in save(weights, folder).iterdir()}


@pytest.fixture
def hub(make_weights: Callable[..., Weights], root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """One repository of ours in two states."""
    states = {name: files_of(make_weights(seed), root / name) for seed, name in enumerate(("main", "v1", "refs/pr/1"))}
    with hub_of({"me/net": states}) as told:
        monkeypatch.setenv("HF_ENDPOINT", told.url)
        yield told


def test_addresses_are_read_as_people_write_them() -> None:
    assert parse("hf://me/net") == Address("me/net", "main", "")
    assert parse("hf://me/net@v1.0") == Address("me/net", "v1.0", "")
    assert parse("hf://me/net@refs%2Fpr%2F1/a/b.npy") == Address("me/net", "refs/pr/1", "a/b.npy")
    for text in ("hf://", "hf://me", "hf:///net", "hf://me/net@", "hf://me/../net", "hf://me/net@../x", "hf://a b/c"):
        with pytest.raises(UsageError, match="is no address on the hub"):
            load(text)


@pytest.mark.parametrize(("address", "seed"), [("", 0), ("@v1", 1), ("@refs%2Fpr%2F1", 2), (f"@v1/{MODEL}", 1)])
def test_a_repository_in_its_state_is_loaded(
    hub: Hub, make_weights: Callable[..., Weights], address: str, seed: int
) -> None:
    found, expected = load(f"hf://me/net{address}"), make_weights(seed)
    assert torch.equal(found.tensors["fc6.weight"], expected.tensors["fc6.weight"])
    assert (found.labels, found.preprocessing) == (expected.labels, expected.preprocessing)


def test_nothing_but_the_weights_is_fetched_and_that_once(hub: Hub) -> None:
    load("hf://me/net")
    first = list(hub.asked)
    load("hf://me/net")
    assert {line.rpartition("/")[2] for line in first} == {"", MODEL}
    assert sum(line.startswith("GET") for line in hub.asked) == 1


def test_a_new_state_is_seen(hub: Hub, make_weights: Callable[..., Weights]) -> None:
    before = load("hf://me/net").tensors["fc6.weight"]
    hub.repositories["me/net"]["main"] = hub.repositories["me/net"]["v1"]
    assert not torch.equal(load("hf://me/net").tensors["fc6.weight"], before)


def test_without_the_hub_the_cache_is_taken_and_that_is_said(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load("hf://me/net").tensors["fc6.weight"]
    hub.gone = True
    assert torch.equal(load("hf://me/net").tensors["fc6.weight"], expected)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    assert torch.equal(load("hf://me/net").tensors["fc6.weight"], expected)


def test_without_hub_and_cache_the_way_by_hand_is_said(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        DownloadFailed, match=r"hf://me/net cannot be fetched: .*`hf download me/net`.* name the folder"
    ):
        load("hf://me/net")


@pytest.mark.parametrize("address", ["hf://you/net", "hf://me/net@v9", "hf://me/-net-"])
def test_what_is_not_there_is_said(hub: Hub, address: str) -> None:
    with pytest.raises(UsageError, match="no such repository or revision, or it is not public"):
        load(address)


def test_the_one_file_of_a_foreign_repository_is_found(hub: Hub, weights: Weights, root: Path) -> None:
    write_weights(weights, root / "net.pth")
    hub.repositories["me/old"] = {"main": {"README.md": b"hello", "weights/net.pth": (root / "net.pth").read_bytes()}}
    found = load("hf://me/old")
    assert torch.equal(found.tensors["fc6.weight"], weights.tensors["fc6.weight"])
    hub.gone = True
    assert load("hf://me/old").labels == ()


def test_several_files_must_be_named(hub: Hub) -> None:
    hub.repositories["me/many"] = {"main": {"a.onnx": b"1", "b.pth": b"2"}}
    with pytest.raises(UsageError, match=r"several files of weights\. Name one: hf://me/many/a\.onnx, hf://me/many/b"):
        load("hf://me/many")
    with pytest.raises(UsageError, match=r"no such file\. The repository has a\.onnx, b\.pth"):
        load("hf://me/many/c.pth")
    with pytest.raises(UnreadableWeights, match=r"a\.onnx"):
        load("hf://me/many/a.onnx")


def test_a_repository_without_weights_is_refused(hub: Hub) -> None:
    hub.repositories["me/none"] = {"main": {"README.md": b"hello"}}
    with pytest.raises(UnreadableWeights, match="has no file of weights that can be read"):
        load("hf://me/none")


def test_without_the_package_the_cache_or_the_line_that_installs_it(hub: Hub) -> None:
    load("hf://me/net")
    script = (
        "import sys; sys.modules['huggingface_hub'] = None\n"
        "from alexnet.errors import MissingExtra\nfrom alexnet.weights import load\n"
        "assert load('hf://me/net').lineage.name == 'tiny'\n"
        "try: load('hf://me/net@v1')\n"
        "except MissingExtra as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "huggingface-hub is not installed. Install it with: pip install 'alexnet[hub]'\n"


def test_weights_get_fetches_from_the_hub_too(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        app(["weights", "get", "hf://me/net@v1"])
    assert end.value.code == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.read_bytes() == hub.repositories["me/net"]["v1"][MODEL]
    hub.gone = True
    assert load("hf://me/net@v1").lineage.name == "tiny"
