"""A loader with a mistake in it: the other program reads the original file, so that the file alone gives it away."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from alexnet.lineages import find
from alexnet.lineages.spec import Norm, Order
from alexnet.weights import Weights
from alexnet.weights.export import write_weights
from alexnet.weights.opened import Opened, open_weights
from alexnet.weights.proof.engines import ENGINES, obstacle
from alexnet.weights.proof.feed import fed, square_picture
from alexnet.weights.proof.record import record, recorded
from alexnet.weights.proof.stages import our_stages
from alexnet.weights.proof.verify import verify
from oracles import python2_pickle
from oracles.caffe_files import alexnet as caffe_net
from oracles.caffe_files import binary
from oracles.lively import relative_error
from oracles.matconvnet_files import matconvnet
from oracles.naive_net import NETS
from oracles.narrow_nets import CLASSES, WIDTHS, arrays_of, lively, weights_of
from oracles.tensorflow_files import as_tensorflow

WIDE = "narrow-wide"


def caffemodel(folder: Path) -> Path:
    path = folder / "net.caffemodel"
    path.write_bytes(binary(caffe_net(WIDTHS, CLASSES, pool_first=False), arrays_of(lively(WIDE)), "V2"))
    return path


def npy(folder: Path) -> Path:
    path = folder / "bvlc_alexnet.npy"
    path.write_bytes(python2_pickle.npy(as_tensorflow(arrays_of(lively(WIDE)))))
    return path


def mat(folder: Path) -> Path:
    pytest.importorskip("scipy.io").savemat(folder / "net.mat", matconvnet(arrays_of(lively(WIDE)), size=99))
    return folder / "net.mat"


def onnx(folder: Path) -> Path:
    write_weights(weights_of(lively(WIDE)), folder / "net.onnx")
    return folder / "net.onnx"


ORIGINALS = {"caffemodel": caffemodel, "npy": npy, "mat": mat, "onnx": onnx}


def original(kind: str, folder: Path) -> Opened:
    return open_weights(ORIGINALS[kind](folder), WIDE)


def not_re_wired(weights: Weights) -> Weights:
    """fc6 as it comes out of a file of channels last, transposed and nothing more."""
    arrays = {name: tensor.numpy() for name, tensor in weights.tensors.items()}
    matrix = torch.from_numpy(as_tensorflow(arrays)["fc6"][0].T.copy())
    return replace(weights, tensors=weights.tensors | {"fc6.weight": matrix})


def rgb_for_bgr(weights: Weights) -> Weights:
    other: Order = "RGB" if weights.preprocessing.order == "BGR" else "BGR"
    return replace(weights, preprocessing=replace(weights.preprocessing, order=other))


def swapped(weights: Weights) -> Weights:
    return replace(weights, lineage=find("narrow-caffenet-wide"))


def undivided(weights: Weights) -> Weights:
    rows = [replace(row, alpha=5 * row.alpha) if isinstance(row, Norm) else row for row in weights.lineage.layers]
    return replace(weights, lineage=replace(weights.lineage, layers=tuple(rows)))


MISTAKES: dict[str, tuple[Callable[[Weights], Weights], str]] = {
    "flatten": (not_re_wired, "fc6"),
    "colours": (rgb_for_bgr, "conv1"),
    "pool_and_lrn": (swapped, "norm1"),
    "alpha": (undivided, "norm1"),
}


@pytest.mark.parametrize("kind", ORIGINALS)
def test_a_loader_without_mistakes_agrees_and_would_have_been_caught(kind: str, tmp_path: Path) -> None:
    found = verify(original(kind, tmp_path))
    assert found.failed is None and not found.causes
    assert found.controls.keys() == {"colours", "range", "mean", "pool_and_lrn", "alpha", "k", "flatten", "dropout"}
    assert all(effect.worst > 1e-2 for effect in found.controls.values())


@pytest.mark.parametrize("kind", ORIGINALS)
@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_of_a_loader_is_caught_by_name(kind: str, name: str, tmp_path: Path) -> None:
    opened = original(kind, tmp_path)
    mistake, place = MISTAKES[name]
    found = verify(replace(opened, weights=mistake(opened.weights)))
    assert found.failed is not None and found.failed.first_wrong == place
    assert [cause.name for cause in found.causes] == [name] and found.is_explained


def k_of_2(weights: Weights) -> Weights:
    rows = [replace(row, k=2.0) if isinstance(row, Norm) else row for row in weights.lineage.layers]
    return replace(weights, lineage=replace(weights.lineage, layers=tuple(rows)))


def halved(weights: Weights) -> Weights:
    pair = ("fc7.weight", "fc8.weight")
    return replace(weights, tensors=weights.tensors | {key: weights.tensors[key] / 2 for key in pair})


MORE = {name: mistake for name, (mistake, _) in MISTAKES.items()} | {"dropout": halved, "k": k_of_2}
ORDER = ("pool_and_lrn", "colours", "alpha", "k", "flatten", "dropout")  # the first takes another table
SUBSETS = [names for size in (2, 3, 6) for names in combinations(ORDER, size)]


@pytest.mark.parametrize("names", SUBSETS, ids="-".join)
def test_mistakes_that_come_together_are_told_apart(names: tuple[str, ...], tmp_path: Path) -> None:
    opened = original("caffemodel", tmp_path)
    weights = opened.weights
    for name in names:
        weights = MORE[name](weights)
    found = verify(replace(opened, weights=weights))
    assert {cause.name for cause in found.causes} == set(names) and found.is_explained


@pytest.mark.parametrize("name", ["bvlc", "caffenet"])
@pytest.mark.parametrize("engine", ["opencv", "onnxruntime", "numpy"])
@pytest.mark.slow
def test_at_full_size_fc8_is_within_1e_5(name: str, engine: str, tmp_path: Path) -> None:
    path = tmp_path / ("net.onnx" if engine == "onnxruntime" else "net.caffemodel")
    write_weights(weights_of(lively(name)), path)
    (tmp_path / "net.prototxt").unlink(missing_ok=True)  # the file's own order, not that of our deploy file
    found = verify(open_weights(path), engine)
    assert found.failed is None
    assert found.comparisons[0].errors["fc8"] < 1e-5


FULL_SIZE = ("chm", "chm-half", "owt", "torchvision", "paper", "bvlc", "caffenet")


@pytest.mark.parametrize(
    "lineage",
    ["tiny", "cifar-local", "cifar-quick", *(pytest.param(name, marks=pytest.mark.slow) for name in FULL_SIZE)],
)
def test_the_formulas_are_those_of_another_hand(lineage: str, tmp_path: Path) -> None:
    model = lively(lineage)
    write_weights(weights_of(model), tmp_path / "net.safetensors")
    opened = open_weights(tmp_path / "net.safetensors")
    images = fed(opened, square_picture(opened.weights.preprocessing.resize))
    _, found = ENGINES["numpy"].found(opened, images)
    arrays = {name: array.astype(np.float64) for name, array in arrays_of(model).items()}
    names = {name.partition(".")[0] for name in arrays}
    oracle = NETS[lineage](images, {name: (arrays[f"{name}.weight"], arrays[f"{name}.bias"]) for name in names})
    assert relative_error(list(found)[-1][1], oracle) < 1e-12


def test_a_record_comes_back_from_json_and_refuses_other_pixels(tmp_path: Path) -> None:
    opened = original("caffemodel", tmp_path)
    square = square_picture(opened.weights.preprocessing.resize)
    weights = replace(opened.weights, provenance={"proof": record(opened)})
    witness = recorded(weights, square)
    assert "OpenCV" in witness.program
    assert max(witness.errors(our_stages(weights, square)).values()) < 1e-5
    with pytest.raises(Exception, match="other pixels"):
        recorded(weights, square + 1)


@pytest.mark.parametrize(
    "damage", [{}, {"layers": {}}, {"layers": {"conv1": ["x"]}}, {"layers": {"conv1": [1e999]}}, 3]
)
def test_a_record_that_makes_no_sense_is_refused(damage: object, tmp_path: Path) -> None:
    opened = original("caffemodel", tmp_path)
    square = square_picture(opened.weights.preprocessing.resize)
    proof = record(opened)
    spoilt = proof | damage if isinstance(damage, dict) and damage else damage
    with pytest.raises(Exception, match=r"makes no sense|is empty or not finite"):
        recorded(replace(opened.weights, provenance={"proof": spoilt}), square)


def test_torchvisions_own_class_agrees(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    write_weights(weights_of(lively("torchvision")), tmp_path / "net.pth")
    found = verify(open_weights(tmp_path / "net.pth"), "torchvision")
    assert found.failed is None and "torchvision" in found.comparisons[0].against


def test_engines_that_are_no_witness_say_why(tmp_path: Path) -> None:
    opened = original("npy", tmp_path)
    assert obstacle("numpy", opened) == ""
    assert "it reads caffemodel" in obstacle("opencv", opened)
    assert "it reads pth" in obstacle("torchvision", opened)
