"""Nets as MatConvNet's importer writes them, for `scipy.io.savemat`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracles.narrow_nets import Arrays


def cell(values: list[Any]) -> NDArray[Any]:
    found = np.empty((1, len(values)), dtype=object)
    found[0] = values
    return found


def matconvnet(
    arrays: Arrays, *, pool_first: bool = False, old: bool = False, size: int = 67, **edits: Any
) -> dict[str, Any]:
    """A net as MatConvNet's importer writes it; `old` as before beta 10 and 17."""

    def conv(
        name: str, weight: NDArray[np.float32], bias: NDArray[np.float32], stride: int = 1, pad: int = 0
    ) -> dict[str, Any]:
        kernels = np.asfortranarray(weight.transpose(2, 3, 1, 0))
        row = bias.reshape(1, -1)
        pair: dict[str, Any] = {"filters": kernels, "biases": row} if old else {"weights": cell([kernels, row])}
        return {
            "type": "conv",
            "name": name,
            **pair,
            "stride": np.array([[stride]] * 2, float).T,
            "pad": np.full((1, 4), float(pad)),
        }

    def pool(name: str) -> dict[str, Any]:
        ends = edits.get("pool_pad", [[0, 1, 0, 1]])
        return {
            "type": "pool",
            "name": name,
            "method": "max",
            "pool": [[3.0, 3.0]],
            "stride": [[2.0, 2.0]],
            "pad": np.array(ends, float),
        }

    def norm(name: str) -> dict[str, Any]:
        return {
            "type": "normalize",
            "name": name,
            "param": np.array([[5, 1, 1e-4 / 5, 0.75]], edits.get("param", np.float32)),
        }

    layers: list[Any] = []
    for number, (stride, pad) in enumerate([(4, 0), (1, 2), (1, 1), (1, 1), (1, 1)], start=1):
        weight, bias = arrays[f"conv{number}.weight"], arrays[f"conv{number}.bias"]
        if number == 1 and weight.shape[1] == 3:
            weight = weight[:, ::-1]  # BGR, as Caffe had it, to RGB
        layers += [conv(f"conv{number}", weight, bias, stride, pad), {"type": "relu", "name": f"relu{number}"}]
        if number < 3:
            both = [norm(f"norm{number}"), pool(f"pool{number}")]
            layers += both[::-1] if pool_first else both
    layers.append(pool("pool5"))
    channels = len(arrays["conv5.weight"])
    for number in (6, 7, 8):
        weight = arrays[f"fc{number}.weight"]
        side = int((weight.shape[1] / channels) ** 0.5) if number == 6 else 1
        layers.append(conv(f"fc{number}", weight.reshape(len(weight), -1, side, side), arrays[f"fc{number}.bias"]))
        if number < 8:
            layers.append({"type": "relu", "name": f"relu{number}"})
    layers.append({"type": "softmax", "name": "prob"})
    mean = np.random.default_rng(3).uniform(90, 130, (size, size, 3)).astype(np.float32)
    normalization = {"imageSize": [[float(size), float(size), 3.0]], "averageImage": mean, "interpolation": "bicubic",
                     "keepAspect": 0.0, "border": [[13.0, 13.0]]}  # fmt: skip
    classes = {"name": cell([f"n{i:08}" for i in range(10)]), "description": cell([f"class {i}" for i in range(10)])}
    about = {"normalization": normalization, "classes": classes}
    return {"layers": cell(layers), **(about if old else {"meta": about})}
