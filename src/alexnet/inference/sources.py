"""What a user points at (files, folders, globs, pictures in memory), one picture at a time."""

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from alexnet.data.folder import PICTURE_SUFFIXES
from alexnet.errors import UnreadablePicture
from alexnet.weights.load import ASSETS

Source = str | Path | bytes | Image.Image
PHOTOS = ASSETS / "photos"


@dataclass(frozen=True)
class Found:
    """A picture not yet decoded, and the name it goes by; or why there is none."""

    name: str
    content: Path | bytes | Image.Image | UnreadablePicture


def expand(sources: Source | Iterable[Source]) -> Iterator[Found]:
    """Name every picture of `sources` in order; folders by name, at any depth. Holds one folder's names at a time.

    A source that leads to no picture is found too, with the reason as its content: a stream goes on behind it.
    """
    many = [sources] if isinstance(sources, str | Path | bytes | Image.Image) else sources
    for position, source in enumerate(many):
        match source:
            case Image.Image():
                yield Found(str(getattr(source, "filename", "")) or f"picture {position}", source)
            case bytes():
                yield Found(f"picture {position}", source)
            case _:
                yield from _on_disk(str(source))


def listed(sources: Source | Iterable[Source]) -> list[Source]:
    """Sources that can be gone through twice: to count them, and to read them."""
    return [sources] if isinstance(sources, str | Path | bytes | Image.Image) else list(sources)


def photo_files() -> list[Path]:
    """The packaged photos, by name."""
    return sorted(PHOTOS.glob("*.jpg"))


def _on_disk(name: str) -> Iterator[Found]:
    path = Path(name).expanduser()
    if path.is_dir():
        yield from _or_missing(_below(path), name, "holds no picture")
    elif path.exists() or not glob.has_magic(name):
        yield Found(name, path)  # one that does not exist is reported by whoever opens it
    else:
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207, Path.glob refuses absolute patterns
        yield from _or_missing((Path(match) for match in matches if Path(match).is_file()), name, "matches no file")


def _below(folder: Path) -> Iterator[Path]:
    """Pictures in a folder and the folders in it, linked ones too, by name; what is hidden stays so."""
    seen = {os.path.realpath(folder)}  # links may lead in circles
    for parent, folders, files in os.walk(folder, followlinks=True):
        visible = {name: os.path.realpath(Path(parent, name)) for name in sorted(folders) if not name.startswith(".")}
        folders[:] = [name for name, place in visible.items() if place not in seen]
        seen.update(visible.values())
        for file in sorted(files):
            if not file.startswith(".") and Path(file).suffix.lower() in PICTURE_SUFFIXES:
                yield Path(parent, file)


def _or_missing(paths: Iterator[Path], name: str, reason: str) -> Iterator[Found]:
    empty = True
    for path in paths:
        empty = False
        yield Found(str(path), path)
    if empty:
        yield Found(name, UnreadablePicture(reason))
