"""`bvlc_alexnet.npy` and its kin: a pickled dict of arrays in numpy's container, as caffe-tensorflow writes it.

Layer name -> [weights, biases], or {"weights": ..., "biases": ...}. Convolutions lie (H, W, I, O), fully connected
layers (in, out), and the inputs of the first of these in the order H, W, C, not C, H, W.
"""

import re
from collections.abc import Iterator
from math import isqrt
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alexnet.weights.conventions import convention, for_convention
from alexnet.weights.dialects import CAFFE, position, spoken
from alexnet.weights.mapped import mapped
from alexnet.weights.pickles import PickledArray, read_pickle, unwrap
from alexnet.weights.raw import Damaged, Fact, NotAlexNet, Raw, RawLayer, reading
from alexnet.weights.weights import Weights

LONGEST = 4096  # bytes
SHAPE = r"\(([0-9]{0,12}(?:, ?[0-9]{1,12})*,?)\)"
HEADER = re.compile(
    rf"\{{'descr': '([<>|=]?(?:O|b1|[iu][1248]|f[248]))', 'fortran_order': (True|False), 'shape': {SHAPE}, \}}\s*"
)


def read(path: Path) -> Raw:
    """Read a pickled dict of layers; arrays are views of the file.

    Raises:
        UnreadableWeights: it is damaged, or its pickle asks for something else.
        ShapeMismatch: it holds one array, such as a mean image, and no network.
    """
    data = mapped(path)
    with reading(path):
        found = header(data)
        if found.dtype.kind != "O":
            raise NotAlexNet("one array and no dict of layers; if it is a mean image, give it beside the weights")
        tree = unwrap(read_pickle(data[found.start :], path))
        if not isinstance(tree, dict) or not tree:
            raise NotAlexNet(f"its pickle is a {type(tree).__name__}, not a dict of layers")
        arrays = {_text(name): _pair(_text(name), entry) for name, entry in tree.items()}
        dialect = spoken(arrays)
        order = sorted(arrays, key=lambda name: position(dialect.ours(name) or ""))
        layers = tuple(_in_order({name: arrays[name] for name in order}))
    facts = convention("npy") | {"flatten": Fact("HWC", "caffe-tensorflow's convention")}
    return Raw(path, "npy", layers, "a pickled dict", CAFFE.lineages, facts=facts)


class Header(NamedTuple):
    """What a NumPy file says of its array, and where that starts."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    is_fortran: bool
    start: int


def header(data: memoryview) -> Header:
    """The header of a NumPy file, matched and not evaluated as the Python text that it is.

    Raises:
        Damaged: it is none.
    """
    width = 2 if bytes(data[6:7]) == b"\1" else 4  # version 1 keeps the length in two bytes
    start = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
    found = HEADER.fullmatch(str(data[8 + width : min(start, LONGEST)], "latin1"))
    if found is None or start > len(data):
        raise Damaged("it begins as a NumPy array, and its header makes no sense")
    kind, order, numbers = found.groups()
    shape = tuple(int(number) for number in numbers.replace(",", " ").split())
    return Header(np.dtype(kind), shape, order == "True", start)


def write(weights: Weights, path: Path) -> list[str]:
    """Write what `np.load(path, allow_pickle=True, encoding="latin1").item()` gives to the code of 2015.

    Returns:
        What the file cannot hold.

    Raises:
        UsageError: the network has layers that are neither convolutions nor fully connected.
    """
    tensors, lost = for_convention(weights, "npy")
    layers: dict[str, list[np.ndarray]] = {}
    channels = 0
    for name in dict.fromkeys(key.rpartition(".")[0] for key in tensors):
        weight, bias = tensors[f"{name}.weight"].numpy(), tensors[f"{name}.bias"].numpy()
        if weight.ndim == 4:
            channels = len(weight)
            weight = weight.transpose(2, 3, 1, 0)
        else:
            weight = _rows_in_hwc(weight, channels) if channels else weight.T
            channels = 0
        layers[name] = [np.ascontiguousarray(weight), bias]
    wrapped = np.empty((), dtype=object)
    wrapped[()] = layers
    with path.open("wb") as file:
        np.save(file, wrapped, allow_pickle=True)
    return lost


def _rows_in_hwc(weight: np.ndarray, channels: int) -> np.ndarray:
    """(out, C*H*W) turned into (H*W*C, out)."""
    outputs, inputs = weight.shape
    side = isqrt(inputs // channels)
    return weight.reshape(outputs, channels, side, side).transpose(2, 3, 1, 0).reshape(inputs, outputs)


def _text(name: object) -> str:
    return name.decode("latin1") if isinstance(name, bytes) else str(name)


def _pair(name: str, entry: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Weights and biases, told apart by their dimensions, whatever they are called and in whatever order."""
    entry = unwrap(entry)
    values = list(entry.values()) if isinstance(entry, dict) else entry
    values = values if isinstance(values, list | tuple) else []
    arrays = [value.value for value in values if isinstance(value, PickledArray)]
    weights = [array for array in arrays if isinstance(array, np.ndarray) and array.ndim > 1]
    biases = [array for array in arrays if isinstance(array, np.ndarray) and array.ndim == 1]
    if len(weights) != 1 or len(biases) > 1 or len(weights) + len(biases) != len(arrays):
        raise Damaged(f"{name[:80]!r} is not a pair of weights and biases")
    return weights[0], biases[0] if biases else None


def _in_order(arrays: dict[str, tuple[np.ndarray, np.ndarray | None]]) -> Iterator[RawLayer]:
    """The layers, the first fully connected one re-wired from H, W, C."""
    channels = 0
    for name, (weight, bias) in arrays.items():
        if weight.ndim == 4:
            channels = weight.shape[-1]
            yield RawLayer(name, weight, "HWIO", bias)
        elif weight.ndim == 2:
            kernel = _as_kernel(weight, channels)
            yield RawLayer(name, weight, "IO", bias) if kernel is None else RawLayer(name, kernel, "HWIO", bias)
            channels = 0
        else:
            raise Damaged(f"{name[:80]!r} has weights of shape {weight.shape}")


def _as_kernel(weight: np.ndarray, channels: int) -> np.ndarray | None:
    """Rows in the order H, W, C as the (H, W, C, out) kernel that they are; None behind another matrix."""
    if not channels or weight.shape[0] % channels:
        return None
    side = isqrt(weight.shape[0] // channels)
    return weight.reshape(side, side, channels, -1) if side * side * channels == weight.shape[0] else None
