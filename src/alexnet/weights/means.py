"""What is subtracted from pictures, where a file of weights does not carry it: a mean image, or three numbers."""

import math
import re
from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np

from alexnet.errors import UnreadableWeights, UsageError
from alexnet.weights import decaf_meta
from alexnet.weights.caches import find_here
from alexnet.weights.caffe_extras import MEAN, is_gzip, member
from alexnet.weights.formats import caffemodel, npy
from alexnet.weights.formats.mat5 import read_mat
from alexnet.weights.mapped import mapped
from alexnet.weights.raw import Damaged, Fact, reading
from alexnet.weights.registry import FILES, not_here

MeanSource = str | Path | Sequence[float]
NUMBER = r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?"
THREE = re.compile(rf"\s*{NUMBER}\s*(?:[,\s]\s*{NUMBER}\s*){{2}}")


def read_mean(source: MeanSource) -> Fact:
    """Return what `source` says is subtracted, RGB, 0-255: an image (S, S, 3) float32, or three numbers.

    Args:
        source: a file (`mean.binaryproto`, planes in a `.npy` as `ilsvrc_2012_mean.npy` has them, `places_mean.mat`,
            the archive `caffe_ilsvrc12.tar.gz`, or DeCAF's `.meta`); the name of a registered one; three numbers, red,
            green and blue, as numbers or as text ("123,117,104").

    Raises:
        UsageError: it is none of these, or a registered mean that is not on this machine.
        UnreadableWeights: the file is no mean image.
    """
    if not isinstance(source, str | Path):
        return _three(source, str(source))
    if isinstance(source, str) and THREE.fullmatch(source):
        return _three([float(number) for number in re.split(r"[,\s]+", source.strip())], source)
    path = _named(source) if isinstance(source, str) and source in FILES else Path(source).expanduser()
    if not path.is_file():
        raise UsageError(
            f"there is no mean {str(source)!r}: no such file. Name a mean.binaryproto, a .npy of planes, or three "
            "numbers, red, green and blue on 0..255, as in 123,117,104."
        )
    return Fact(_image(path), f"{path.name}, as asked")


def _three(numbers: Sequence[float], said: str) -> Fact:
    if len(numbers) != 3 or not all(math.isfinite(number) and 0 <= number <= 255 for number in numbers):
        raise UsageError(f"the mean is {said}; expected three numbers of 0..255, red, green and blue.")
    if 0 < max(numbers) <= 1:
        raise UsageError(f"the mean {said} seems to be on a scale of 0..1; multiply it by 255.")
    return Fact(tuple(float(number) for number in numbers), "as asked")


def _named(name: str) -> Path:
    if FILES[name].kind == "weights":
        raise UsageError(f"{name} is a file of weights and no mean. `alexnet weights list` names the kinds.")
    path = find_here(FILES[name])
    if path is None:
        raise not_here(FILES[name])
    return path


def _image(path: Path) -> np.ndarray:
    image = _read(path)
    if not np.isfinite(image).all():
        raise UnreadableWeights(f"{path} holds values that are not finite. Get an undamaged copy.")
    return image


def _read(path: Path) -> np.ndarray:
    """The image of a file in any format, by its first bytes."""
    if decaf_meta.is_pickle(path):
        return decaf_meta.read_mean(path)
    data = memoryview(member(path, MEAN)) if is_gzip(path) else mapped(path)
    beginning = bytes(data[:6])
    if beginning not in (b"\x93NUMPY", b"MATLAB"):
        return caffemodel.read_mean(path, data)
    with reading(path):
        return _npy(data) if beginning == b"\x93NUMPY" else _mat(data)


def _mat(data: memoryview) -> np.ndarray:
    """Caffe's mean for MATLAB: `image_mean` of rows, columns, BGR; since 2015 `mean_data` of columns, rows, BGR."""
    variables = read_mat(data)
    image, turned = variables.get("image_mean"), variables.get("mean_data")
    if isinstance(turned, np.ndarray) and turned.ndim == 3 and image is None:
        image = turned.transpose(1, 0, 2)
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape != (len(image), len(image), 3):
        raise Damaged("no variable image_mean of S x S x 3, as Caffe's mean images for MATLAB have")
    with np.errstate(over="ignore"):  # what float32 cannot hold is found to be infinite
        return np.ascontiguousarray(image[:, :, ::-1], dtype=np.float32)


def _npy(data: memoryview) -> np.ndarray:
    dtype, shape, is_fortran, start = npy.header(data)
    if len(shape) != 3 or shape[0] != 3 or shape[1] != shape[2] or dtype.kind not in "fiu":
        raise Damaged(f"an array of {dtype} and shape {shape}, and a mean image has (3, S, S)")
    if prod(shape) * dtype.itemsize != len(data) - start:
        raise Damaged(f"an array of shape {shape} in {len(data) - start} bytes")
    planes = np.frombuffer(data[start:], dtype).reshape(shape, order="F" if is_fortran else "C")
    with np.errstate(over="ignore"):  # what float32 cannot hold is found to be infinite
        return np.ascontiguousarray(planes[::-1].transpose(1, 2, 0), dtype=np.float32)
