"""Nets of theano_alexnet: one NumPy file per tensor."""

import io
import zipfile
from pathlib import Path

import numpy as np

TOWERS = ("conv2", "conv4", "conv5")


Tensors = dict[str, np.ndarray]


def as_theano(arrays: dict[str, np.ndarray], epoch: int = 65) -> Tensors:
    """The tensors as theano_alexnet saves them, by file name; the inverse of what a reader has to do, with loops."""
    files: Tensors = {}
    for index, name in enumerate(("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")):
        weight, bias = arrays[f"{name}.weight"], arrays[f"{name}.bias"]
        if weight.ndim == 2:
            kept = weight.T.copy()
            if name in ("fc7", "fc8"):  # what inverted dropout has in the weights already
                kept *= 2
            files[f"W_{index}_{epoch}.npy"], files[f"b_{index}_{epoch}.npy"] = kept, bias
            continue
        outputs, inputs, size, _ = weight.shape
        kept = np.empty((inputs, size, size, outputs), np.float32)
        for row in range(size):
            for column in range(size):
                kept[:, size - 1 - row, size - 1 - column, :] = weight[:, :, row, column].T
        if name in TOWERS:
            half = outputs // 2
            files[f"W0_{index}_{epoch}.npy"], files[f"W1_{index}_{epoch}.npy"] = kept[..., :half], kept[..., half:]
            files[f"b0_{index}_{epoch}.npy"], files[f"b1_{index}_{epoch}.npy"] = bias[:half], bias[half:]
        else:
            files[f"W_{index}_{epoch}.npy"], files[f"b_{index}_{epoch}.npy"] = kept, bias
    return files


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def zipped(path: Path, files: Tensors, packed: bool = True, inside: str = "parameters_releasing/") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, array in files.items():
            archive.writestr(inside + name, npy(array))
    return path
