"""Nets of Caffe2: `init_net.pb` fills the tensors, `predict_net.pb` beside it is the network.

Both are lists of operators. Without the second file nothing tells the order of pooling and normalisation.
"""

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np

from alexnet.lineages.spec import Activation, Conv, Dropout, Layer, Linear, Norm, Pool
from alexnet.weights.dialects import CAFFE, position
from alexnet.weights.formats.wire import Decoder, Field, Message, Schema
from alexnet.weights.mapped import mapped
from alexnet.weights.raw import Axes, Damaged, Fact, NotAlexNet, Raw, RawLayer, reading
from alexnet.weights.structure import with_activations

CONVENTION = "Caffe's convention"
# Source: facebookarchive/caffe2, caffe2/proto/caffe2.proto.
ARGUMENT: Schema = {
    1: Field("name", "text"),
    2: Field("f", "float"),
    3: Field("i", "int"),
    4: Field("s", "text"),
    5: Field("floats", "floats"),
    6: Field("ints", "ints"),
}
OPERATOR: Schema = {
    1: Field("input", "texts"),
    2: Field("output", "texts"),
    4: Field("type", "text"),
    5: Field("arg", ARGUMENT),
}
NET: Schema = {1: Field("name", "text"), 2: Field("op", OPERATOR)}
FILL, INIT, PREDICT = "GivenTensorFill", "init_net", "predict_net"
ACTIVATIONS: Mapping[str, Literal["relu", "tanh", "sigmoid"]] = {"Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid"}
LEGACY_POOLING = 3  # rounds up, as Caffe does; Caffe2's own rounds down
Arguments = Mapping[str, Message]


def read(path: Path) -> Raw:
    """Read an `init_net.pb`, with the `predict_net.pb` beside it where there is one; either may be named.

    Raises:
        UnreadableWeights: it is damaged, or a network without its tensors.
        ShapeMismatch: the network has operators that no AlexNet has.
    """
    with reading(path):
        net = _operators(path)
        other = _beside(path, INIT if not _is_filled(net) else PREDICT)
        pair = [net] if other is None else [net, _operators(other)]
        fills = next((each for each in pair if _is_filled(each)), None)
        if fills is None:
            raise Damaged("a network of Caffe2 without its tensors: put its init_net.pb beside it")
        graph = next((each for each in pair if not _is_filled(each)), [])
        tensors = {_output(operator): _tensor(operator) for operator in fills if operator.get("type") == FILL}
        layers = tuple(_in_graph(graph, tensors) if graph else _by_name(tensors))
        rows = tuple(with_activations(_rows(graph)))
    kinds = {operator.get("type", "") for operator in graph} & ACTIVATIONS.keys()
    return Raw(
        path,
        "caffe2",
        layers,
        "tensors and network" if graph else "tensors without a network",
        CAFFE.lineages,
        rows=rows,
        activation=ACTIVATIONS[kinds.pop()] if len(kinds) == 1 else "relu",
        facts={
            "order": Fact("BGR", CONVENTION),
            "range": Fact(255, CONVENTION),
            "flatten": Fact("CHW", CONVENTION),
        },
    )


def _operators(path: Path) -> list[Message]:
    operators: list[Message] = Decoder().decode(mapped(path), NET).get("op", [])
    return operators


def _is_filled(operators: list[Message]) -> bool:
    return any(operator.get("type") == FILL for operator in operators)


def _beside(path: Path, word: str) -> Path | None:
    """The other file of a pair: alexnet_init_net.pb and alexnet_predict_net.pb."""
    name = path.name.replace(INIT, word).replace(PREDICT, word)
    other = path.with_name(name)
    return other if other != path and other.is_file() else None


def _output(operator: Message) -> str:
    return next(iter(operator.get("output", [])), "")


def _arguments(operator: Message) -> dict[str, Message]:
    return {argument.get("name", ""): argument for argument in operator.get("arg", [])}


def _tensor(operator: Message) -> np.ndarray:
    """The tensor that an operator fills, in the shape that it says, which must be as long as its values."""
    arguments, name = _arguments(operator), _output(operator)[:80]
    chunks = arguments.get("values", {}).get("floats", [])
    values = chunks[0] if len(chunks) == 1 else np.concatenate(chunks or [np.empty(0, np.float32)])
    shape = tuple(arguments.get("shape", {}).get("ints", ()))
    if any(size < 1 for size in shape) or prod(shape) != len(values):
        raise Damaged(f"{name!r} says that its shape is {shape}, and holds {len(values)} numbers")
    return np.asarray(values).reshape(shape)


def _in_graph(graph: list[Message], tensors: Mapping[str, np.ndarray]) -> Iterator[RawLayer]:
    """The layers in the order in which the network uses them."""
    for operator in graph:
        if operator.get("type") in ("Conv", "FC"):
            _, weight, bias = [*operator.get("input", []), "", "", ""][:3]
            yield _raw_layer(weight, bias, tensors)


def _by_name(tensors: Mapping[str, np.ndarray]) -> Iterator[RawLayer]:
    names = [name.removesuffix("_w") for name in tensors if name.endswith("_w")]
    for name in sorted(names, key=lambda name: position(CAFFE.ours(name) or "")):
        yield _raw_layer(f"{name}_w", f"{name}_b" if f"{name}_b" in tensors else "", tensors)


def _raw_layer(weight: str, bias: str, tensors: Mapping[str, np.ndarray]) -> RawLayer:
    """A layer by the names of its tensors; "" for no bias."""
    missing = [name for name in (weight, bias) if name not in tensors]
    if weight in missing or (bias and missing):
        raise Damaged(f"the tensor {missing[0][:80]!r} is missing")
    array = tensors[weight]
    if array.ndim not in (2, 4):
        raise Damaged(f"{weight[:80]!r} has shape {array.shape}")
    axes: Axes = "OIHW" if array.ndim == 4 else "OI"
    return RawLayer(weight.removesuffix("_w"), array, axes, tensors[bias].reshape(-1) if bias else None)


def _rows(graph: list[Message]) -> Iterator[Layer]:
    """The network in the words of our tables."""
    for operator in graph:
        arguments = _arguments(operator)
        name = _output(operator)
        if arguments.get("order", {}).get("s", "NCHW") != "NCHW":
            raise NotAlexNet(f"{name[:80]!r} works on channels that lie last")
        row = _row(operator.get("type", ""), name, arguments)
        if row is not None:
            yield row


def _row(kind: str, name: str, arguments: Arguments) -> Layer | None:
    match kind:
        case "Conv":
            if _int(arguments, "dilation", 1) != 1 or not arguments.keys().isdisjoint(
                ("pad_t", "kernel_h", "stride_h")
            ):
                raise NotAlexNet(f"{name[:80]!r} is a convolution that is not square")
            kernel, stride, pad = _int(arguments, "kernel"), _int(arguments, "stride", 1), _int(arguments, "pad", 0)
            return Conv(name, 0, kernel, stride, pad, _int(arguments, "group", 1), active=False)
        case "FC":
            return Linear(name, 0, active=False)
        case "LRN":
            size, k = _int(arguments, "size"), _float(arguments, "bias", 1.0)
            return Norm(name, size, k, _float(arguments, "alpha"), _float(arguments, "beta"))
        case "MaxPool" | "AveragePool":
            if _int(arguments, "pad", 0):
                raise NotAlexNet(f"{name[:80]!r} is a padded pool")
            method: Literal["max", "avg"] = "max" if kind == "MaxPool" else "avg"
            ceil = _int(arguments, "legacy_pad", 0) == LEGACY_POOLING
            return Pool(name, _int(arguments, "kernel"), _int(arguments, "stride", 1), method, ceil)
        case "Dropout":
            return Dropout(name)
        case "Softmax":
            return None
        case _ if kind in ACTIVATIONS:
            return Activation(name)
        case _:
            raise NotAlexNet(f"an operator of type {kind[:80]!r}")


def _int(arguments: Arguments, name: str, default: int | None = None) -> int:
    value: Any = arguments.get(name, {}).get("i", default)
    if value is None:
        raise Damaged(f"an operator without {name}")
    return int(value)


def _float(arguments: Arguments, name: str, default: float | None = None) -> float:
    value: Any = arguments.get(name, {}).get("f", default)
    if value is None:
        raise Damaged(f"an operator without {name}")
    return float(value)
