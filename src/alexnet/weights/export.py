"""`Weights` into anybody's format."""

from collections.abc import Callable
from pathlib import Path

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


WRITERS: dict[str, Callable[[Weights, Path], list[str]]] = {
    ".safetensors": _safetensors,
    ".caffemodel": caffemodel_writer.write,
    ".npy": npy.write,
    ".onnx": onnx_writer.write,
    ".pth": pth.write,
}


def write_weights(weights: Weights, path: Path) -> list[str]:
    """Write one file, whole or not at all; its suffix says the format. A caffemodel gets its `.prototxt` beside it.

    Returns:
        What the format cannot hold, a line each; nothing for safetensors.

    Raises:
        UsageError: no format is called so, or it cannot hold this lineage.
        WeightsError: the file cannot be written, or the weights are not those of their lineage.
    """
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        raise UsageError(f"{path} names no format that can be written. Choose a suffix of {', '.join(WRITERS)}.")
    validate(weights.tensors, weights.lineage, weights.labels, path)
    lost: list[str] = []
    with writing(path, WeightsError):
        replace_file(path, lambda aside: lost.extend(write(weights, aside)))
        if path.suffix.lower() == ".caffemodel":  # nobody can use the one without the other
            replace_text(path.with_suffix(".prototxt"), prototxt(weights.lineage, weights.preprocessing.size))
    return lost
