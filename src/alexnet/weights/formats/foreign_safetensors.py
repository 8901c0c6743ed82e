"""Safetensors that somebody else saved: tensors by name, and no word on what they belong to."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from alexnet.weights.formats.safetensors import KEY
from alexnet.weights.formats.state_dict import raw_of
from alexnet.weights.raw import Damaged, Raw, reading


def is_ours(path: Path) -> bool:
    """Whether a safetensors file describes itself; False for a damaged one too."""
    try:
        with safe_open(path, framework="pt") as file:
            return KEY in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False


def read(path: Path) -> Raw:
    """Read a state dict from safetensors.

    Raises:
        UnreadableWeights: it is damaged.
        ShapeMismatch: its tensors are not those of layers.
    """
    with reading(path):
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise Damaged(error) from error
        return raw_of(tensors, path, "safetensors", "no description of ours")
