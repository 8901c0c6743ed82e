"""Weights as Caffe writes them since 2015, the net in the same file; what lies beside it is `caffe_net.prototxt`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torch import Tensor

from alexnet.weights.conventions import for_convention
from alexnet.weights.formats.caffe_messages import LAYER
from alexnet.weights.formats.caffe_net import CaffeLayer, caffe_layers
from alexnet.weights.formats.wire import Field, Schema, encode, header
from alexnet.weights.weights import Weights

BOTTOM, TOP, BLOBS, DROPOUT_PARAM, DROPOUT_RATIO = 3, 4, 7, 108, 1
DATA, SHAPE, DIM = 5, 7, 1
NAME, LAYERS = 1, 100
Part = bytes | memoryview


def write(weights: Weights, path: Path) -> list[str]:
    """Write a NetParameter.

    Returns:
        What the file cannot hold.

    Raises:
        UsageError: Caffe has no layer that computes one of the lineage's.
    """
    layers = caffe_layers(weights.lineage)
    tensors, lost = for_convention(weights, "caffemodel")
    with path.open("wb") as file:
        file.write(encode(NAME, weights.lineage.name))
        for layer in layers:
            parts = list(_layer(layer, tensors))
            file.write(header(LAYERS, sum(map(len, parts))))
            file.writelines(parts)
    return lost


def _layer(layer: CaffeLayer, tensors: dict[str, Tensor]) -> Iterator[Part]:
    """The parts of a LayerParameter, the arrays as they lie in memory."""
    yield encode(_number(LAYER, "name"), layer.name)
    yield encode(_number(LAYER, "type"), layer.type)
    yield encode(BOTTOM, layer.bottom)
    yield encode(TOP, layer.top)
    for key in (f"{layer.name}.weight", f"{layer.name}.bias"):
        if key in tensors:
            yield from _blob(tensors[key].contiguous().numpy())
    if layer.param == "dropout_param":
        yield encode(DROPOUT_PARAM, encode(DROPOUT_RATIO, float(layer.params["dropout_ratio"])))
    elif layer.param:
        number, schema = _message(layer.param)
        yield encode(number, b"".join(encode(_number(schema, key), value) for key, value in layer.params.items()))


def _blob(array: np.ndarray) -> Iterator[Part]:
    data = np.ascontiguousarray(array, dtype="<f4").data.cast("B")
    before = encode(SHAPE, b"".join(encode(DIM, size) for size in array.shape)) + header(DATA, len(data))
    yield header(BLOBS, len(before) + len(data)) + before
    yield data


def _number(schema: Schema, name: str) -> int:
    return next(number for number, field in schema.items() if field.name == name)


def _message(name: str) -> tuple[int, Schema]:
    number = _number(LAYER, name)
    kind = Field(*LAYER[number]).kind
    assert not isinstance(kind, str)
    return number, kind
