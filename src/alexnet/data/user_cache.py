"""Where this package keeps what it can have again: downloads, and what it has compiled."""

import os
from pathlib import Path

OURS = "ALEXNET_HOME"


def home() -> Path:
    """ALEXNET_HOME, else `alexnet` in the user's cache folder."""
    return folder_of(OURS) or user_cache() / "alexnet"


def user_cache() -> Path:
    return folder_of("XDG_CACHE_HOME") or Path.home() / ".cache"


def folder_of(variable: str) -> Path | None:
    """The folder that a variable of the environment names, if it does."""
    value = os.environ.get(variable)
    return Path(value).expanduser() if value else None
