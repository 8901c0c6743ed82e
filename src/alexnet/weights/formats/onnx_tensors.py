"""The arrays of an ONNX file: inside it, or beside it where the reader was given a folder."""

from math import prod
from pathlib import Path

import numpy as np

from alexnet.errors import UnreadableWeights
from alexnet.weights.formats.onnx_messages import DTYPES, EXTERNAL
from alexnet.weights.formats.wire import Message
from alexnet.weights.mapped import mapped
from alexnet.weights.raw import Damaged, NotAlexNet


def array(tensor: Message, path: Path, folder: Path | None) -> np.ndarray:
    """The array of a TensorProto; a view of its file where it is raw.

    Args:
        folder: where external data may lie; None refuses it.

    Raises:
        UnreadableWeights: external data, and no folder or a place outside it.
        Damaged: shape and data do not agree.
        NotAlexNet: numbers of a type that weights do not come in.
    """
    kind = tensor.get("data_type", 0)
    if kind not in DTYPES:
        raise NotAlexNet(f"{tensor.get('name', '')[:80]!r} holds numbers of ONNX type {kind} (a quantized net?)")
    shape = tuple(tensor.get("dims", ()))
    data = _data(tensor, np.dtype(DTYPES[kind]), path, folder)
    if any(size < 0 for size in shape) or prod(shape) != len(data):
        raise Damaged(f"{tensor.get('name', '')[:80]!r} says that its shape is {shape}, and holds {len(data)} numbers")
    return data.reshape(shape)


def _data(tensor: Message, dtype: np.dtype, path: Path, folder: Path | None) -> np.ndarray:
    if tensor.get("data_location") == EXTERNAL:
        return _raw(_external(tensor, path, folder), dtype)
    if tensor.get("raw_data"):
        return _raw(tensor["raw_data"][-1], dtype)
    chunks = tensor.get("double_data" if dtype.itemsize == 8 and dtype.kind == "f" else "float_data", [])
    if dtype.kind == "i":
        return np.array(tensor.get("int64_data", []), dtype)
    return chunks[0] if len(chunks) == 1 else np.concatenate([np.empty(0, dtype), *chunks])


def _raw(data: memoryview, dtype: np.dtype) -> np.ndarray:
    if len(data) % dtype.itemsize:
        raise Damaged("raw data is no whole number of values")
    return np.frombuffer(data, dtype)


def _external(tensor: Message, path: Path, folder: Path | None) -> memoryview:
    """The bytes of a tensor that lies in another file, which must be inside the folder that was named."""
    said = {entry.get("key", ""): entry.get("value", "") for entry in tensor.get("external_data", [])}
    if folder is None:
        raise UnreadableWeights(
            f"{path} keeps its weights in another file, {said.get('location', '')[:200]!r}, which is not opened "
            "unasked. If you trust it, name the folder that it may be in: --external FOLDER."
        )
    place = (folder / said.get("location", "")).resolve()
    if not place.is_relative_to(folder.resolve()) or not place.is_file():
        raise UnreadableWeights(f"{path} asks for {said.get('location', '')[:200]!r}, which is no file in {folder}.")
    data = mapped(place)
    try:
        start = int(said.get("offset", "0"))
        end = start + int(said["length"]) if "length" in said else len(data)
    except ValueError:
        raise Damaged("external data at a place that is no number") from None
    if not 0 <= start <= end <= len(data):
        raise Damaged(f"external data at {start} to {end} of a file of {len(data)} bytes")
    return data[start:end]
