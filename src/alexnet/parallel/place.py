"""Where this process stands among those that torchrun started. No torch here: the command line reads it too."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """One process among several.

    Attributes:
        rank: 0 to size - 1; rank 0 speaks and writes.
        local_rank: the same within this machine, and so the number of its GPU.
        local_size: processes on this machine.
        restarts: how often torchrun has started all of them anew.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    restarts: int = 0


def here() -> Place:
    """What torchrun, or whoever started this process, says; alone where nobody says anything."""
    names = {
        "rank": "RANK", "size": "WORLD_SIZE", "local_rank": "LOCAL_RANK", "local_size": "LOCAL_WORLD_SIZE",
        "restarts": "TORCHELASTIC_RESTART_COUNT",
    }  # fmt: skip
    return Place(**{field: int(os.environ[name]) for field, name in names.items() if name in os.environ})
