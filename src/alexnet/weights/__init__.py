"""Files of weights in, named tensors out, and back."""

from alexnet.weights.checkpoint import Checkpoint, latest, prune, read_checkpoint, step_folder, write_checkpoint
from alexnet.weights.load import DEFAULT_WEIGHTS, load, locate
from alexnet.weights.save import save
from alexnet.weights.weights import Weights

__all__ = [
    "DEFAULT_WEIGHTS", "Checkpoint", "Weights", "latest", "load", "locate", "prune", "read_checkpoint", "save",
    "step_folder", "write_checkpoint",
]  # fmt: skip
