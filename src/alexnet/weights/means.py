"""Mean images that lie beside a file of weights."""

from math import prod
from pathlib import Path

import numpy as np

from alexnet.errors import UnreadableWeights
from alexnet.weights.formats import caffemodel, npy
from alexnet.weights.mapped import mapped
from alexnet.weights.raw import Damaged, Fact, reading


def read_mean(path: Path) -> Fact:
    """Read a mean image: `mean.binaryproto`, or `ilsvrc_2012_mean.npy`; (S, S, 3) float32, RGB, 0-255.

    Raises:
        UnreadableWeights: it is neither.
    """
    data = mapped(path)
    if bytes(data[:6]) == b"\x93NUMPY":
        with reading(path):
            image = _npy(data)
    else:
        image = caffemodel.read_mean(path)
    if not np.isfinite(image).all():
        raise UnreadableWeights(f"{path} holds values that are not finite. Get an undamaged copy.")
    return Fact(image, f"{path.name}, as asked")


def _npy(data: memoryview) -> np.ndarray:
    dtype, shape, is_fortran, start = npy.header(data)
    if len(shape) != 3 or shape[0] != 3 or shape[1] != shape[2] or dtype.kind not in "fiu":
        raise Damaged(f"an array of {dtype} and shape {shape}, and a mean image has (3, S, S)")
    if prod(shape) * dtype.itemsize != len(data) - start:
        raise Damaged(f"an array of shape {shape} in {len(data) - start} bytes")
    planes = np.frombuffer(data[start:], dtype).reshape(shape, order="F" if is_fortran else "C")
    with np.errstate(over="ignore"):  # what float32 cannot hold is found to be infinite
        return np.ascontiguousarray(planes[::-1].transpose(1, 2, 0), dtype=np.float32)
