"""A file of weights in anybody's format, to `Weights`: recognised, read, identified, arranged, validated."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from alexnet.weights.arrange import arrange
from alexnet.weights.formats import caffe2, caffemodel, cuda_convnet, foreign_safetensors, mat, npy, onnx, pth, theano
from alexnet.weights.identity import Identity, identify
from alexnet.weights.means import MeanSource, read_mean
from alexnet.weights.raw import Raw
from alexnet.weights.recognize import recognize
from alexnet.weights.validate import validate
from alexnet.weights.weights import Weights

READERS: dict[str, Callable[[Path], Raw]] = {
    "caffe2": caffe2.read,
    "caffemodel": caffemodel.read,
    "cuda-convnet": cuda_convnet.read,
    "mat": mat.read,
    "npy": npy.read,
    "onnx": onnx.read,
    "pth": pth.read,
    "safetensors": foreign_safetensors.read,
    "theano": theano.read,
}


class Foreign(NamedTuple):
    """A foreign file: what it holds, what it is and from where we know, and what it says in its own words."""

    weights: Weights
    identity: Identity
    raw: Raw


def read_foreign(
    path: Path,
    lineage: str | None = None,
    *,
    mean: MeanSource | None = None,
    external: Path | None = None,
    known_as: str | None = None,
) -> Foreign:
    """Read a file of weights that is not of our own making.

    Args:
        lineage: what the user says it is; needed where the file cannot tell, checked where it can.
        mean: what is subtracted, see `read_mean`; wins over what the file says.
        external: folder where an ONNX file may keep its weights.
        known_as: lineage of the published file that it is called by; taken where nothing else tells.

    Raises:
        UnreadableWeights: it is no file of weights, or a damaged one.
        ShapeMismatch: it is no AlexNet that we know, or not the one that was asked for.
        UsageError: it cannot tell which AlexNet it is, and nobody said.
    """
    raw = read_raw(path, external)
    identity = identify(raw, lineage, None if mean is None else read_mean(mean), known_as)
    tensors = arrange(raw, identity.lineage)
    validate(tensors, identity.lineage, identity.labels, path)
    provenance = dict(raw.provenance) or {"source": path.name, "format": raw.format, "facts": identity.to_dict()}
    weights = Weights(tensors, identity.lineage, identity.labels, identity.preprocessing, provenance)
    return Foreign(weights, identity, raw)


def read_raw(path: Path, external: Path | None = None) -> Raw:
    """Read what a foreign file says, nothing decided.

    Args:
        external: folder where an ONNX file may keep its weights.

    Raises:
        UnreadableWeights: it is no file of weights, or a damaged one.
        ShapeMismatch: it is whole, and no AlexNet.
    """
    kind = recognize(path)
    return onnx.read(path, external) if kind == "onnx" else READERS[kind](path)
