import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from alexnet.lineages import LINEAGES
from alexnet.weights import registry
from alexnet.weights.export import write_weights
from oracles.caffe_files import alexnet as caffe_net
from oracles.caffe_files import binary
from oracles.narrow_nets import CLASSES, WIDTHS, arrays_of, lively, more_lineages, weights_of

from .conftest import Alexnet


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, lineage in more_lineages().items():
        monkeypatch.setitem(LINEAGES, name, lineage)


def caffemodel(folder: Path, *, pool_first: bool) -> Path:
    model = lively("narrow-caffenet" if pool_first else "narrow-bvlc")
    path = folder / "net.caffemodel"
    path.write_bytes(binary(caffe_net(WIDTHS, CLASSES, pool_first=pool_first), arrays_of(model), "V1"))
    return path


@pytest.mark.parametrize("pool_first", [False, True])
def test_a_caffemodel_tells_its_own_order_and_its_facts_their_sources(
    alexnet: Alexnet, tmp_path: Path, pool_first: bool
) -> None:
    path = caffemodel(tmp_path, pool_first=pool_first)
    document = alexnet("weights", "info", path, "--json").document
    facts = document["facts"]
    assert facts["lineage"] == {"value": "narrow-caffenet" if pool_first else "narrow-bvlc", "source": "the file"}
    assert facts["order"] == {"value": "BGR", "source": "Caffe's convention"}
    assert facts["range"]["value"] == 255 and facts["flatten"]["value"] == "CHW" and facts["classes"]["value"] == 10
    assert "for want of the file's own" in facts["mean"]["source"]
    assert facts["format"]["value"] == "caffemodel (V1, of 2014)"
    assert document["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert document["size_bytes"] == path.stat().st_size
    assert document["published_as"] is None
    assert document["params"] == sum(array.size for array in arrays_of(lively("narrow-bvlc")).values())


def test_layers_are_told_as_they_lie_in_the_file(alexnet: Alexnet, tmp_path: Path) -> None:
    weights = weights_of(lively("narrow-torchvision"))
    write_weights(weights, tmp_path / "net.pth")
    write_weights(weights, tmp_path / "net.npy")
    torch_layers = alexnet("weights", "info", tmp_path / "net.pth", "--json").document["layers"]
    assert torch_layers[0] == {
        "name": "conv1",
        "name_in_file": "features.0",
        "weight": {"shape": [16, 3, 11, 11], "dtype": "float32", "axes": "OIHW"},
        "bias": {"shape": [16], "dtype": "float32", "axes": "O"},
    }
    asked = ["--lineage", "narrow-torchvision", "--json"]
    npy_layers = alexnet("weights", "info", tmp_path / "net.npy", *asked).document["layers"]
    assert npy_layers[0]["name"] == "conv1"
    assert npy_layers[0]["weight"] == {"shape": [11, 11, 3, 16], "dtype": "float32", "axes": "HWIO"}


def test_what_a_file_cannot_tell_is_an_open_question_and_no_error(alexnet: Alexnet, tmp_path: Path) -> None:
    write_weights(weights_of(lively("bvlc")), tmp_path / "bvlc_alexnet.npy")
    answer = alexnet("weights", "info", tmp_path / "bvlc_alexnet.npy")
    assert answer.code == 0
    assert "not settled" in answer.out and "caffe-tensorflow's convention" in answer.out
    assert "--lineage bvlc or --lineage caffenet" in answer.err
    told = alexnet("weights", "info", tmp_path / "bvlc_alexnet.npy", "--lineage", "bvlc", "--json").document
    assert told["facts"]["lineage"] == {"value": "bvlc", "source": "as asked"} and told["open_question"] == ""


def test_a_published_file_is_known_by_its_checksum_whatever_it_is_called(
    alexnet: Alexnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = caffemodel(tmp_path, pool_first=False)
    sha1 = registry.Checksum("sha1", hashlib.sha1(path.read_bytes()).hexdigest())
    known = replace(registry.FILES["bvlc"], checksum=sha1)
    monkeypatch.setitem(registry.FILES, "bvlc", known)
    answer = alexnet("weights", "info", path.rename(tmp_path / "renamed.bin"))
    assert f"The published bvlc_alexnet.caffemodel, by its {sha1}" in answer.out


def test_files_of_ours_say_everything_themselves(alexnet: Alexnet, tmp_path: Path) -> None:
    weights = weights_of(lively("tiny"), labels=tuple("abcdefghij"))
    halved = replace(weights, tensors={name: tensor.half() for name, tensor in weights.tensors.items()})
    write_weights(halved, tmp_path / "net.safetensors")
    answer = alexnet("weights", "info", tmp_path / "net.safetensors")
    assert answer.code == 0 and "float16" in answer.out and "RGB" in answer.out
    assert {line.split("  ")[0] for line in answer.out.splitlines()} >= {"colours", "mean, RGB", "map to fc", "fc8"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        (b"", "it is empty"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
    ],
)
def test_what_is_no_file_of_weights_is_called_what_it_is(
    alexnet: Alexnet, tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "net.caffemodel").write_bytes(content)
    answer = alexnet("weights", "info", tmp_path / "net.caffemodel")
    assert answer.code == 2 and says in answer.err


def test_caffenets_order_asked_of_bvlcs_weights_is_an_error_that_names_the_difference(
    alexnet: Alexnet, tmp_path: Path
) -> None:
    path = caffemodel(tmp_path, pool_first=False)
    answer = alexnet("weights", "info", path, "--lineage", "narrow-caffenet")
    assert answer.code == 2
    assert "has LRN" in answer.err and "narrow-caffenet has max pooling" in answer.err


def test_weights_of_onnx_outside_the_file_are_not_read_unless_a_folder_is_named(
    alexnet: Alexnet, tmp_path: Path
) -> None:
    import onnx

    write_weights(weights_of(lively("tiny")), tmp_path / "inside.onnx")
    model = onnx.load(tmp_path / "inside.onnx")
    onnx.save_model(model, tmp_path / "net.onnx", save_as_external_data=True, location="net.bin", size_threshold=0)
    answer = alexnet("weights", "info", tmp_path / "net.onnx")
    assert answer.code == 2 and "net.bin" in answer.err and "--external" in answer.err
    assert alexnet("weights", "info", tmp_path / "net.onnx", "--external", tmp_path).code == 0


def test_the_packaged_network_says_how_its_numbers_are_packed(alexnet: Alexnet) -> None:
    document = alexnet("weights", "info", "tiny200", "--json").document
    dtypes = {layer["name"]: layer["weight"]["dtype"] for layer in document["layers"]}
    assert dtypes["conv1"] == "int8" and dtypes["fc6"].startswith("int8, rank ")
    assert document["layers"][5]["weight"]["shape"] == [4096, 9216]
