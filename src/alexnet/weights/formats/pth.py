"""PyTorch's own files, zipped or of before 2020: tensors by name, read without running anything.

`weights_only=True` is written out: torch then obeys no more of a pickle than tensors need.
"""

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alexnet.errors import UnreadableWeights
from alexnet.weights.conventions import for_convention
from alexnet.weights.dialects import in_torchvision
from alexnet.weights.formats.state_dict import raw_of
from alexnet.weights.pickles import Ignored
from alexnet.weights.raw import Damaged, NotAlexNet, Raw, reading
from alexnet.weights.weights import Weights

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")
# What training scripts store beside the tensors; stand-ins that hold nothing are made in their place.
BESIDE = (
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype", "argparse.Namespace",
)  # fmt: skip


def read(path: Path) -> Raw:
    """Read a state dict, bare or wrapped in a checkpoint.

    Raises:
        UnreadableWeights: it is damaged, or asks for something that is no tensor.
        ShapeMismatch: it holds something else.
    """
    with reading(path):
        with path.open("rb") as file:
            is_zip = file.read(4) == b"PK\x03\x04"  # by which torch, too, decides
        if is_zip:
            _check_zip(path)
        tensors = _state_dict(_load(path))
        total = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        if total > path.stat().st_size:  # views of one small storage may claim any size
            raise Damaged(f"its tensors claim {total} bytes, more than the file has")
        return raw_of(tensors, path, "pth", "torch.save, zipped" if is_zip else "torch.save of before 2020")


def write(weights: Weights, path: Path) -> list[str]:
    """Write a state dict under torchvision's names, which `load_state_dict` of its `alexnet` takes.

    Returns:
        What the file cannot hold.

    Raises:
        UsageError: the network does not have torchvision's eight layers.
    """
    names = in_torchvision(weights.lineage)
    tensors, lost = for_convention(weights, "pth")
    renamed = {}
    for key, tensor in tensors.items():
        layer, _, kind = key.rpartition(".")
        renamed[f"{names[layer]}.{kind}"] = tensor.clone()  # a view would be saved with all it is a view of
    torch.save(renamed, path)
    return lost


def _load(path: Path) -> Any:
    stand_ins: list[Any] = [(Ignored, name) for name in BESIDE]
    with warnings.catch_warnings(), torch.serialization.safe_globals(stand_ins), path.open("rb") as file:
        # It says that an encoding has no effect here. It has: Python 2 wrote its text in latin1.
        warnings.simplefilter("ignore")
        try:
            return torch.load(file, map_location="cpu", weights_only=True, encoding="latin1")
        except Exception as error:  # a stranger's bytes bring torch to raise anything
            _refuse(path, error)
            raise Damaged(f"torch cannot read it ({type(error).__name__}: {_first_line(error)})") from error


def _refuse(path: Path, error: Exception) -> None:
    """Tell a whole file that asks for too much from a damaged one."""
    if "unsupported global" in str(error).lower() or "TorchScript" in str(error):
        raise UnreadableWeights(
            f"{path} holds more than tensors, so it is refused; nothing of it was run. "
            f"torch says: {_first_line(error)} Where you trust it, save `model.state_dict()` alone and load that."
        ) from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if "GLOBAL" in line or "TorchScript" in line]
    return (lines or str(error).splitlines() or [""])[0][:200]


def _check_zip(path: Path) -> None:
    """Whether everything in the archive is stored as it is, so that no more comes out than is in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:
        raise Damaged(f"its zip directory makes no sense ({type(error).__name__}: {error})") from error
    packed = [entry.filename for entry in entries if entry.file_size != entry.compress_size]
    if packed or sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise Damaged("parts of the archive are compressed, which torch.save never does")


def _state_dict(value: Any) -> dict[str, Tensor]:
    for key in WRAPPERS:
        if isinstance(value, Mapping) and isinstance(value.get(key), Mapping):
            value = value[key]
    if not isinstance(value, Mapping) or not value:
        raise NotAlexNet(f"a {type(value).__name__} and no dict of tensors by name")
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor) or tensor.layout != torch.strided:
            raise NotAlexNet(f"under {str(name)[:80]!r} it holds a {type(tensor).__name__}, not a plain tensor")
        if tensor.is_quantized or tensor.is_complex() or tensor.device.type != "cpu":
            raise NotAlexNet(f"{name[:80]!r} is of type {tensor.dtype} on {tensor.device}")
    return dict(value)
