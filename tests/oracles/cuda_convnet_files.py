"""Nets as cuda-convnet keeps them: Krizhevsky's two towers, and DeCAF's list of layers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracles.narrow_nets import Arrays

Layer = dict[str, Any]


def matrix(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """cuda-convnet's matrix of a convolution: row c*f*f + y*f + x, a column for each filter."""
    outputs, channels, size, _ = weight.shape
    found = np.empty((channels * size * size, outputs), np.float32)
    for c in range(channels):
        for y in range(size):
            for x in range(size):
                found[c * size * size + y * size + x] = weight[:, c, y, x]
    return found


def conv(
    name: str, inputs: list[str], weights: list[NDArray[np.float32]], bias: NDArray[np.float32], **numbers: int
) -> Layer:
    size = weights[0].shape[2]
    return {
        "type": "conv", "name": name, "inputs": inputs, "weights": [matrix(weight) for weight in weights],
        "biases": bias.reshape(-1, 1), "filterSize": [size] * len(inputs), "filters": len(bias),
        "channels": [weight.shape[1] for weight in weights], "padding": [-numbers.get("pad", 0)] * len(inputs),
        "stride": [numbers.get("stride", 1)] * len(inputs), "groups": [numbers.get("groups", 1)] * len(inputs),
        "weightsInc": [np.zeros_like(matrix(weight)) for weight in weights], "sharedBiases": True,
    }  # fmt: skip


def fc(name: str, inputs: list[str], weights: list[NDArray[np.float32]], bias: NDArray[np.float32]) -> Layer:
    return {
        "type": "fc", "name": name, "inputs": inputs, "weights": [np.ascontiguousarray(weight.T) for weight in weights],
        "biases": bias.reshape(1, -1), "outputs": len(bias),
    }  # fmt: skip


def other(kind: str, name: str, *inputs: str, **numbers: Any) -> Layer:
    return {"type": kind, "name": name, "inputs": list(inputs), **numbers}


def relu(name: str, source: str) -> Layer:
    return other("neuron", name, source, neuron={"type": "relu", "params": {}})


def norm(name: str, source: str, **numbers: float) -> Layer:
    return other("cmrnorm", name, source, size=5, scale=1e-4 / 5, pow=0.75, **numbers)


def pool(name: str, source: str) -> Layer:
    return other("pool", name, source, pool="max", sizeX=3, stride=2, start=0)


def two_towers(arrays: Arrays, *, dropout: bool = True) -> list[Layer]:
    """Krizhevsky's net 145 from a joined one: spec 4f, in towers a and b."""
    layers = [other("data", "data"), other("data", "labels")]

    def half(name: str, tower: int, kind: str = "weight") -> NDArray[np.float32]:
        array = arrays[f"{name}.{kind}"]
        return np.split(array, 2)[tower]

    for tower, t in enumerate("ab"):
        layers.append(conv(f"conv1{t}", ["data"], [half("conv1", tower)], half("conv1", tower, "bias"), stride=4))
        layers += [
            norm(f"rnorm1{t}", f"conv1{t}", minDiv=2.0),
            pool(f"pool1{t}", f"rnorm1{t}"),
            relu(f"relu1{t}", f"pool1{t}"),
        ]
        layers.append(conv(f"conv2{t}", [f"relu1{t}"], [half("conv2", tower)], half("conv2", tower, "bias"), pad=2))
        layers += [relu(f"relu2{t}", f"conv2{t}"), norm(f"rnorm2{t}", f"relu2{t}", minDiv=2.0)]
        layers.append(other("rnorm", f"cnorm2{t}", f"rnorm2{t}", size=5, scale=1e-3 / 25, pow=0.75))
        layers.append(pool(f"pool2{t}", f"cnorm2{t}"))
    for tower, t in enumerate("ab"):
        inputs = np.split(half("conv3", tower), 2, axis=1)
        layers.append(conv(f"conv3{t}", ["pool2a", "pool2b"], inputs, half("conv3", tower, "bias"), pad=1))
        layers.append(relu(f"relu3{t}", f"conv3{t}"))
        for number, before in ((4, "relu3"), (5, "relu4")):
            own = half(f"conv{number}", tower)
            layers.append(conv(f"conv{number}{t}", [before + t], [own], half(f"conv{number}", tower, "bias"), pad=1))
            if number == 4:
                layers.append(relu(f"relu4{t}", f"conv4{t}"))
        layers += [pool(f"pool3{t}", f"conv5{t}"), relu(f"relu5{t}", f"pool3{t}")]
    drop = "hs" if dropout else "neuron"
    factor = np.float32(2 if dropout else 1)  # old dropout leaves the next layer twice the weights that ours has
    for tower, t in enumerate("ab"):
        columns = np.split(half("fc6", tower), 2, axis=1)
        layers.append(fc(f"fc2048{t}", ["relu5a", "relu5b"], columns, half("fc6", tower, "bias")))
        layers += [relu(f"relu6{t}", f"fc2048{t}")]
        keep: dict[str, Any] = {"keep": 0.5} if dropout else {"neuron": {"type": "dropout", "params": {"d": 0.5}}}
        layers.append(other(drop, f"hs1{t}", f"relu6{t}", **keep))
    for tower, t in enumerate("ab"):
        columns = [part * factor for part in np.split(half("fc7", tower), 2, axis=1)]
        order = ["hs1a", "hs1b"] if t == "a" else ["hs1b", "hs1a"]  # trap 29
        layers.append(fc(f"fc2048b{t}", order, columns if t == "a" else columns[::-1], half("fc7", tower, "bias")))
        layers += [relu(f"relu7{t}", f"fc2048b{t}"), other(drop, f"hs2{t}", f"relu7{t}", **keep)]
    columns = [part * factor for part in np.split(arrays["fc8.weight"], 2, axis=1)]
    layers.append(fc("fc1000", ["hs2a", "hs2b"], columns, arrays["fc8.bias"]))
    return [*layers, other("softmax", "probs", "fc1000"), other("cost.logreg", "logprob", "labels", "probs")]


def checkpoint(layers: list[Layer], as_dict: bool) -> dict[bytes, Any]:
    """`model_state` around the layers: by name in 2012, in a list with places for inputs before."""
    found: Any = {layer["name"]: layer for layer in layers}
    if not as_dict:
        places = {layer["name"]: place for place, layer in enumerate(layers)}
        found = [{**layer, "inputs": [places[name] for name in layer["inputs"]]} for layer in layers]
    return {b"model_state": {b"layers": found, b"epoch": 90, b"train_outputs": [({b"logprob": [1.5, 0.4]}, 128)]}}


def in_bytes(tree: Any) -> Any:
    """The tree with its text as str of Python 2."""
    match tree:
        case str():
            return tree.encode()
        case dict():
            return {in_bytes(key): in_bytes(value) for key, value in tree.items()}
        case list():
            return [in_bytes(value) for value in tree]
        case tuple():
            return tuple(map(in_bytes, tree))
    return tree


def decaf(arrays: Arrays) -> list[Layer]:
    """DeCAF's one tower, which pools before it normalises, from a net for upright pictures."""
    layers = [other("data", "data")]
    source, order = "data", ["conv1", "conv2", "conv3", "conv4", "conv5"]
    numbers: list[dict[str, int]] = [
        {"stride": 4},
        {"pad": 2, "groups": 2},
        {"pad": 1},
        {"pad": 1, "groups": 2},
        {"pad": 1, "groups": 2},
    ]
    for name, number in zip(order, numbers, strict=True):
        upside_down = arrays[f"{name}.weight"][:, :, ::-1]
        layers += [conv(name, [source], [upside_down], arrays[f"{name}.bias"], **number), relu(f"{name}_neuron", name)]
        source = f"{name}_neuron"
        if name in ("conv1", "conv2"):
            layers += [pool(f"pool{name[-1]}", source), norm(f"rnorm{name[-1]}", f"pool{name[-1]}")]
            source = f"rnorm{name[-1]}"
    layers.append(pool("pool5", source))
    source = "pool5"
    for name in ("fc6", "fc7", "fc8"):
        weight = arrays[f"{name}.weight"]
        if name == "fc6":
            side = int((weight.shape[1] / len(arrays["conv5.weight"])) ** 0.5)
            weight = weight.reshape(len(weight), -1, side, side)[:, :, ::-1].reshape(weight.shape)
        layers += [fc(name, [source], [weight], arrays[f"{name}.bias"]), relu(f"{name}_neuron", name)]
        layers.append(
            other("neuron", f"{name}dropout", f"{name}_neuron", neuron={"type": "dropout", "params": {"d": 0.5}})
        )
        source = f"{name}dropout"
    return [*layers[:-2], other("softmax", "probs", "fc8")]
