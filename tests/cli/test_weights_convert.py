from pathlib import Path

import pytest
import torch

from alexnet.lineages import LINEAGES, weighted
from alexnet.weights import Weights, load
from alexnet.weights.export import SUFFIXES, write_weights
from oracles.caffe_files import mean_file
from oracles.narrow_nets import arrays_of, lively, more_lineages, weights_of
from oracles.theano_files import as_theano, zipped

from .conftest import Alexnet

KINDS = [*SUFFIXES, "/"]  # "/": a folder
LABELS = tuple("abcdefghij")


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, lineage in more_lineages().items():
        monkeypatch.setitem(LINEAGES, name, lineage)


def target(folder: Path, stem: str, kind: str) -> Path:
    return folder / (stem if kind == "/" else f"{stem}{kind}")


def options(kind: str) -> list[str]:
    return ["--format", "folder"] if kind == "/" else []


def assert_same(found: Weights, expected: Weights, *, turned: bool = False) -> None:
    first = f"{weighted(expected.lineage)[0]}.weight"
    assert found.tensors.keys() == expected.tensors.keys()
    for name, tensor in expected.tensors.items():
        wanted = tensor.flip(1) if turned and name == first else tensor
        assert torch.equal(found.tensors[name], wanted), name


@pytest.mark.parametrize("there", KINDS)
@pytest.mark.parametrize("back", KINDS)
@pytest.mark.parametrize("lineage", ["narrow-wide", "tiny"])
def test_from_any_kind_to_any_kind_and_back_no_bit_changes(
    alexnet: Alexnet, tmp_path: Path, lineage: str, there: str, back: str
) -> None:
    weights = weights_of(lively(lineage), labels=LABELS)
    write_weights(weights, tmp_path / "start.safetensors")
    paths = [tmp_path / "start.safetensors", *(target(tmp_path, f"step{n}", k) for n, k in enumerate((there, back)))]
    for source, path, kind in zip(paths, paths[1:], (there, back), strict=False):
        asked = ["--lineage", lineage] if source.suffix in (".npy", ".pth", ".caffemodel") else []
        answer = alexnet("weights", "convert", source, path, *options(kind), *asked)
        assert answer.code == 0, answer.err
    found = load(paths[-1], lineage)
    turned = found.preprocessing.order != weights.preprocessing.order
    assert turned == (lineage == "tiny" and {there, back} & {".npy", ".caffemodel"} != set() and back_keeps(back))
    assert_same(found, weights, turned=turned)


def back_keeps(back: str) -> bool:
    """Whether a file of this kind stays BGR: bare torch files are fed as their lineage is."""
    return back != ".pth"


@pytest.mark.parametrize(
    "kinds", [[".npy", ".caffemodel"], pytest.param([".pth", ".onnx", "/", ".npy", ".pth"], marks=pytest.mark.slow)]
)
def test_bvlc_at_full_size_goes_round_to_the_same_bits(alexnet: Alexnet, tmp_path: Path, kinds: list[str]) -> None:
    weights = weights_of(lively("bvlc"))
    source = tmp_path / "0.safetensors"
    write_weights(weights, source)
    for step, kind in enumerate(kinds, start=1):
        path = target(tmp_path, str(step), kind)
        asked = ["--lineage", "bvlc"] if source.suffix in (".npy", ".pth") else []
        assert alexnet("weights", "convert", source, path, *options(kind), *asked).code == 0
        source = path
    assert_same(load(source, "bvlc"), weights)


def test_what_is_there_is_replaced_only_when_told(alexnet: Alexnet, tmp_path: Path) -> None:
    write_weights(weights_of(lively("narrow-bvlc")), tmp_path / "a.safetensors")
    for there in ("b.caffemodel", "b.prototxt"):  # the file beside counts too
        (tmp_path / there).write_text("mine")
        answer = alexnet("weights", "convert", tmp_path / "a.safetensors", tmp_path / "b.caffemodel")
        assert answer.code == 2 and f"{there} exists already" in answer.err and "--force" in answer.err
        assert (tmp_path / there).read_text() == "mine"
        (tmp_path / there).unlink()
    (tmp_path / "b.caffemodel").write_text("mine")
    assert alexnet("weights", "convert", tmp_path / "a.safetensors", tmp_path / "b.caffemodel", "--force").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "b.caffemodel", "b.prototxt"]


def test_a_file_may_be_replaced_by_what_it_is_converted_to(alexnet: Alexnet, tmp_path: Path) -> None:
    weights = weights_of(lively("narrow-bvlc"))
    write_weights(weights, tmp_path / "net", "npy")
    asked = ["--lineage", "narrow-bvlc", "--format", "safetensors", "--force"]
    assert alexnet("weights", "convert", tmp_path / "net", tmp_path / "net", *asked).code == 0
    assert_same(load(tmp_path / "net"), weights)


def test_what_a_torch_file_cannot_hold_is_printed(alexnet: Alexnet, tmp_path: Path) -> None:
    weights = weights_of(lively("narrow-bvlc"), labels=LABELS)
    write_weights(weights, tmp_path / "a.safetensors")
    answer = alexnet("weights", "convert", tmp_path / "a.safetensors", tmp_path / "b.pth")
    for said in ("names of the 10 classes", "mean that is subtracted", "--lineage narrow-bvlc", "the same bits"):
        assert said in answer.out
    document = alexnet("weights", "convert", tmp_path / "a.safetensors", tmp_path / "c.pth", "--json").document
    assert document["format"] == "pth" and len(document["lost"]) == 3 and not document["turned"]


def test_safetensors_hold_everything_and_name_their_source(alexnet: Alexnet, tmp_path: Path) -> None:
    weights = weights_of(lively("narrow-bvlc"))
    write_weights(weights, tmp_path / "a.caffemodel")
    (tmp_path / "names.txt").write_text("\n".join(LABELS))
    image = torch.rand(80, 80, 3, generator=torch.Generator().manual_seed(0)).numpy() * 255
    (tmp_path / "mean.binaryproto").write_bytes(mean_file(image))
    more = ["--classes", tmp_path / "names.txt", "--mean", tmp_path / "mean.binaryproto"]
    answer = alexnet("weights", "convert", tmp_path / "a.caffemodel", tmp_path / "b.safetensors", *more)
    assert answer.code == 0 and "Not held" not in answer.out
    found = load(tmp_path / "b.safetensors")
    assert found.labels == LABELS
    assert found.preprocessing.mean_image is not None and (found.preprocessing.mean_image == image).all()
    info = alexnet("weights", "info", tmp_path / "a.caffemodel", "--json").document
    assert found.provenance["source_sha256"] == info["sha256"]
    for name in ("b.safetensors", "c.onnx"):  # ONNX keeps the image's three means, and a record made with them
        if name == "c.onnx":
            assert alexnet("weights", "convert", tmp_path / "b.safetensors", tmp_path / name).code == 0
        facts = alexnet("weights", "info", tmp_path / name, "--json").document["facts"]
        assert facts["source"]["value"] == "a.caffemodel" and facts["source_sha256"]["value"] == info["sha256"]
        assert "OpenCV" in facts["record"]["value"] or name == "c.onnx"
        verified = alexnet("weights", "verify", tmp_path / name, "--json").document
        assert verified["agrees"] and len(verified["comparisons"]) == 2


def test_an_unknown_kind_lists_those_that_there_are(alexnet: Alexnet, tmp_path: Path) -> None:
    write_weights(weights_of(lively("narrow-bvlc")), tmp_path / "a.caffemodel")
    for more in ([tmp_path / "b.h5"], [tmp_path / "b.npy", "--format", "keras"]):
        answer = alexnet("weights", "convert", tmp_path / "a.caffemodel", *more)
        assert answer.code == 2 and "caffemodel" in answer.err and "onnx" in answer.err
    assert not list(tmp_path.glob("b.*"))


def test_a_kind_that_cannot_hold_the_lineage_says_so_and_leaves_nothing(alexnet: Alexnet, tmp_path: Path) -> None:
    write_weights(weights_of(lively("narrow-owt")), tmp_path / "a.safetensors")
    answer = alexnet("weights", "convert", tmp_path / "a.safetensors", tmp_path / "b.caffemodel")
    assert answer.code == 2 and "Caffe cannot compute lineage narrow-owt" in answer.err
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_what_reading_changes_is_printed(alexnet: Alexnet, tmp_path: Path) -> None:
    zipped(tmp_path / "net.zip", as_theano(arrays_of(lively("narrow-theano"))))
    asked = ["--lineage", "narrow-theano"]
    answer = alexnet("weights", "convert", tmp_path / "net.zip", tmp_path / "a.safetensors", *asked)
    assert answer.code == 0 and "Changed: fc7.weight, fc8.weight times 0.5" in answer.out
    doubled = {name: tensor.double() for name, tensor in lively("tiny").state_dict().items()}
    torch.save(doubled, tmp_path / "double.pth")
    asked = ["--lineage", "tiny", "--json"]
    document = alexnet("weights", "convert", tmp_path / "double.pth", tmp_path / "b.npy", *asked).document
    assert document["changed"] == ["float64 rounded to float32"]


def test_how_sharp_pictures_may_be_goes_along_or_is_said_to_be_lost(alexnet: Alexnet, tmp_path: Path) -> None:
    write_weights(weights_of(lively("tiny"), detail=32), tmp_path / "a.safetensors")
    for name in ("b.onnx", "c.safetensors"):
        source = tmp_path / ("a.safetensors" if name == "b.onnx" else "b.onnx")
        assert alexnet("weights", "convert", source, tmp_path / name).code == 0
        assert load(tmp_path / name).preprocessing.detail == 32
        assert alexnet("weights", "verify", tmp_path / name).code == 0
    answer = alexnet("weights", "convert", tmp_path / "c.safetensors", tmp_path / "d.npy")
    assert "sharper pictures are brought to 32x32 first" in answer.out
