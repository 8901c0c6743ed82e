"""ONNX: a chain of nodes in graph order, whatever they are called. Read without the onnx package; see `onnx_writer`.

The model zoo's AlexNets came from Caffe by way of Caffe2: BGR, 0-255, at 224, and the file says none of it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from alexnet.lineages.spec import Activation, AdaptivePool, Conv, Dropout, Layer, Linear, Norm, Pool
from alexnet.weights.formats.onnx_messages import MODEL
from alexnet.weights.formats.onnx_tensors import array
from alexnet.weights.formats.wire import Decoder, Message
from alexnet.weights.mapped import mapped
from alexnet.weights.raw import Damaged, Fact, NotAlexNet, Raw, RawLayer, reading
from alexnet.weights.structure import with_activations

DESCRIPTION = "alexnet"  # key of the metadata under which `onnx_writer` says what the net is
ACTIVATIONS: Mapping[str, Literal["relu", "tanh", "sigmoid"]] = {"Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid"}
PRODUCTS = ("Conv", "Gemm", "MatMul", "Einsum")
LOCAL = "bpi,poi->bpo"  # how `onnx_writer` writes a layer whose positions do not share weights
# In the places where `_chain` lets them stand they make no other network.
PASSING = ("Reshape", "Flatten", "Identity", "Add", "Softmax")


@dataclass(frozen=True)
class _Node:
    type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def ints(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        value = self.attributes.get(name, default)
        if not isinstance(value, list | tuple):
            raise Damaged(f"{name} of {self.type} {self.name[:80]!r} is no list")
        return tuple(value)

    def number(self, name: str, default: float) -> float:
        value = self.attributes.get(name, default)
        if not isinstance(value, int | float):
            raise Damaged(f"{name} of {self.type} {self.name[:80]!r} is no number")
        return value

    def whole(self, name: str, default: int) -> int:
        value = self.number(name, default)
        if not isinstance(value, int):
            raise Damaged(f"{name} of {self.type} {self.name[:80]!r} is no whole number")
        return value

    def square(self, name: str, default: int) -> int:
        values = set(self.ints(name, (default,)))
        if len(values) != 1:
            raise NotAlexNet(f"{self.type} {self.name[:80]!r} has {name} {sorted(values)}")
        return values.pop()


def read(path: Path, folder: Path | None = None) -> Raw:
    """Read a net from ONNX.

    Args:
        folder: where weights outside the file may lie; None refuses such files.

    Raises:
        UnreadableWeights: it is damaged, or keeps its weights elsewhere.
        ShapeMismatch: it is no chain of layers that an AlexNet has.
    """
    with reading(path):
        model = Decoder().decode(mapped(path), MODEL)
        graph = model["graph"][-1] if model.get("graph") else {}
        description, provenance = _description(model)
        nodes = [_node(message) for message in graph.get("node", ())]
        arrays = {tensor.get("name", ""): array(tensor, path, folder) for tensor in graph.get("initializer", ())}
        arrays |= {node.outputs[0]: array(node.attributes["value"], path, folder) for node in nodes if _is_array(node)}
        nodes = [node for node in nodes if node.type != "Constant"]
        layers = tuple(_raw_layer(node, arrays) for node in nodes if node.type in PRODUCTS)
        layers = _with_added_biases(layers, nodes, arrays)
        # A file of ours says what it is, and may hold norms inside towers, which are no longer single nodes.
        chain = [] if description else [node for node in _chain(nodes, arrays) if node.type not in PASSING]
        rows = tuple(with_activations(_row(node, arrays) for node in chain))
    kinds = {node.type for node in nodes} & ACTIVATIONS.keys()
    return Raw(
        path,
        "onnx",
        layers,
        detail=model.get("producer_name", "")[:80],
        rows=rows,
        activation=ACTIVATIONS[kinds.pop()] if len(kinds) == 1 else "relu",
        facts=_facts(graph, arrays) | description,
        provenance=provenance,
    )


def _node(message: Message) -> _Node:
    attributes = {attribute.get("name", ""): _value(attribute) for attribute in message.get("attribute", ())}
    outputs = tuple(message.get("output", ()))
    if not outputs:
        raise Damaged("a node without an output")
    return _Node(
        message.get("op_type", ""), message.get("name", ""), tuple(message.get("input", ())), outputs, attributes
    )


def _value(attribute: Message) -> Any:
    for key in ("ints", "f", "i", "s"):
        if key in attribute:
            return attribute[key]
    return attribute["t"][-1] if attribute.get("t") else None


def _is_array(node: _Node) -> bool:
    return node.type == "Constant" and isinstance(node.attributes.get("value"), dict)


def _weight(node: _Node, arrays: Mapping[str, np.ndarray], index: int) -> np.ndarray:
    name = node.inputs[index] if index < len(node.inputs) else ""
    if name not in arrays:
        raise NotAlexNet(f"{node.type} {node.name[:80]!r} does not have its weights in the file")
    return arrays[name]


def _raw_layer(node: _Node, arrays: Mapping[str, np.ndarray]) -> RawLayer:
    weight = _weight(node, arrays, 1)
    bias = _weight(node, arrays, 2).reshape(-1) if len(node.inputs) > 2 and node.inputs[2] else None
    name = node.name or node.outputs[0]
    if node.type == "Conv":
        if weight.ndim != 4:
            raise NotAlexNet(f"{name[:80]!r} is a convolution of shape {weight.shape}")
        return RawLayer(name, weight, "OIHW", bias)
    if node.type == "Einsum":
        if weight.ndim != 3 or node.attributes.get("equation") != LOCAL:
            raise NotAlexNet(f"{name[:80]!r} is an Einsum of shape {weight.shape} that no AlexNet has")
        return RawLayer(name, weight, "POI", bias)
    factors = (node.number("alpha", 1.0), node.number("beta", 1.0), node.whole("transA", 0))
    if weight.ndim != 2 or factors != (1.0, 1.0, 0):
        raise NotAlexNet(f"{name[:80]!r} is no plain product: shape {weight.shape}, alpha, beta, transA {factors}")
    return RawLayer(name, weight, "OI" if node.type == "Gemm" and node.whole("transB", 0) else "IO", bias)


def _with_added_biases(
    layers: tuple[RawLayer, ...], nodes: list[_Node], arrays: Mapping[str, np.ndarray]
) -> tuple[RawLayer, ...]:
    """Give each MatMul and Einsum the bias that an Add puts behind it."""
    weighted = [node for node in nodes if node.type in PRODUCTS]
    added = {node.inputs[0]: node.inputs[1] for node in nodes if node.type == "Add" and len(node.inputs) == 2}
    found = []
    for node, layer in zip(weighted, layers, strict=True):
        bias = arrays.get(added.get(node.outputs[0], ""))
        if layer.bias is None and bias is not None:
            found.append(replace(layer, bias=bias if layer.axes == "POI" else bias.reshape(-1)))
        else:
            found.append(layer)
    return tuple(found)


def _chain(nodes: list[_Node], arrays: Mapping[str, np.ndarray]) -> Iterator[_Node]:
    """The nodes, each of which must take what the one before it gave, and constants: no branches, no detours."""
    before: _Node | None = None
    for node in nodes:
        if before is not None and node.inputs[:1] != before.outputs[:1]:
            raise NotAlexNet(f"{node.type} {node.name[:80]!r} does not follow the node before it")
        if any(name and name not in arrays for name in node.inputs[1:]):
            raise NotAlexNet(f"{node.type} {node.name[:80]!r} joins two branches")
        if before is not None and before.type == "Softmax":
            raise NotAlexNet(f"{node.type} {node.name[:80]!r} follows the softmax")
        if node.type == "Add" and (before is None or before.type != "MatMul"):
            raise NotAlexNet(f"Add {node.name[:80]!r} adds no biases")
        yield node
        before = node


def _row(node: _Node, arrays: Mapping[str, np.ndarray]) -> Layer:
    if node.attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or node.square("dilations", 1) != 1:
        raise NotAlexNet(f"{node.type} {node.name[:80]!r} pads by itself or is dilated")
    match node.type:
        case "Conv":
            return _conv(node, arrays[node.inputs[1]])
        case "Gemm" | "MatMul":
            return Linear(node.name, arrays[node.inputs[1]].shape[0 if node.whole("transB", 0) else 1], active=False)
        case "LRN":
            k, alpha, beta = node.number("bias", 1.0), node.number("alpha", 1e-4), node.number("beta", 0.75)
            return Norm(node.name, node.whole("size", 0), k, alpha, beta)
        case "AveragePool" if node.square("kernel_shape", 0) == 1:
            return AdaptivePool(node.name, 0)  # torch's adaptive pool where it has nothing to do
        case "MaxPool" | "AveragePool":
            padding, is_ceil = _padding(node)
            if padding:
                raise NotAlexNet(f"{node.type} {node.name[:80]!r} is padded on all sides")
            kind: Literal["max", "avg"] = "max" if node.type == "MaxPool" else "avg"
            is_ceil = is_ceil or bool(node.whole("ceil_mode", 0))
            return Pool(node.name, node.square("kernel_shape", 0), node.square("strides", 1), kind, is_ceil)
        case "Dropout":
            return Dropout(node.name)
        case _ if node.type in ACTIVATIONS:
            return Activation(node.name)
        case _:
            raise NotAlexNet(f"an operator {node.type[:80]!r}")


def _conv(node: _Node, weight: np.ndarray) -> Conv:
    if node.ints("kernel_shape", weight.shape[2:]) != weight.shape[2:] or weight.shape[2] != weight.shape[3]:
        raise NotAlexNet(f"Conv {node.name[:80]!r} has kernels of shape {weight.shape}")
    padding, is_ceil = _padding(node)
    stride, group = node.square("strides", 1), node.whole("group", 1)
    return Conv(node.name, len(weight), weight.shape[2], stride, padding, group, ceil=is_ceil, active=False)


def _padding(node: _Node) -> tuple[int, bool]:
    """Padding on all sides, and whether there is more at the end alone, which rounds sizes up."""
    pads = node.ints("pads", (0, 0))
    before, after = set(pads[: len(pads) // 2]), set(pads[len(pads) // 2 :])
    if len(before) != 1 or len(after) != 1 or before not in (after, {0}):
        raise NotAlexNet(f"{node.type} {node.name[:80]!r} has pads {pads}")
    return before.pop(), before != after


def _facts(graph: Message, arrays: Mapping[str, np.ndarray]) -> dict[str, Fact]:
    facts = {"flatten": Fact("CHW", "ONNX's convention")}
    for value in graph.get("input", ()):
        dims = _dims(value) if value.get("name") not in arrays else ()
        if len(dims) == 4 and dims[2] == dims[3] and dims[2] > 0:
            facts["size"] = Fact(dims[2], "the file")
    return facts


def _dims(value: Message) -> tuple[int, ...]:
    for key in ("type", "tensor_type", "shape"):
        if not value.get(key):
            return ()
        value = value[key][-1]
    return tuple(dim.get("dim_value", 0) for dim in value.get("dim", ()))


def _description(model: Message) -> tuple[dict[str, Fact], dict[str, Any]]:
    """What a file of ours says of itself, and of where it comes from."""
    for entry in model.get("metadata_props", ()):
        if entry.get("key") == DESCRIPTION:
            try:
                said = json.loads(entry.get("value", ""))
                facts = {"lineage": said["lineage"], "changes": said["changes"], "labels": tuple(said["labels"])}
                facts |= dict(said["preprocessing"])
                provenance = dict(said.get("provenance", {}))
            except (ValueError, KeyError, TypeError, RecursionError, AttributeError) as error:
                raise Damaged(f"its description makes no sense ({type(error).__name__})") from error
            return {key: Fact(value, "the file") for key, value in facts.items()}, provenance
    return {}, {}
