"""Which processor a network runs on."""

import os
import re
from itertools import takewhile

import torch

from alexnet.errors import UsageError

VISIBLE = "CUDA_VISIBLE_DEVICES"
NAME = re.compile(r"cpu|mps|cuda(?::(\d+))?")


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device called `name`: auto (the best there is), cpu, cuda, cuda:N or mps.

    Raises:
        UsageError: no such device, or not on this machine.
    """
    if name == "auto":
        visible_gpus()  # says what is wrong with their names
        return _best()
    match = NAME.fullmatch(name)
    if match is None:
        raise UsageError(f"there is no device {name!r}. Expected auto, cpu, cuda, cuda:N (N counts from 0) or mps.")
    if name.startswith("cuda"):
        _require_cuda(name, int(match[1] or 0))
    if name == "mps" and not torch.backends.mps.is_available():
        raise UsageError("device mps is Apple's, and this torch does not see one here. Use --device cpu or auto.")
    return torch.device(name)


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them: for processes with a GPU each.

    Raises:
        UsageError: that names one twice; CUDA then hides all of them.
    """
    named = os.environ.get(VISIBLE)
    if named is None:
        return [str(number) for number in range(torch.cuda.device_count())]
    gpus = [name.strip() for name in named.split(",")]
    shown = list(takewhile(lambda name: name and not name.startswith("-"), gpus))  # CUDA stops at what is none
    if len(set(shown)) < len(shown):
        raise UsageError(f"{VISIBLE} is {named!r} and names a GPU twice, so that CUDA shows none. Name each once.")
    return shown


def _best() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _require_cuda(name: str, index: int) -> None:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index < count:
        return
    if count:
        raise UsageError(f"device {name} is not here: this machine has cuda:0 to cuda:{count - 1}.")
    why = "this torch was built without CUDA" if torch.version.cuda is None else _unseen()
    raise UsageError(f"device {name} is not here: {why}. Use --device cpu or auto.")


def _unseen() -> str:
    named = os.environ.get(VISIBLE)
    if named is not None and not visible_gpus():
        return f"{VISIBLE} is {named!r} and hides every GPU"
    return "torch sees no CUDA device"
