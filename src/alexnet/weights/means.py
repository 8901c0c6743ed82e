"""Mean images that lie beside a file of weights."""

from pathlib import Path

import numpy as np

from alexnet.errors import UnreadableWeights
from alexnet.weights.formats import caffemodel
from alexnet.weights.mapped import mapped
from alexnet.weights.raw import Fact

SHAPES = "Expected the three planes of a square image, (3, S, S), as Caffe keeps them (BGR, 0-255)."


def read_mean(path: Path) -> Fact:
    """Read a mean image: `mean.binaryproto`, or `ilsvrc_2012_mean.npy`; (S, S, 3) float32, RGB, 0-255.

    Raises:
        UnreadableWeights: it is neither.
    """
    data = mapped(path)
    image = _npy(path) if bytes(data[:6]) == b"\x93NUMPY" else caffemodel.read_mean(path)
    if not np.isfinite(image).all():
        raise UnreadableWeights(f"{path} holds values that are not finite. Get an undamaged copy.")
    return Fact(image, f"{path.name}, as asked")


def _npy(path: Path) -> np.ndarray:
    try:
        planes = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UnreadableWeights(f"{path} is no mean image ({error}). {SHAPES}") from error
    if planes.ndim != 3 or len(planes) != 3 or planes.shape[1] != planes.shape[2] or planes.dtype.kind not in "fiu":
        raise UnreadableWeights(f"{path} holds an array of shape {planes.shape}. {SHAPES}")
    return np.ascontiguousarray(planes[::-1].transpose(1, 2, 0), dtype=np.float32)
