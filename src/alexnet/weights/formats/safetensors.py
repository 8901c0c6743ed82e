"""Weights of ours: one safetensors file that says everything about itself.

The header's metadata has one entry, `alexnet`, a JSON document: format, lineage, changes, labels, preprocessing,
provenance. One entry and not six, because safetensors writes several in an order that changes from process to process,
and the same weights should be the same bytes. The mean image is a tensor beside the weights.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from alexnet.data.preprocess import Preprocessing
from alexnet.errors import AlexNetError, UnreadableWeights, UsageError
from alexnet.lineages import Lineage, find, vary
from alexnet.weights.compact import compact, expand
from alexnet.weights.validate import validate
from alexnet.weights.weights import Weights

FORMAT = 1
KEY = "alexnet"
MEAN_IMAGE = "preprocessing.mean_image"  # (S, S, 3) float32, RGB, 0-255

# What people hand over in place of weights, by the first bytes of the file.
BEGINNINGS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file it points to: run `git lfs pull`"),
    (b"<", "a web page or XML, perhaps saved in place of the file: download it again"),
    (b"PK\x03\x04", "a zip archive, as torch.save writes"),
    (b"\x80", "a Python pickle"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8", "a JPEG picture"),
)


def write_safetensors(path: Path, weights: Weights, ranks: Mapping[str, int] | None = None) -> None:
    """Write `weights` to a file; the same weights make the same bytes.

    Args:
        ranks: store in 8 bits, with the matrices named here as products of this rank; None: as they are.
    """
    tensors = plain(weights.tensors if ranks is None else compact(weights.tensors, ranks))
    if weights.preprocessing.mean_image is not None:
        tensors[MEAN_IMAGE] = torch.tensor(weights.preprocessing.mean_image, dtype=torch.float32)
    save_file(tensors, path, {KEY: json.dumps(describe(weights), ensure_ascii=False)})


def plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as a file can hold them: on the CPU, dense, each with memory of its own."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def describe(weights: Weights) -> dict[str, Any]:
    """All that is not a tensor, as JSON.

    Raises:
        UsageError: the lineage is a table that this package does not know, so that no reader could rebuild it.
    """
    if _lineage(weights.lineage.name, dict(weights.lineage.changes)) != weights.lineage:
        raise UsageError(
            f"this network is called {weights.lineage.name!r} but its table is not that lineage's, "
            "so a file could not say what it is. Only the lineages of `alexnet lineages` can be saved."
        )
    return {
        "format": FORMAT,
        "lineage": weights.lineage.name,
        "changes": dict(weights.lineage.changes),
        "labels": list(weights.labels),
        "preprocessing": weights.preprocessing.to_dict(),
        "provenance": weights.provenance,
    }


def read_safetensors(path: Path) -> Weights:
    """Read a file that `write_safetensors` made; tensors come as float32.

    Raises:
        UnreadableWeights: another kind of file (says which), a damaged one, or one of a newer format.
        ShapeMismatch: its tensors do not belong to the lineage that it names.
    """
    document, tensors = _open(path)
    tensors = expand(tensors, path)
    mean_image = tensors.pop(MEAN_IMAGE).float().numpy() if MEAN_IMAGE in tensors else None
    try:
        lineage = _lineage(document["lineage"], document["changes"])
        preprocessing = Preprocessing.from_dict(document["preprocessing"], mean_image)
        labels, provenance = tuple(document["labels"]), dict(document["provenance"])
    except (KeyError, TypeError, ValueError, AlexNetError) as error:
        raise UnreadableWeights(
            f"{path}: its description of the network is damaged ({type(error).__name__}: {error}). "
            "Get an undamaged copy, or save the weights anew."
        ) from error
    validate(tensors, lineage, labels, path)
    return Weights(
        {name: tensor.float() for name, tensor in tensors.items()}, lineage, labels, preprocessing, provenance
    )


def _lineage(name: str, changes: Mapping[str, Any]) -> Lineage:
    return vary(find(name), **changes)


def _open(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The JSON document and the tensors of a file, neither checked beyond what safetensors checks."""
    try:
        with safe_open(path, framework="pt") as file:
            document = _document(path, file.metadata() or {})
            return document, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UnreadableWeights(
            f"{path} is not a file of weights: {_looks_like(path, error)}. "
            "Expected a model.safetensors that alexnet saved, the folder it is in, or a run folder."
        ) from error


def _document(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if KEY not in metadata:
        raise UnreadableWeights(
            f"{path}: a safetensors file, but not one that alexnet saved: it does not say which network, labels and "
            "preprocessing its tensors belong to."
        )
    try:
        document = json.loads(metadata[KEY])
        version = document["format"]
    except (ValueError, TypeError, KeyError):
        raise UnreadableWeights(f"{path}: its description of the network is damaged. Get another copy.") from None
    if version != FORMAT:
        raise UnreadableWeights(
            f"{path}: written in format {version}, and this alexnet reads format {FORMAT}. Upgrade alexnet to load it."
        )
    assert isinstance(document, dict)
    return document


def _looks_like(path: Path, error: Exception) -> str:
    """What a file that is not safetensors seems to be, from its first bytes."""
    try:
        with path.open("rb") as file:
            beginning = file.read(64)
    except OSError as cause:
        return f"it cannot be opened ({cause.strerror})"
    if not beginning:
        return "it is empty"
    for start, name in BEGINNINGS:
        if beginning.lstrip().startswith(start):
            return f"it looks like {name}"
    return f"it is damaged, cut short, or of another format ({error})"
