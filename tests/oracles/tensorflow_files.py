"""Layers as caffe-tensorflow lays them out."""

import numpy as np
from numpy.typing import NDArray

Layers = dict[str, list[NDArray[np.float32]]]


def as_tensorflow(arrays: dict[str, NDArray[np.float32]], rewire: bool = True) -> Layers:
    """The layers as caffe-tensorflow lays them out, written with loops of its own."""
    layers: Layers = {}
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"):
        weight, bias = arrays[f"{name}.weight"], arrays[f"{name}.bias"]
        if name.startswith("conv"):
            turned = np.stack([np.moveaxis(kernel, 0, -1) for kernel in weight], axis=-1)
        elif name == "fc6" and rewire:
            channels = arrays["conv5.weight"].shape[0]
            side = int((weight.shape[1] / channels) ** 0.5)
            turned = np.empty((weight.shape[1], weight.shape[0]), np.float32)
            for y in range(side):
                for x in range(side):
                    for c in range(channels):
                        turned[(y * side + x) * channels + c] = weight[:, c * side * side + y * side + x]
        else:
            turned = weight.T
        layers[name] = [np.ascontiguousarray(turned), bias]
    return layers
