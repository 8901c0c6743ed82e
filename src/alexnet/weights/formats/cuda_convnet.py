"""Pickled nets of cuda-convnet: a checkpoint of Krizhevsky's programs, or DeCAF's bare list of layers.

Two towers are two layers of each kind, `conv1a` and `conv1b`. Joined along their outputs, a first, they are our
grouped layers; a layer that sees both towers has a matrix for each, in the order of its own `inputs`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.lineages.spec import Conv, Layer, Linear
from alexnet.weights.formats.cuda_rows import DROPOUT, plain_row
from alexnet.weights.mapped import mapped
from alexnet.weights.pickles import read_pickle, unwrap
from alexnet.weights.raw import Damaged, Fact, NotAlexNet, Raw, RawLayer, reading
from alexnet.weights.structure import with_activations

CudaLayer = dict[str, Any]
MAX_LAYERS = 500


def read(path: Path) -> Raw:
    """Read a net of cuda-convnet, its towers joined.

    Raises:
        UnreadableWeights: it is damaged, or its pickle asks for something else.
        ShapeMismatch: it holds something else.
    """
    data = mapped(path)
    with reading(path):
        tree = read_pickle(data, path)
        is_checkpoint = isinstance(tree, dict)
        net = _Net(_layers(tree))
        layers, rows = tuple(net.raw_layers()), tuple(with_activations(net.rows()))
    facts = {
        "order": Fact("RGB", "cuda-convnet's convention"),
        "range": Fact(255, "cuda-convnet's convention"),
        "flatten": Fact("CHW", "cuda-convnet's convention"),
    }
    if not is_checkpoint:
        facts["upright"] = Fact(True, "DeCAF was trained upside down; its kernels are turned here")
    detail = "a checkpoint" if is_checkpoint else "DeCAF's list of layers"
    return Raw(path, "cuda-convnet", layers, detail, rows=rows, facts=facts, upside_down=not is_checkpoint)


def _layers(tree: Any) -> dict[str, CudaLayer]:
    """The layers by name, in the order of the file, which is that of work."""
    state = tree.get("model_state", tree) if isinstance(tree, dict) else tree
    found = state.get("layers", state) if isinstance(state, dict) else state
    layers = list(found.values()) if isinstance(found, dict) else found
    if isinstance(tree, dict) and "neon_version" in tree:
        raise NotAlexNet("a net of Nervana's neon; export it to ONNX or take another copy of the weights")
    if not isinstance(layers, list) or not layers or not all(isinstance(layer, dict) for layer in layers):
        raise NotAlexNet("a pickle without cuda-convnet's list of layers")
    if len(layers) > MAX_LAYERS or any(not isinstance(layer.get("name"), str) for layer in layers):
        raise Damaged("layers without names, or too many")
    named = {layer["name"]: layer for layer in layers}
    return _in_order_of_work({name: {**layer, "inputs": _inputs(layer, layers)} for name, layer in named.items()})


def _inputs(layer: CudaLayer, layers: list[CudaLayer]) -> list[str]:
    """Names of the layers that a layer reads; the file has them as names or as places in the list."""
    entries = layer.get("inputs") or []
    names = []
    for entry in entries if isinstance(entries, list) else [None]:
        name = layers[entry]["name"] if isinstance(entry, int) and 0 <= entry < len(layers) else entry
        if not isinstance(name, str):
            raise Damaged(f"{layer['name'][:80]!r} reads from nowhere")
        names.append(name)
    return names


def _in_order_of_work(layers: dict[str, CudaLayer]) -> dict[str, CudaLayer]:
    """The layers, each behind those that it reads: a dict of Python 2 has no order."""
    ordered: dict[str, CudaLayer] = {}
    waiting = dict(layers)
    while waiting:
        ready = [name for name, layer in waiting.items() if all(source not in waiting for source in layer["inputs"])]
        if not ready:
            raise Damaged("its layers read from each other in a circle")
        for name in ready:
            ordered[name] = waiting.pop(name)
    return ordered


class _Net:
    def __init__(self, layers: dict[str, CudaLayer]) -> None:
        self._layers = layers
        self._groups = _tower_pairs(layers)
        self._towers = 2 if any(len(members) == 2 for members in self._groups.values()) else 1

    def raw_layers(self) -> Iterator[RawLayer]:
        for name, members in self._groups.items():
            parts = [self._matrix(self._layers[member]) for member in members]
            weight = _joined(parts, -1, name)  # along the outputs: that is the layout of groups=2
            bias = _joined([_array(self._layers[member], "biases").reshape(-1) for member in members], 0, name)
            axes = "IO" if weight.ndim == 2 else "IHWO"
            yield RawLayer(name, weight, axes, bias, self._scale(self._layers[members[0]]))  # type: ignore[arg-type]

    def rows(self) -> Iterator[Layer]:
        firsts = {members[0]: name for name, members in self._groups.items()}
        seconds = {member for members in self._groups.values() for member in members[1:]}
        for name, layer in self._layers.items():
            if name in firsts:
                yield self._weighted_row(firsts[name], layer)
            elif name not in seconds and self._tower(name) == 0:
                yield from plain_row(layer, self._towers if self._is_in_tower(name) else 1)

    def _weighted_row(self, name: str, layer: CudaLayer) -> Layer:
        members = self._groups[name]
        if layer["type"] == "fc":
            return Linear(name, int(layer.get("outputs", 0)), active=False)
        sees_own_tower = len(members) == 2 and len(layer["inputs"]) == 1 and self._is_in_tower(layer["inputs"][0])
        groups = 2 if sees_own_tower else _int(layer, "groups", 1)
        filters, size, stride = _int(layer, "filters"), _int(layer, "filterSize"), _int(layer, "stride", 1)
        padding = -_int(layer, "padding", 0)  # stored negative
        return Conv(name, filters * len(members), size, stride, padding, groups, ceil=True, active=False)

    def _matrix(self, layer: CudaLayer) -> np.ndarray:
        """All that a layer reads behind each other, tower a first: (I, H, W, O), or (I, O) for a full matrix."""
        matrices = _arrays(layer, "weights")
        if len(matrices) != len(layer["inputs"]) or not matrices:
            raise Damaged(f"{layer['name'][:80]!r} has {len(matrices)} matrices for {len(layer['inputs'])} inputs")
        if layer["type"] == "conv":
            matrices = [_kernels(layer, matrix) for matrix in matrices]
        order = sorted(range(len(matrices)), key=lambda index: self._tower(layer["inputs"][index]))
        return _joined([matrices[index] for index in order], 0, layer["name"])

    def _tower(self, name: str) -> int:
        """0 for tower a and what is in no tower, 1 for tower b."""
        source = self._source(name)
        return self._groups[_base(source, self._groups)].index(source) if source else 0

    def _is_in_tower(self, name: str) -> bool:
        source = self._source(name)
        return bool(source) and len(self._groups[_base(source, self._groups)]) == 2

    def _source(self, name: str) -> str:
        """The layer with weights that a layer is, or stands behind; "" for data."""
        for _ in range(len(self._layers) + 1):
            layer = self._layers.get(name)
            if layer is None:
                return ""
            if layer.get("type") in ("conv", "fc"):
                return name
            if not layer["inputs"]:
                return ""
            name = layer["inputs"][0]
        return ""

    def _scale(self, layer: CudaLayer) -> float:
        """What a layer behind old dropout, which does not rescale in training, is multiplied by: half."""
        before = self._layers.get(layer["inputs"][0]) if layer["inputs"] else None
        return float(before.get("keep", 0.5)) if before is not None and before.get("type") == DROPOUT else 1.0


def _tower_pairs(layers: Mapping[str, CudaLayer]) -> dict[str, tuple[str, ...]]:
    """Layers with weights by their name without the letter of a tower: {"conv1": ("conv1a", "conv1b"), ...}."""
    groups: dict[str, tuple[str, ...]] = {}
    for name, layer in layers.items():
        if layer.get("type") not in ("conv", "fc"):
            continue
        base = name[:-1]
        is_pair = {f"{base}a", f"{base}b"} <= layers.keys()
        if is_pair and name.endswith(("a", "b")):
            groups[base] = (f"{base}a", f"{base}b")
        else:
            groups[name] = (name,)
    return groups


def _base(name: str, groups: Mapping[str, tuple[str, ...]]) -> str:
    return next(base for base, members in groups.items() if name in members)


def _kernels(layer: CudaLayer, matrix: np.ndarray) -> np.ndarray:
    """Rows of a matrix, channel, y, x, as kernels (I, H, W, O)."""
    size = _int(layer, "filterSize")
    inputs, rest = divmod(matrix.shape[0], size * size) if size > 0 else (0, 1)
    if rest or not inputs:
        raise Damaged(f"{layer['name'][:80]!r} has a matrix of shape {matrix.shape} for kernels of {size}x{size}")
    return matrix.reshape(inputs, size, size, -1)


def _arrays(layer: CudaLayer, key: str) -> list[np.ndarray]:
    values = unwrap(layer.get(key))
    arrays = [unwrap(value) for value in (values if isinstance(values, list) else [values])]
    if not all(isinstance(array, np.ndarray) and array.ndim == 2 for array in arrays):
        raise Damaged(f"{layer['name'][:80]!r} has no matrices under {key!r}")
    return arrays


def _joined(arrays: list[np.ndarray], axis: int, name: str) -> np.ndarray:
    """The arrays behind each other; the array itself, and no copy, where there is one."""
    shapes = {tuple(np.delete(array.shape, axis)) for array in arrays}
    if len(shapes) > 1:
        raise Damaged(f"the parts of {name[:80]!r} have shapes {[array.shape for array in arrays]}")
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis)


def _array(layer: CudaLayer, key: str) -> np.ndarray:
    arrays = _arrays(layer, key)
    if len(arrays) != 1:
        raise Damaged(f"{layer['name'][:80]!r} has {len(arrays)} arrays under {key!r}")
    return arrays[0]


def _int(layer: CudaLayer, key: str, default: int | None = None) -> int:
    """A number that the file has once, or once for each input."""
    value = layer.get(key, default)
    value = value[0] if isinstance(value, list) and value else value
    if not isinstance(value, int | float) or not -1000 < value < 1_000_000:
        raise Damaged(f"{layer['name'][:80]!r} has no {key}")
    return int(value)
