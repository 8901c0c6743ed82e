"""Nets of theano_alexnet: a folder, or a zip archive, of one NumPy file per tensor.

`W_0_65.npy` holds the weights of layer 0 after epoch 65, `W0_1_65.npy` and `W1_1_65.npy` those of the two towers of
layer 1, `b...` their biases. Kernels lie (in, rows, columns, out) and fully connected layers (in, out), inputs in the
order C, H, W. Theano convolves and does not correlate, so kernels are turned by half a turn here; its dropout did not
rescale in training, so the layers behind it are halved.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from alexnet.weights.formats import npy
from alexnet.weights.mapped import mapped
from alexnet.weights.raw import Axes, Damaged, Fact, NotAlexNet, Raw, RawLayer, reading

CONVENTION = "theano_alexnet's convention"
PART = re.compile(r"(?P<kind>[Wb])(?P<tower>[01]?)_(?P<layer>[0-9]{1,2})_(?P<epoch>[0-9]{1,5})\.npy")
MEAN = "img_mean.npy"
LARGEST = 2**30  # bytes in all files together
PIECE = 2**20
DEFLATE_RATIO = 1100  # no stream of deflate's swells more
MAX_FILES = 1000
OURS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
BEHIND_DROPOUT = (6, 7)
KEEP = 0.5


class Part(NamedTuple):
    """What the name of a file says."""

    kind: str
    tower: str
    layer: int
    epoch: int


def part_of(name: str) -> Part | None:
    """What the name of a file says; None where it is no tensor of a net."""
    found = PART.fullmatch(name.rpartition("/")[2])
    return Part(found["kind"], found["tower"], int(found["layer"]), int(found["epoch"])) if found else None


def is_archive(names: list[str]) -> bool:
    """Whether files of these names are a net."""
    parts = [part for name in names if (part := part_of(name))]
    return {"W", "b"} <= {part.kind for part in parts}


def first_file(folder: Path) -> Path | None:
    """The file that stands for the net in a folder, of its latest epoch; None where there is no net."""
    parts = {path: part for path in folder.glob("W*_0_*.npy") if (part := part_of(path.name))}
    return max(parts, key=lambda path: parts[path].epoch, default=None)


def read(path: Path) -> Raw:
    """Read the net that a zip archive holds, or a folder one of whose files is `path`: of that file's epoch.

    Raises:
        UnreadableWeights: a tensor is damaged or missing.
        ShapeMismatch: there are more layers than an AlexNet has.
    """
    with reading(path):
        is_zip = zipfile.is_zipfile(path)
        arrays = _in_archive(path) if is_zip else _in_folder(path)
        named = part_of(path.name)
        parts = {part: array for name, array in arrays.items() if (part := part_of(name))}
        epoch = named.epoch if named else max(part.epoch for part in parts)
        tensors = {(part.kind, part.tower, part.layer): array for part, array in parts.items() if part.epoch == epoch}
        layers = tuple(_layers(tensors))
        facts = _facts() | _mean(arrays)
    detail = f"epoch {epoch}, {'a zip archive' if is_zip else 'a folder'} of tensors"
    return Raw(path, "theano", layers, detail, ("theano",), facts=facts)


def _facts() -> dict[str, Fact]:
    return {
        "order": Fact("RGB", CONVENTION),
        "range": Fact(255, CONVENTION),
        "flatten": Fact("CHW", CONVENTION),
        "kernels": Fact("turned by half a turn here", "Theano convolves"),
    }


def _in_folder(path: Path) -> dict[str, np.ndarray]:
    files = [other for other in path.parent.glob("*.npy") if part_of(other.name) or other.name == MEAN]
    if len(files) > MAX_FILES:
        raise Damaged(f"{len(files)} tensors")
    wanted = part_of(path.name)
    chosen = [file for file in files if not wanted or file.name == MEAN or _epoch(file.name) == wanted.epoch]
    return {file.name: _array(mapped(file), file.name) for file in chosen}


def _epoch(name: str) -> int:
    part = part_of(name)
    assert part is not None
    return part.epoch


def _in_archive(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {
                entry.filename.rpartition("/")[2]: entry
                for entry in archive.infolist()
                if (part_of(entry.filename) or entry.filename.rpartition("/")[2] == MEAN)
            }
            if len(entries) > MAX_FILES or sum(entry.file_size for entry in entries.values()) > LARGEST:
                raise Damaged("its tensors would be larger than any AlexNet's")
            return {name: _array(_unpacked(archive, entry), name) for name, entry in entries.items()}
    except (Damaged, NotAlexNet):
        raise
    except Exception as error:  # a directory or a stream that zipfile stumbles over in one of many ways
        raise Damaged(f"its archive makes no sense ({type(error).__name__}: {str(error)[:200]})") from error


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> memoryview:
    """The bytes of an entry, no more than it says to have."""
    if entry.file_size > DEFLATE_RATIO * entry.compress_size:
        raise Damaged(f"{entry.filename[:80]!r} says that it unpacks to {entry.file_size:,} bytes")
    content, at = memoryview(bytearray(entry.file_size)), 0  # filled in place: a read would hold it twice
    with archive.open(entry) as stream:
        while at < len(content):
            count = stream.readinto(content[at : at + PIECE])  # type: ignore[attr-defined]
            if not count:
                raise Damaged(f"{entry.filename[:80]!r} is shorter than it says")
            at += count
    return content


def _array(data: memoryview, name: str) -> np.ndarray:
    """One plain NumPy array, a view of the bytes."""
    if bytes(data[:6]) != b"\x93NUMPY":
        raise Damaged(f"{name} is no NumPy array")
    dtype, shape, is_fortran, start = npy.header(data)
    if dtype.kind not in "biuf":
        raise Damaged(f"{name} is an array of {dtype}")
    if prod(shape) * dtype.itemsize != len(data) - start:
        raise Damaged(f"{name} is an array of shape {shape} in {len(data) - start} bytes")
    return np.frombuffer(data[start:], dtype).reshape(shape, order="F" if is_fortran else "C")


Tensors = Mapping[tuple[str, str, int], np.ndarray]


def _layers(tensors: Tensors) -> Iterator[RawLayer]:
    indices = sorted({layer for _, _, layer in tensors})
    if not indices or indices != list(range(len(indices))) or len(indices) > len(OURS):
        raise NotAlexNet(f"tensors of layers {', '.join(map(str, indices)) or 'nobody'}; an AlexNet has 0 to 7")
    for index in indices:
        weight, bias = _joined(tensors, "W", index), _joined(tensors, "b", index)
        scale = KEEP if index in BEHIND_DROPOUT else 1.0
        name = f"W_{index}" if ("W", "", index) in tensors else f"W0_{index} and W1_{index}"
        if weight.ndim not in (2, 4) or bias.ndim != 1:
            raise Damaged(f"layer {index} has weights of shape {weight.shape} and biases of shape {bias.shape}")
        axes: Axes = "IHWO" if weight.ndim == 4 else "IO"
        turned = np.ascontiguousarray(weight[:, ::-1, ::-1]) if weight.ndim == 4 else weight
        yield RawLayer(name, turned, axes, bias, scale)


def _joined(tensors: Tensors, kind: str, index: int) -> np.ndarray:
    """A tensor, its two towers joined along the outputs, which lie last."""
    towers = [tensors[kind, tower, index] for tower in ("", "0", "1") if (kind, tower, index) in tensors]
    names = [tower for tower in ("", "0", "1") if (kind, tower, index) in tensors]
    if names not in ([""], ["0", "1"]):
        lacks = f"{kind}_{index}" if not names else f"one of {kind}0_{index} and {kind}1_{index}"
        raise Damaged(f"{lacks} is missing, or there twice")
    if len({(array.ndim, array.shape[:-1]) for array in towers}) > 1 or not towers[0].ndim:
        raise Damaged(f"the towers of {kind}_{index} have shapes {[array.shape for array in towers]}")
    return towers[0] if len(towers) == 1 else np.concatenate(towers, axis=-1)


def _mean(arrays: Mapping[str, np.ndarray]) -> dict[str, Fact]:
    """The mean image that was left beside the tensors, RGB planes."""
    planes = arrays.get(MEAN)
    if planes is None:
        return {}
    if planes.ndim != 3 or len(planes) != 3 or planes.shape[1] != planes.shape[2]:
        raise Damaged(f"{MEAN} has shape {planes.shape}, and a mean image has (3, S, S)")
    with np.errstate(over="ignore"):  # what float32 cannot hold is found to be infinite
        image = np.ascontiguousarray(planes.transpose(1, 2, 0), dtype=np.float32)
    if not np.isfinite(image).all():
        raise Damaged(f"{MEAN} holds values that are not finite")
    return {"mean_image": Fact(image, MEAN)}
