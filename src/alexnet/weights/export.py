"""`Weights` into anybody's format."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from alexnet.errors import UsageError, WeightsError
from alexnet.weights.durable import replace_file, writing
from alexnet.weights.formats import caffemodel_writer, npy, onnx_writer, pth
from alexnet.weights.formats.caffe_net import prototxt
from alexnet.weights.formats.safetensors import write_safetensors
from alexnet.weights.save import replace_text
from alexnet.weights.validate import validate
from alexnet.weights.weights import Weights


def _safetensors(weights: Weights, path: Path) -> list[str]:
    write_safetensors(path, weights)
    return []


Format = Literal["safetensors", "caffemodel", "npy", "onnx", "pth"]
WRITERS: dict[Format, Callable[[Weights, Path], list[str]]] = {
    "safetensors": _safetensors,
    "caffemodel": caffemodel_writer.write,
    "npy": npy.write,
    "onnx": onnx_writer.write,
    "pth": pth.write,
}
SUFFIXES: dict[str, Format] = {f".{format}": format for format in WRITERS}


def write_weights(weights: Weights, path: Path, format: Format | None = None) -> list[str]:
    """Write one file, whole or not at all. A caffemodel gets its `.prototxt` beside it.

    Args:
        format: None: as the suffix of `path` says.

    Returns:
        What the format cannot hold, a line each; nothing for safetensors.

    Raises:
        UsageError: no format is called so, or it cannot hold this lineage.
        WeightsError: the file cannot be written, or the weights are not those of their lineage.
    """
    chosen = format or SUFFIXES.get(path.suffix.lower())
    if chosen is None:
        raise UsageError(f"{path} names no format that can be written. Choose a suffix of {', '.join(SUFFIXES)}.")
    validate(weights.tensors, weights.lineage, weights.labels, path)
    lost: list[str] = []
    with writing(path, WeightsError):
        replace_file(path, lambda aside: lost.extend(WRITERS[chosen](weights, aside)))
        for beside in written_files(path, chosen)[1:]:  # nobody can use the one without the other
            replace_text(beside, prototxt(weights.lineage, weights.preprocessing.size))
    return lost


def written_files(path: Path, format: Format) -> tuple[Path, ...]:
    """What `write_weights` writes: the file, and a caffemodel's deploy file beside it."""
    return (path, path.with_suffix(".prototxt")) if format == "caffemodel" else (path,)
