"""A folder of features to search in: float16, memory-mapped, and sure of the network that made them.

IDX/features.npy   (N, D) float16
IDX/squares.npy    (N,) float32, the sum of squares of each row
IDX/names.jsonl    the N pictures' paths, a JSON string a line
IDX/index.json     layer, weights and their fingerprint, the folder that relative paths start from
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.errors import DataError, UsageError
from alexnet.inference.classifier import Classifier
from alexnet.inference.features import LAYER, Progress
from alexnet.inference.fingerprint import fingerprint
from alexnet.inference.nearest import StoredRows
from alexnet.inference.predict import Unreadable
from alexnet.inference.sources import Source
from alexnet.inference.spool import read_names, spool_features
from alexnet.weights.durable import replace_folder, writing

FORMAT = 1
ABOUT, FEATURES, SQUARES, NAMES = "index.json", "features.npy", "squares.npy", "names.jsonl"
ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class About:
    """What an index says of itself.

    Attributes:
        weights: what the user called the network.
        sha256: its fingerprint.
        root: folder that relative names start from.
    """

    format: int
    layer: str
    weights: str
    sha256: str
    lineage: str
    pictures: int
    width: int
    root: str


@dataclass(frozen=True, eq=False)
class Index:
    """An index, opened.

    Attributes:
        rows: (N, D) float16, memory-mapped as they are needed.
        squares: (N,) float32.
        skipped: pictures that could not be read when it was made; known to `write_index` alone.
    """

    folder: Path
    about: About
    rows: StoredRows
    squares: np.ndarray
    skipped: tuple[Unreadable, ...] = ()

    def names(self, places: Iterable[int]) -> dict[int, str]:
        """The names of some rows."""
        wanted = set(places)
        with (self.folder / NAMES).open("rb") as lines:  # few are worth parsing: 0.15 s of a million, not 2.8
            return {place: json.loads(line) for place, line in enumerate(lines) if place in wanted}

    @property
    def weights(self) -> str | None:
        """The network as the user called it; where that was a path, one that leads there from anywhere."""
        path = Path(self.about.root, self.about.weights)
        return str(path) if self.about.weights and path.exists() else self.about.weights or None

    def path(self, name: str) -> Path:
        """Where a picture of the index lies, or lay."""
        return Path(self.about.root, name)

    def require(self, classifier: Classifier) -> None:
        """Raise unless this is the network that made the index.

        Raises:
            UsageError: it is another one.
        """
        found = fingerprint(classifier)
        if found != self.about.sha256:
            raise UsageError(
                f"{self.folder} was made by other weights: {self.about.weights or 'unnamed'} "
                f"({self.about.lineage}, sha256 {self.about.sha256[:12]}), not {classifier.source or 'these'} "
                f"({classifier.lineage.name}, {found[:12]}). Name those, or make the index anew."
            )

    def to_json(self) -> dict[str, Any]:
        """Fields as `alexnet index --json` prints them."""
        skipped = [[each.image, each.reason] for each in self.skipped]
        return {"index": str(self.folder), **asdict(self.about), "bytes": self.bytes, "skipped": skipped}

    @cached_property
    def has_folders(self) -> bool:
        """Whether its pictures lie in more than one folder."""
        parents = (name.rpartition(os.sep)[0] for name in read_names(self.folder / NAMES))
        first = next(parents)
        return any(parent != first for parent in parents)

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.stat().st_size for file in self.folder.iterdir())


def write_index(
    classifier: Classifier,
    sources: Source | Iterable[Source],
    folder: str | Path,
    layer: str = LAYER,
    *,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> Index:
    """Make an index of pictures and open it. Memory does not grow with their number; an older index is replaced.

    Args:
        classifier: see `load`.
        sources: files, folders (searched through), globs.
        folder: made if it does not exist.
        layer: name of a row of the lineage's table; taken behind its activation.
        batch_size: pictures in one pass through the network.
        progress: called with (pictures done, pictures in all).

    Raises:
        UsageError: no such layer, or the folder holds something else than an index.
        DataError: no picture could be read, float16 cannot hold a feature, or the folder cannot be written.
    """
    folder = Path(folder).expanduser()
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / ABOUT).is_file()):
        raise UsageError(f"{folder} is there and is no index; it is left as it is. Name another folder.")
    skipped: list[Unreadable] = []

    def fill(aside: Path) -> None:
        spool = spool_features(classifier, sources, aside, [layer], "float16", batch_size, progress)
        spool.arrays[layer].replace(aside / FEATURES)
        _write_squares(aside)
        about = About(
            FORMAT, layer, classifier.source, fingerprint(classifier), classifier.lineage.name, spool.pictures,
            spool.widths[layer], str(Path.cwd()),
        )  # fmt: skip
        (aside / ABOUT).write_text(json.dumps(asdict(about), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        skipped.extend(spool.skipped)

    with writing(folder, DataError):
        folder.parent.mkdir(parents=True, exist_ok=True)
        replace_folder(folder, fill)
    return open_index(folder, tuple(skipped))


def open_index(folder: str | Path, skipped: Sequence[Unreadable] = ()) -> Index:
    """Open an index that `write_index` made.

    Raises:
        UsageError: nothing there, or something else.
        DataError: it is damaged, or of a newer format.
    """
    folder = Path(folder).expanduser()
    if not (folder / ABOUT).is_file():
        raise UsageError(f"{folder} is no index. Make one with `alexnet index FOLDER -o {folder}`.")
    about = _read_about(folder / ABOUT)
    try:
        rows = StoredRows(folder / FEATURES)
        squares = np.load(folder / SQUARES, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{folder} is damaged ({error}). Make the index anew.") from error
    if rows.shape != (about.pictures, about.width) or rows.dtype != np.float16 or squares.shape != (about.pictures,):
        raise DataError(
            f"{folder} is damaged: its features are {rows.shape} of {rows.dtype}, not {(about.pictures, about.width)} "
            "of float16. Make the index anew."
        )
    return Index(folder, about, rows, squares, tuple(skipped))


def _read_about(path: Path) -> About:
    try:
        said: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if said["format"] != FORMAT:
            raise DataError(
                f"{path}: written in format {said['format']}, and this alexnet reads {FORMAT}. Upgrade alexnet."
            )
        return About(**said)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({type(error).__name__}: {error}). Make the index anew.") from error


def _write_squares(folder: Path) -> None:
    rows = np.load(folder / FEATURES, mmap_mode="r")
    parts = [
        np.square(rows[start : start + ROWS_AT_ONCE].astype(np.float32)).sum(axis=1)
        for start in range(0, len(rows), ROWS_AT_ONCE)
    ]
    np.save(folder / SQUARES, np.concatenate(parts))
