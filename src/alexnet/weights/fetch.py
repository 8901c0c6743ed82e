"""A known file onto this machine: found in a cache, else fetched, checked and put into ours."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from alexnet.data.durable import flush
from alexnet.errors import AlexNetError, DownloadFailed, UnreadableWeights, WeightsError
from alexnet.weights.caches import find_here, place_of
from alexnet.weights.checkpoint import Notice, log_notice
from alexnet.weights.class_names import read_class_names
from alexnet.weights.durable import writing
from alexnet.weights.foreign import read_foreign
from alexnet.weights.means import read_mean
from alexnet.weights.recognize import recognize
from alexnet.weights.registry import FILES, KnownFile, digest_of
from alexnet.weights.transfer import MB, Limits, Watcher, alone, transfer

UNKNOWN_SIZE = 2000 * MB


class Fetched(NamedTuple):
    """A known file on this machine, and whether it was fetched just now."""

    path: Path
    is_new: bool


def fetch(
    file: KnownFile, watcher: Watcher | None = None, *, limits: Limits | None = None, notice: Notice = log_notice
) -> Fetched:
    """Return a copy of a known file, fetched where none is here, whose checksum is the published one.

    Where no whole checksum is published, the file is read to its end as the weights that it is known to be.

    Raises:
        DownloadFailed: it cannot be fetched, or something else came; says where to put a copy from elsewhere.
        UnreadableWeights: what lies in our cache under its name is something else.
    """
    found = find_here(file)
    if found is not None:
        _read_through(file, found)
        return Fetched(found, False)
    place = place_of(file)
    if not file.url:
        raise DownloadFailed(f"{file.file} can only be fetched by a person. {_by_hand(file)}")
    part = place.with_name(f"{place.name}.part")
    with writing(part, WeightsError), alone(part):
        if not place.exists():  # by another process, just now
            _fetch(file, part, limits or bounds(file), watcher or Watcher(), notice)
            part.replace(place)
            flush(place.parent)
    return Fetched(place, True)


def _fetch(file: KnownFile, part: Path, limits: Limits, watcher: Watcher, notice: Notice) -> None:
    """Fill `part` with a known file, checked; what came and is another is removed."""
    if not _is_told(file):
        notice(_unchecked(file))
    try:
        transfer(file.url, part, limits, watcher)
    except DownloadFailed as error:
        raise DownloadFailed(f"{error} {_by_hand(file)}") from error
    if why := _difference(file, part):
        part.unlink()
        raise DownloadFailed(f"what came from {file.url} is not {file.file}: {why}. It was removed. {_by_hand(file)}")


def bounds(file: KnownFile) -> Limits:
    """How large a known file may be: as large as it is known to be, else three times its numbers."""
    if file.size_bytes is not None:
        return Limits(file.size_bytes, file.size_bytes)
    return Limits(UNKNOWN_SIZE if file.least_bytes is None else 3 * file.least_bytes)


def at(file: KnownFile, url: str) -> KnownFile:
    """The file, fetched from another address; it must be the same one."""
    return replace(file, url=url)


def _difference(file: KnownFile, path: Path) -> str:
    """What tells a file from the published one; "" where nothing does."""
    if file.checksum is not None:
        digest = digest_of(path, file.checksum.algorithm)
        if not file.checksum.matches(digest):
            return f"its {file.checksum.algorithm} is {digest}, not {file.checksum.digest}{_looks_like(path)}"
    try:
        _read_through(file, path)
    except AlexNetError as error:
        return str(error).rstrip(".")
    return ""


def _is_told(file: KnownFile) -> bool:
    return file.checksum is not None and file.checksum.is_whole


def _read_through(file: KnownFile, path: Path) -> None:
    """Read a file that no whole checksum tells as what it is known to be."""
    if _is_told(file):
        return
    if file.kind == "names and mean":
        read_class_names(path, file.classes)
    if file.kind != "weights":
        read_mean(path)
    else:
        read_foreign(path, file.lineage or None)


def _looks_like(path: Path) -> str:
    try:
        recognize(path)
    except UnreadableWeights as error:
        return f"; {str(error).removeprefix(f'{path} ').partition(' Expected a file of weights')[0].rstrip('.')}"
    return ""


def _unchecked(file: KnownFile) -> str:
    way = " and it comes unencrypted," if file.url.startswith("http:") else ""
    return f"no whole checksum of {file.file} is published,{way} so it is read through and validated instead."


def _by_hand(file: KnownFile) -> str:
    published = FILES.get(file.name, file)  # and not a mirror that failed
    source = published.url or f"{file.page}{f' ({file.note})' if file.note else ''}"
    return (
        f"To bring it from another machine: get it from {source}, put it at {place_of(file)}, "
        f"and run `alexnet weights get {file.name}`, which checks it."
    )
