import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alexnet.errors import ShapeMismatch, UnreadableWeights
from alexnet.weights.foreign import read_foreign
from oracles import python2_pickle
from oracles.cuda_convnet_files import (
    checkpoint,
    decaf,
    in_bytes,
    two_towers,
)
from oracles.lively import relative_error
from oracles.narrow_nets import arrays_of, assert_same, lively, logits_of, pictures


def written(folder: Path, tree: Any) -> Path:
    (folder / "ConvNet__2012").write_bytes(python2_pickle.dumps(in_bytes(tree)))
    return folder / "ConvNet__2012"


@pytest.mark.parametrize("as_dict", [True, False])
def test_two_towers_are_joined_to_the_bit(as_dict: bool, tmp_path: Path) -> None:
    model = lively("narrow-chm")
    layers = two_towers(arrays_of(model))
    if as_dict:
        layers = sorted(layers, key=lambda layer: layer["name"][::-1])  # a dict of Python 2 has no order
    found = read_foreign(written(tmp_path, checkpoint(layers, as_dict)))
    assert_same(found.weights, model)
    assert found.weights.lineage.name == "narrow-chm"
    assert found.identity.facts["lineage"].source == "the file"
    assert found.identity.facts["order"] == ("RGB", "cuda-convnet's convention")


def test_weights_behind_old_dropout_are_halved_and_behind_inverted_dropout_are_not(tmp_path: Path) -> None:
    model = lively("narrow-chm")
    arrays = arrays_of(model)
    assert_same(read_foreign(written(tmp_path, checkpoint(two_towers(arrays, dropout=False), True))).weights, model)
    stored = two_towers(arrays)
    column = next(layer for layer in stored if layer["name"] == "fc1000")["weights"][0]
    assert np.array_equal(column, arrays["fc8.weight"].T[: len(column)] * 2)


def test_trap_29_joining_fc2048bb_a_before_b_is_another_network(tmp_path: Path) -> None:
    model = lively("narrow-chm")
    layers = two_towers(arrays_of(model))
    next(layer for layer in layers if layer["name"] == "fc2048bb")["inputs"].reverse()
    found = read_foreign(written(tmp_path, checkpoint(layers, True))).weights
    images = pictures(64)
    assert relative_error(logits_of(found, images), model(images).detach()) > 0.05


def test_trap_29_padding_is_stored_negative(tmp_path: Path) -> None:
    layers = two_towers(arrays_of(lively("narrow-chm")))
    for layer in layers:
        if layer["type"] == "conv":
            layer["padding"] = [-padding for padding in layer["padding"]]
    with pytest.raises(ShapeMismatch, match="padding -2"):
        read_foreign(written(tmp_path, checkpoint(layers, True)))


@pytest.mark.parametrize("lineage", ["narrow-caffenet", "narrow-caffenet-wide"])
def test_trap_31_decaf_is_turned_upright(lineage: str, tmp_path: Path) -> None:
    """A net of upside-down pictures, its kernels and maps turned over, says of upright ones what it said before."""
    model = lively(lineage)
    found = read_foreign(written(tmp_path, decaf(arrays_of(model))))
    assert_same(found.weights, model)
    assert found.weights.lineage.name == lineage
    assert "upside down" in found.identity.facts["upright"].source
    assert found.weights.preprocessing.order == "RGB"


def test_turning_over_the_kernels_is_turning_over_the_pictures(tmp_path: Path) -> None:
    model = lively("narrow-caffenet-wide")
    stored = {name: array.copy() for name, array in arrays_of(model).items()}
    for name in list(stored):
        if name.startswith("conv") and name.endswith("weight"):
            stored[name] = stored[name][:, :, ::-1].copy()
    weight = stored["fc6.weight"]
    stored["fc6.weight"] = weight.reshape(len(weight), -1, 2, 2)[:, :, ::-1].reshape(weight.shape).copy()
    upside_down = lively("narrow-caffenet-wide")
    upside_down.load_state_dict({name: torch.from_numpy(array) for name, array in stored.items()})
    images = pictures(99)
    assert relative_error(upside_down(images.flip(2)).detach(), model(images).detach()) < 1e-5
    assert relative_error(upside_down(images).detach(), model(images).detach()) > 0.05


def test_a_tower_of_another_kind_is_no_tower(tmp_path: Path) -> None:
    with pytest.raises(UnreadableWeights, match="the parts of 'conv4' have shapes"):
        read_foreign(written(tmp_path, edited(type="fc")))


def edited(**edits: Any) -> dict[bytes, Any]:
    layers = two_towers(arrays_of(lively("narrow-chm")))
    name = edits.pop("name", "conv4b")
    for layer in layers:
        if layer["name"] == name:
            layer.update(edits)
    return checkpoint(layers, True)


@pytest.mark.parametrize(
    ("edits", "says"),
    [
        ({"weights": []}, "0 matrices for 1 inputs"),
        ({"weights": [b"text"]}, "no matrices"),
        ({"inputs": ["conv5b"]}, "in a circle"),
        ({"inputs": [7.5]}, "reads from nowhere"),
        ({"filterSize": [5]}, "has a matrix of shape"),
        ({"filterSize": ["x"]}, "has no filterSize"),
        ({"biases": None}, "no matrices under 'biases'"),
        ({"name": "pool1a", "sizeX": -3}, "has no sizeX"),
    ],
)
def test_layers_that_make_no_sense_are_named(edits: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableWeights, match=says):
        read_foreign(written(tmp_path, edited(**edits)))


@pytest.mark.parametrize(
    ("edits", "says"),
    [
        ({"name": "pool1a", "type": "blur"}, "a layer of type 'blur'"),
        ({"name": "relu1a", "neuron": {"type": "tanh[1,1]"}}, "a neuron of type"),
        ({"name": "rnorm1a", "minDiv": 7.0}, "k 7"),
        ({"name": "pool1a", "start": 1}, "starts outside"),
    ],
)
def test_another_network_is_named(edits: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ShapeMismatch, match=says):
        read_foreign(written(tmp_path, edited(**edits)))


def test_pickles_of_protocol_0_are_pickles(tmp_path: Path) -> None:
    model = lively("narrow-caffenet")
    (tmp_path / "imagenet.decafnet.epoch90").write_bytes(pickle.dumps(decaf(arrays_of(model)), protocol=0))
    assert_same(read_foreign(tmp_path / "imagenet.decafnet.epoch90").weights, model)


@pytest.mark.parametrize("tree", [{"a": 1}, [1, 2], "text", {"model_state": {"layers": 3}}, [{"type": "conv"}]])
def test_other_pickles_are_named(tree: Any, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(pickle.dumps(tree, protocol=2))
    with pytest.raises((ShapeMismatch, UnreadableWeights)):
        read_foreign(tmp_path / "x")


def test_a_net_of_neon_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "alexnet.p").write_bytes(python2_pickle.dumps({"neon_version": "1.5", "model": {"config": {}}}))
    with pytest.raises(ShapeMismatch, match="a net of Nervana's neon"):
        read_foreign(tmp_path / "alexnet.p")
