"""Nets of MatConvNet, `imagenet-caffe-alex.mat`: layers in order, fully connected ones as convolutions.

The importer turned the first kernels and the mean from BGR to RGB, and multiplied out the division in LRN.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from alexnet.errors import UsageError
from alexnet.lineages import out_size
from alexnet.lineages.spec import Activation, Conv, Dropout, Layer, Linear, Norm, Pool
from alexnet.weights.conventions import convention
from alexnet.weights.formats.mat5 import read_mat
from alexnet.weights.mapped import mapped
from alexnet.weights.raw import Damaged, Fact, NotAlexNet, Raw, RawLayer, reading
from alexnet.weights.structure import with_activations

SOURCE = "the file"
DROPPED = ("softmax", "softmaxloss", "loss")


def read(path: Path) -> Raw:
    """Read a net of MatConvNet's SimpleNN.

    Raises:
        UnreadableWeights: it is damaged.
        ShapeMismatch: it holds something else.
    """
    with reading(path):
        variables = read_mat(mapped(path))
        net = variables["net"][0] if _is_struct(variables.get("net")) else variables
        layers = [_one(cell) for cell in _cells(net.get("layers"))]
        facts = _facts(_meta(net))
        weighted = tuple(_raw_layer(layer) for layer in layers if _type(layer) == "conv")
        rows = tuple(with_activations(_rows(layers, _shape_in(facts, weighted))))
    return Raw(path, "mat", weighted, "MatConvNet", rows=rows, facts=facts)


def _is_struct(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _cells(layers: Any) -> list[Any]:
    if not isinstance(layers, list) or not layers:
        raise NotAlexNet("no variable `layers`, which a net of MatConvNet has")
    return layers


def _one(cell: Any) -> dict[str, Any]:
    layer = cell[0] if _is_struct(cell) else cell
    if not isinstance(layer, dict):
        raise Damaged("a layer is no struct")
    return layer


def _type(layer: dict[str, Any]) -> str:
    kind = layer.get("type")
    return kind if isinstance(kind, str) else ""


def _name(layer: dict[str, Any]) -> str:
    name = layer.get("name")
    return name if isinstance(name, str) else ""


def _raw_layer(layer: dict[str, Any]) -> RawLayer:
    pair = layer.get("weights")  # a cell since beta 10
    pair = pair if isinstance(pair, list) else [layer.get("filters"), layer.get("biases")]
    if len(pair) != 2 or not all(isinstance(array, np.ndarray) for array in pair):
        raise Damaged(f"{_name(layer)[:80]!r} has no weights and biases")
    weight, bias = pair
    # MATLAB drops axes of one at the end.
    weight = weight.reshape(weight.shape + (1,) * (4 - weight.ndim)) if weight.ndim < 4 else weight
    if weight.ndim != 4:
        raise Damaged(f"{_name(layer)[:80]!r} has weights of shape {weight.shape}")
    return RawLayer(_name(layer), weight, "HWIO", bias.reshape(-1))


def _shape_in(facts: dict[str, Fact], weighted: tuple[RawLayer, ...]) -> tuple[int, int]:
    if not weighted:
        raise NotAlexNet("no layer with weights")
    return weighted[0].shape[1], facts["size"].value if "size" in facts else 227


def _rows(layers: list[dict[str, Any]], shape_in: tuple[int, int]) -> Iterator[Layer]:
    """The layers in the words of our tables; a convolution over all that is left is a fully connected layer."""
    channels, side = shape_in
    for layer in layers:
        if _type(layer) in DROPPED:
            continue
        row = _row(layer, channels, side)
        if isinstance(row, Conv):
            channels, side = row.out_channels, _side(side, row, row.padding, False)
        elif isinstance(row, Linear):
            channels, side = row.out_features, 1
        elif isinstance(row, Pool):
            side = _side(side, row, 0, row.ceil)
        yield row


def _side(side: int, row: Conv | Pool, padding: int, is_ceil: bool) -> int:
    """Side of the map that a window makes of a map."""
    if row.kernel_size < 1 or row.stride < 1 or padding < 0:
        raise Damaged(
            f"{row.name[:80]!r} has a window of {row.kernel_size} at stride {row.stride}, padded by {padding}"
        )
    try:
        return out_size(side, row.kernel_size, row.stride, padding, is_ceil)
    except UsageError as error:
        raise NotAlexNet(error) from error


def _row(layer: dict[str, Any], channels: int, side: int) -> Layer:
    name = _name(layer)
    match _type(layer):
        case "conv":
            outputs, inputs, height, width = _raw_layer(layer).shape
            pads = _numbers(layer, "pad", (0,))
            if height != width or len(set(pads)) > 1 or not inputs or channels % inputs:
                raise NotAlexNet(f"{name}: kernels of {height}x{width} on {channels} channels, padded by {pads}")
            if (inputs, height) == (channels, side) and pads[0] == 0:
                return Linear(name, outputs, active=False)
            stride = _numbers(layer, "stride", (1,))[0]
            return Conv(name, outputs, height, stride, pads[0], channels // inputs, active=False)
        case "pool":
            method: Literal["max", "avg"] = "max" if layer.get("method", "max") == "max" else "avg"
            pads = _numbers(layer, "pad", (0,))  # top, bottom, left, right
            if any(pads[::2]):
                raise NotAlexNet(f"{name}: a pool padded by {pads}")
            # Padding at the bottom and right alone is how the importer rounds up.
            return Pool(name, _numbers(layer, "pool")[0], _numbers(layer, "stride", (1,))[0], method, ceil=any(pads))
        case "normalize" | "lrn":
            size, k, alpha, beta = _param(layer)
            return Norm(name, int(size), k, alpha * size, beta)  # ours is divided by the size
        case "relu":
            leak = layer.get("leak")
            if isinstance(leak, np.ndarray) and leak.any():
                raise NotAlexNet(f"{name[:80]!r} is a ReLU that leaks")
            return Activation(name)
        case "dropout":
            return Dropout(name)
        case kind:
            raise NotAlexNet(f"a layer of type {kind[:80]!r}")


def _param(layer: dict[str, Any]) -> tuple[float, float, float, float]:
    param = layer.get("param")
    if not isinstance(param, np.ndarray) or param.size != 4:
        raise Damaged("a normalisation without its four numbers")
    size, k, alpha, beta = (float(value) for value in param.reshape(-1))
    if not 0 < size < 1000:
        raise Damaged(f"a normalisation over {size} channels")
    return size, k, alpha, beta


def _numbers(layer: dict[str, Any], key: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
    value = layer.get(key)
    if isinstance(value, np.ndarray) and 0 < value.size <= 4 and np.isfinite(value).all():
        return tuple(int(number) for number in value.reshape(-1))
    if default is None:
        raise Damaged(f"a layer without {key}")
    return default


def _meta(net: dict[str, Any]) -> dict[str, Any]:
    """Where the file tells of its input and classes: in `meta`, and beside the layers before beta 17."""
    meta = net["meta"][0] if _is_struct(net.get("meta")) else net
    return {key: _struct(meta.get(key)) for key in ("normalization", "classes")}


def _struct(value: Any) -> dict[str, Any]:
    found = value[0] if _is_struct(value) else {}
    assert isinstance(found, dict)
    return found


def _facts(meta: dict[str, Any]) -> dict[str, Fact]:
    facts = convention("mat") | {"flatten": Fact("CHW", "MatConvNet's convention")}
    normalization = meta["normalization"]
    size = normalization.get("imageSize")
    if isinstance(size, np.ndarray) and size.size >= 2 and 0 < size.reshape(-1)[0] < 10_000:
        facts["size"] = Fact(int(size.reshape(-1)[0]), SOURCE)
        border = normalization.get("border")
        if isinstance(border, np.ndarray) and border.size and 0 <= border.reshape(-1)[0] < 10_000:
            facts["resize"] = Fact(int(size.reshape(-1)[0] + border.reshape(-1)[0]), SOURCE)
    keep = normalization.get("keepAspect")
    if isinstance(keep, np.ndarray) and keep.size:
        facts["fit"] = Fact("short" if keep.reshape(-1)[0] else "warp", SOURCE)
    facts |= _mean(normalization.get("averageImage"))
    labels = meta["classes"].get("description")
    if isinstance(labels, list) and labels and all(isinstance(label, str) for label in labels):
        facts["labels"] = Fact(tuple(labels), SOURCE)
    return facts


def _mean(average: Any) -> dict[str, Fact]:
    """What is subtracted: one value per channel, or an image as large as the input."""
    if not isinstance(average, np.ndarray) or average.dtype.kind not in "fiu" or not average.size:
        return {}
    if average.size == 3:
        return {"mean": Fact(tuple(float(value) for value in average.reshape(-1)), SOURCE)}
    if average.ndim == 3 and average.shape[0] == average.shape[1] and average.shape[2] == 3:
        return {"mean_image": Fact(np.ascontiguousarray(average, dtype=np.float32), SOURCE)}
    return {}
