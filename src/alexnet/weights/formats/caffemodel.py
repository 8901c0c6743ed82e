"""Trained nets of Caffe, of any generation, and its mean images.

A trained file carries the whole net, so the order of pooling and normalisation is read and not guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np

from alexnet.lineages.spec import Activation, Conv, Dropout, Layer, Linear, Norm, Pool, SpatialNorm
from alexnet.weights.dialects import CAFFE
from alexnet.weights.formats.caffe_messages import BLOB, NET, V0_TYPES, V1_TYPES
from alexnet.weights.formats.wire import Decoder, Message
from alexnet.weights.mapped import mapped
from alexnet.weights.raw import Damaged, Fact, NotAlexNet, Raw, RawLayer, reading
from alexnet.weights.structure import with_activations

CONVENTION = "Caffe's convention"
ACTIVATIONS: Mapping[str, Literal["relu", "tanh", "sigmoid"]] = {"ReLU": "relu", "TanH": "tanh", "Sigmoid": "sigmoid"}


@dataclass(frozen=True)
class CaffeLayer:
    """A layer of any generation, in the words of the latest."""

    name: str
    type: str
    params: Message
    blobs: tuple[Message, ...]


def read(path: Path) -> Raw:
    """Read a `.caffemodel`; arrays are views of the file.

    Raises:
        UnreadableWeights: it is damaged, or holds layers that no AlexNet has.
    """
    with reading(path):
        net = Decoder().decode(mapped(path), NET)
        layers = _merge_padding(_layers(net))
        raw_layers = tuple(_raw_layer(layer) for layer in layers if layer.type in ("Convolution", "InnerProduct"))
        rows = tuple(with_activations(row for layer in layers if (row := _row(layer)) is not None))
    kinds = {layer.type for layer in layers} & ACTIVATIONS.keys()
    return Raw(
        path,
        "caffemodel",
        raw_layers,
        detail=_generation(net),
        lineages=CAFFE.lineages,
        rows=rows if _is_whole(layers) else (),
        activation=ACTIVATIONS[kinds.pop()] if len(kinds) == 1 else "relu",
        facts=_facts(net),
    )


def read_mean(path: Path, content: memoryview | None = None) -> np.ndarray:
    """Read a mean image, `mean.binaryproto`: (S, S, 3) float32, RGB, 0-255.

    Args:
        path: named in errors; read where there is no `content`.

    Raises:
        UnreadableWeights: it is damaged, or no image of three planes.
    """
    with reading(path):
        planes = _array(Decoder().decode(mapped(path) if content is None else content, BLOB))
        if planes.ndim == 4 and len(planes) == 1:
            planes = planes[0]
        if planes.ndim != 3 or len(planes) != 3 or planes.shape[1] != planes.shape[2]:
            raise Damaged(f"its shape is {planes.shape}, and a mean image has (1, 3, S, S)")
    return np.ascontiguousarray(planes[::-1].transpose(1, 2, 0), dtype=np.float32)  # BGR planes to RGB pixels


def read_layers(path: Path) -> list[CaffeLayer]:
    """All layers of a file in its own order and words, those of training too.

    Raises:
        UnreadableWeights: it is damaged.
    """
    with reading(path):
        return _merge_padding(_layers(Decoder().decode(mapped(path), NET)))


def _generation(net: Message) -> str:
    if net.get("layer"):
        return "LayerParameter, since 2015"
    return "V0, of 2013" if any(layer.get("layer") for layer in net.get("layers", [])) else "V1, of 2014"


def _layers(net: Message) -> list[CaffeLayer]:
    found = [_of_v2(message) for message in net.get("layer", [])]
    for message in net.get("layers", []):
        v0 = message.get("layer")
        found.append(_of_v0(v0[-1], message) if v0 else _of_v1(message))
    if not found:
        raise Damaged("it holds no layers")
    return found


def _of_v2(message: Message) -> CaffeLayer:
    params = {key: value for key, value in message.items() if key.endswith("_param")}
    return CaffeLayer(message.get("name", ""), message.get("type", ""), _merged(params), _blobs(message))


def _of_v1(message: Message) -> CaffeLayer:
    layer = _of_v2(message)
    return replace(layer, type=V1_TYPES.get(message.get("type", 0), ""))


def _of_v0(layer: Message, around: Message) -> CaffeLayer:
    """A layer of 2013: all parameters of all kinds side by side, lists of one."""
    params = dict(layer)
    for key in ("pad", "kernel_size", "stride"):
        if key in params and layer.get("type") != "pool":
            params[key] = [params[key]]
    blobs = _blobs(layer) or _blobs(around)
    return CaffeLayer(layer.get("name", ""), V0_TYPES.get(layer.get("type", ""), ""), params, blobs)


def _blobs(message: Message) -> tuple[Message, ...]:
    return tuple(message.get("blobs", ()))


def _merged(params: Message) -> Message:
    """The one parameter message of a layer; of several parts, as protobuf merges them."""
    return {key: value for parts in params.values() for part in parts for key, value in part.items()}


def _merge_padding(layers: list[CaffeLayer]) -> list[CaffeLayer]:
    """Give the padding layers of 2013 to the convolutions behind them, as Caffe's own upgrade does."""
    merged: list[CaffeLayer] = []
    pad: list[int] | None = None
    for layer in layers:
        if layer.type == "Padding":
            pad = layer.params.get("pad", [0])
            continue
        merged.append(layer if pad is None else replace(layer, params=layer.params | {"pad": pad}))
        pad = None
    return merged


def _raw_layer(layer: CaffeLayer) -> RawLayer:
    if not 1 <= len(layer.blobs) <= 2:
        raise Damaged(f"layer {layer.name!r} has {len(layer.blobs)} arrays, not weights and biases")
    weight = _array(layer.blobs[0])
    bias = _array(layer.blobs[1]).reshape(-1) if len(layer.blobs) == 2 else None
    if layer.type == "Convolution":
        if weight.ndim != 4:
            raise Damaged(f"convolution {layer.name!r} has weights of shape {weight.shape}")
        return RawLayer(layer.name, weight, "OIHW", bias)
    if weight.ndim == 4 and weight.shape[:2] == (1, 1):
        weight = weight[0, 0]  # headers before 2015: (1, 1, out, in), squeezed by kind and not by size
    if weight.ndim != 2:
        raise Damaged(f"layer {layer.name!r} has weights of shape {weight.shape}")
    return RawLayer(layer.name, weight, "IO" if layer.params.get("transpose") else "OI", bias)


def _array(blob: Message) -> np.ndarray:
    """The array of a blob in the shape that it says, which must be as long as its data."""
    chunks = blob.get("data") or blob.get("double_data") or []
    data = chunks[0] if len(chunks) == 1 else np.concatenate(chunks or [np.empty(0, np.float32)])
    shape = _shape(blob)
    if any(size < 1 for size in shape) or prod(shape) != len(data):
        raise Damaged(f"an array says that its shape is {shape}, and holds {len(data)} numbers")
    return np.asarray(data).reshape(shape)


def _shape(blob: Message) -> tuple[int, ...]:
    if blob.get("shape"):
        return tuple(blob["shape"][-1].get("dim", ()))
    return tuple(blob.get(key, 1) for key in ("num", "channels", "height", "width"))


def _is_whole(layers: list[CaffeLayer]) -> bool:
    """Whether the net is there, and not its layers with weights alone."""
    return any(layer.type in ("Pooling", "ReLU") for layer in layers)


def _row(layer: CaffeLayer) -> Layer | None:
    """The layer in the words of our tables; None for what only training needs."""
    params = layer.params
    match layer.type:
        case "Convolution":
            if _square(params, "dilation", 1) != 1:
                raise NotAlexNet(f"{layer.name} is a dilated convolution")
            kernel, stride, pad = _square(params, "kernel"), _square(params, "stride", 1), _square(params, "pad", 0)
            outputs, group = params.get("num_output", 0), params.get("group", 1)
            return Conv(layer.name, outputs, kernel, stride, pad, group, active=False)
        case "InnerProduct":
            return Linear(layer.name, params.get("num_output", 0), active=False)
        case "LRN":
            return _norm(layer)
        case "Pooling":
            kind: Literal["max", "avg"] = "avg" if params.get("pool", 0) else "max"
            return Pool(layer.name, params.get("kernel_size", 0), params.get("stride", 1), kind)
        case "Dropout":
            return Dropout(layer.name)
        case "ReLU" if params.get("negative_slope", 0):
            raise NotAlexNet(f"{layer.name[:80]!r} is a ReLU that leaks by {params['negative_slope']:g}")
        case _ if layer.type in ACTIVATIONS:
            return Activation(layer.name)
        case _:
            return None  # data, loss, accuracy, softmax: not the net itself


def _norm(layer: CaffeLayer) -> Norm | SpatialNorm:
    size, alpha = layer.params.get("local_size", 5), layer.params.get("alpha", 1.0)
    beta = layer.params.get("beta", 0.75)
    if layer.params.get("norm_region", 0):
        return SpatialNorm(layer.name, size, alpha, beta)
    return Norm(layer.name, size, layer.params.get("k", 1.0), alpha, beta)  # alpha is divided by the size there too


def _square(params: Message, name: str, default: int | None = None) -> int:
    """A side of a square kernel, stride or padding: written once, for each axis, or as height and width."""
    key = "kernel_size" if name == "kernel" else name
    values = set(params.get(key, [])) | {params[side] for side in (f"{name}_h", f"{name}_w") if side in params}
    if len(values) > 1:
        raise NotAlexNet(f"a convolution with a {name} of {sorted(values)}")
    if not values and default is None:
        raise Damaged(f"a convolution without {key}")
    found = values.pop() if values else default
    assert found is not None
    return found


def _facts(net: Message) -> dict[str, Fact]:
    facts: dict[str, Any] = {
        "order": Fact("BGR", CONVENTION),
        "range": Fact(255, CONVENTION),
        "flatten": Fact("CHW", CONVENTION),
    }
    if net.get("name"):
        facts["name"] = Fact(net["name"][:80], "the file")
    dims = net["input_shape"][-1].get("dim", []) if net.get("input_shape") else net.get("input_dim", [])
    if len(dims) == 4 and dims[2] == dims[3]:
        facts["size"] = Fact(dims[2], "the file")
    return facts
