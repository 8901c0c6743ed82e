"""Weights as ONNX, node by node: exporters take LRN apart, `onnx.helper` writes the one operator that it is."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet.errors import MissingExtra, UsageError
from alexnet.lineages import Row, trace
from alexnet.lineages.spec import Activation, AdaptivePool, Conv, Dropout, Linear, Local, Norm, Pool, SpatialNorm
from alexnet.weights.formats.onnx import DESCRIPTION, LOCAL
from alexnet.weights.formats.onnx_picture import take_pictures
from alexnet.weights.formats.safetensors import describe, plain
from alexnet.weights.weights import Weights

if TYPE_CHECKING:
    from onnx import NodeProto

OUTPUTS = ("logits", "probs")
OPSET = 13  # the oldest in which all of these mean what they mean today
ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


def write(weights: Weights, path: Path, *, from_pictures: bool = False) -> list[str]:
    """Write a net that takes `images` (B, C, S, S) and gives `logits` and `probs`, both (B, K).

    With `from_pictures` it takes `pictures` (B, H, W, 3) uint8 RGB, and the preprocessing is part of the graph.

    What `weights` say of themselves goes into the metadata, under "alexnet".

    Returns:
        What the file cannot hold.

    Raises:
        MissingExtra: the onnx package is not installed.
        UsageError: no operator computes one of the lineage's layers.
    """
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise MissingExtra("onnx", "onnx") from None
    size, lineage = weights.preprocessing.size, weights.lineage
    tensors = plain(weights.tensors)
    chain = _Chain()
    nodes = list(_nodes(weights, size, chain))
    arrays = {name: tensor.float().numpy() for name, tensor in tensors.items()} | chain.constants
    graph = helper.make_graph(
        nodes,
        lineage.name,
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["B", lineage.in_channels, size, size])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", lineage.num_classes]) for name in OUTPUTS],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, producer_name="alexnet", opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8  # of the time of opset 13, so that runtimes of that age take it
    helper.set_model_props(model, {DESCRIPTION: json.dumps(describe(weights), ensure_ascii=False)})
    if from_pictures:
        take_pictures(model, weights.preprocessing)
    onnx.checker.check_model(model)
    onnx.save_model(model, path, format="protobuf")
    if from_pictures:
        return []
    return ["the mean image: its three means are in the description"] * (weights.preprocessing.mean_image is not None)


@dataclass
class _Chain:
    """Names of what flows from node to node: each layer's output is called as the layer."""

    at: str = "images"
    constants: dict[str, np.ndarray] = field(default_factory=dict)

    def node(self, type: str, name: str, *weights: str, output: str = "", **attributes: Any) -> "NodeProto":
        from onnx import helper

        output = output or name
        node = helper.make_node(type, [self.at, *weights], [output], name=name, **attributes)
        self.at = output
        return node

    def constant(self, name: str, value: Any, dtype: type[np.generic] = np.float32) -> str:
        self.constants[name] = np.array(value, dtype=dtype)
        return name


def _nodes(weights: Weights, size: int, chain: _Chain) -> Iterator["NodeProto"]:
    lineage = replace(weights.lineage, input=replace(weights.lineage.input, size=size))
    for row in trace(lineage):
        yield from _layer(row, chain, lineage.head)
        layer = row.layer
        if isinstance(layer, Activation) or (isinstance(layer, Conv | Local | Linear) and layer.active):
            number = layer.name.lstrip(ascii_lowercase)
            yield chain.node(ACTIVATIONS[lineage.activation], lineage.activation + number)
    yield chain.node("Softmax", "probs", axis=1)


def _layer(row: Row, chain: _Chain, head: str) -> Iterator["NodeProto"]:
    layer = row.layer
    match layer:
        case Conv():
            end = layer.padding + _overhang(row, layer)
            yield chain.node(
                "Conv", layer.name, f"{layer.name}.weight", f"{layer.name}.bias", group=layer.groups,
                kernel_shape=[layer.kernel_size] * 2, strides=[layer.stride] * 2,
                pads=[layer.padding, layer.padding, end, end],
            )  # fmt: skip
        case Linear():
            if len(row.in_shape) == 3:
                yield chain.node("Flatten", "flatten")
            output = "logits" if layer.name == head else layer.name
            pair = f"{layer.name}.weight", f"{layer.name}.bias"
            yield chain.node("Gemm", layer.name, *pair, output=output, transB=1)
        case Local():
            yield from _local(row, layer, chain)
        case Norm(groups=1):
            yield chain.node("LRN", layer.name, **_constants(layer))
        case Norm():
            yield from _norm_in_towers(row, layer, chain)
        case SpatialNorm():
            yield from _norm_in_maps(layer, chain)
        case Pool():
            type = "MaxPool" if layer.kind == "max" else "AveragePool"
            square: dict[str, Any] = {"kernel_shape": [layer.kernel_size] * 2, "strides": [layer.stride] * 2}
            yield chain.node(type, layer.name, ceil_mode=int(layer.ceil), **square)
        case Dropout():
            yield chain.node("Dropout", layer.name)
        case AdaptivePool() if row.in_shape == row.out_shape:
            return
        case Activation():
            return
        case _:
            raise UsageError(
                f"ONNX has no operator for {layer.name}, a {layer.__class__.__name__}. "
                "Save the network as safetensors, which holds any lineage."
            )


def _local(row: Row, layer: Local, chain: _Chain) -> Iterator["NodeProto"]:
    """A matrix of its own at every position: gather what each sees, multiply, add, lay out as maps again.

    Shapes: P positions, I numbers that one of them sees, O output channels.
    """
    name, pad = layer.name, layer.padding
    channels, height, width = (size + 2 * pad * (axis > 0) for axis, size in enumerate(row.in_shape))
    pixels = np.arange(channels * height * width).reshape(channels, height, width)
    square = (layer.kernel_size, layer.kernel_size)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, square, axis=(1, 2))  # (C, H', W', K, K)
    seen = windows.transpose(1, 2, 0, 3, 4).reshape(row.out_shape[1] * row.out_shape[2], -1)  # (P, I)
    edges = [0, 0, pad, pad] * 2
    yield chain.node("Pad", f"{name}_padded", chain.constant(f"{name}_edges", edges, np.int64))
    yield chain.node("Flatten", f"{name}_pixels")
    yield chain.node("Gather", f"{name}_seen", chain.constant(f"{name}_places", seen, np.int64), axis=1)  # (B, P, I)
    yield chain.node("Einsum", f"{name}_product", f"{name}.weight", equation=LOCAL)
    yield chain.node("Add", f"{name}_sums", f"{name}.bias")
    yield chain.node("Transpose", f"{name}_rows", perm=[0, 2, 1])  # (B, O, P)
    yield chain.node("Reshape", name, chain.constant(f"{name}_shape", [0, *row.out_shape], np.int64))


def _norm_in_towers(row: Row, layer: Norm, chain: _Chain) -> Iterator["NodeProto"]:
    """LRN whose window stays inside a tower: split, normalise each, join."""
    from onnx import helper

    parts = [f"{layer.name}_{index}" for index in range(layer.groups)]
    yield helper.make_node("Split", [chain.at], [f"{part}_in" for part in parts], name=f"{layer.name}_split", axis=1)
    for part in parts:
        yield helper.make_node("LRN", [f"{part}_in"], [part], name=part, **_constants(layer))
    yield helper.make_node("Concat", parts, [layer.name], name=layer.name, axis=1)
    chain.at = layer.name


def _constants(layer: Norm) -> dict[str, Any]:
    return {"size": layer.size, "alpha": float(layer.alpha), "beta": float(layer.beta), "bias": float(layer.k)}


def _norm_in_maps(layer: SpatialNorm, chain: _Chain) -> Iterator["NodeProto"]:
    """Nodes for x / (1 + alpha * mean of x**2 over a window, zeros at the edges) ** beta."""
    source, name, reach = chain.at, layer.name, layer.size // 2
    yield chain.node("Mul", f"{name}_square", source)
    window: dict[str, Any] = {"kernel_shape": [layer.size] * 2, "strides": [1, 1], "pads": [reach] * 4}
    yield chain.node("AveragePool", f"{name}_mean", count_include_pad=1, **window)
    yield chain.node("Mul", f"{name}_scaled", chain.constant(f"{name}_alpha", layer.alpha))
    yield chain.node("Add", f"{name}_base", chain.constant(f"{name}_one", 1.0))
    yield chain.node("Pow", f"{name}_factor", chain.constant(f"{name}_power", -layer.beta))
    yield chain.node("Mul", name, source)


def _overhang(row: Row, layer: Conv) -> int:
    """Zeros beyond the right and bottom edge that a size rounded up reads."""
    return (layer.kernel_size - row.in_shape[1] - 2 * layer.padding) % layer.stride if layer.ceil else 0
