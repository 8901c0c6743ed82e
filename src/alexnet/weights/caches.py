"""Where files of weights lie on this machine: our cache first, then those of torch hub and of the Hugging Face hub."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from alexnet.data.user_cache import OURS, folder_of, home, user_cache
from alexnet.errors import UnreadableWeights
from alexnet.weights.registry import KnownFile, digest_of


class Cache(NamedTuple):
    """A folder that is looked into, and the variable that moves it."""

    variable: str
    folder: Path


def caches() -> list[Cache]:
    """The folders that are looked into before anything is fetched, in this order."""
    return [
        Cache(OURS, home()),
        Cache("TORCH_HOME", folder_of("TORCH_HOME") or user_cache() / "torch"),
        Cache("HF_HOME", folder_of("HF_HOME") or user_cache() / "huggingface"),
    ]


def hub_cache() -> Path:
    """Where the Hugging Face hub keeps repositories."""
    return folder_of("HF_HUB_CACHE") or caches()[2].folder / "hub"


def place_of(file: KnownFile) -> Path:
    """Where a known file lies once it is fetched, or put there by hand."""
    return home() / "weights" / file.file


def candidates(file: KnownFile) -> Iterator[tuple[str, Path]]:
    """Yield the files that may be a known one by their name and place, each behind the variable of its cache.

    A file without a published checksum is looked for in our own cache alone: anywhere else nothing would tell it.
    """
    if place_of(file).is_file():
        yield OURS, place_of(file)
    if file.checksum is None:
        return
    _, torch_hub, hub = caches()
    there = torch_hub.folder / "hub" / "checkpoints" / file.file
    if there.is_file():
        yield torch_hub.variable, there
    snapshots = hub_cache().glob(f"models--*/snapshots/*/{file.file}")
    yield from ((hub.variable, path) for path in sorted(snapshots) if path.is_file())


def find_here(file: KnownFile) -> Path | None:
    """Return the copy of a known file that is on this machine, its whole checksum compared; None where there is none.

    Raises:
        UnreadableWeights: what lies in our cache under its name is something else.
    """
    for variable, path in candidates(file):
        if file.checksum is None:
            return path
        digest = digest_of(path, file.checksum.algorithm)
        if file.checksum.matches(digest):
            return path
        if variable == OURS:
            raise UnreadableWeights(
                f"{path} is not the published {file.file}: its {file.checksum.algorithm} is {digest}, not "
                f"{file.checksum.digest}. Remove it and run `alexnet weights get {file.name}`."
            )
    return None
