"""Features on disk, row by row as they come: arrays in .npy files, names as a JSON string a line.

N pictures, D features of a layer.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal, Self

import numpy as np

from alexnet.errors import DataError
from alexnet.inference.classifier import Classifier
from alexnet.inference.features import Progress, feature_stream
from alexnet.inference.layers import layer_shapes
from alexnet.inference.predict import Unreadable
from alexnet.inference.sources import Source, expand, listed

Dtype = Literal["float32", "float16"]
NAMES = "names.jsonl"


@dataclass(frozen=True)
class Spool:
    """Features that lie in a folder.

    Attributes:
        arrays: `NAME.npy` of (N, D) by name of the layer.
        names: the file of the N names, a JSON string a line.
        pictures: N.
        widths: D by name of the layer.
        skipped: what could not be read, and why.
    """

    arrays: dict[str, Path]
    names: Path
    pictures: int
    widths: dict[str, int]
    skipped: tuple[Unreadable, ...]


class NpyRows:
    """An .npy file that takes rows until it is closed; any reader opens it then, memory-mapped too."""

    def __init__(self, path: Path, width: int, dtype: Dtype) -> None:
        self.path, self.width, self.dtype = path, width, np.dtype(dtype)
        self.count = 0
        self.file = path.open("wb")
        self._write_header()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.seek(0)
        self._write_header()
        self.file.close()

    def append(self, rows: np.ndarray) -> None:
        """Write rows (B, D) float32.

        Raises:
            DataError: a number that float16 cannot hold.
        """
        with np.errstate(over="ignore"):  # told below, with the layer and the largest number
            kept = np.ascontiguousarray(rows, self.dtype)
        if self.dtype == np.float16 and not np.isfinite(kept).all():
            raise DataError(
                f"{self.path.stem}: a feature of {np.abs(rows).max():g} is more than float16 holds, 65,504. "
                "Keep float32, or take a layer behind a norm."
            )
        self.file.write(kept.data)
        self.count += len(rows)

    def _write_header(self) -> None:
        # numpy leaves room for the first axis to grow, so the header that is written last is as long as the first
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False}
        np.lib.format.write_array_header_1_0(self.file, header | {"shape": (self.count, self.width)})


def spool_features(
    classifier: Classifier,
    sources: Source | Iterable[Source],
    folder: Path,
    layers: Sequence[str],
    dtype: Dtype = "float32",
    batch_size: int = 64,
    progress: Progress | None = None,
) -> Spool:
    """Fill `folder`, which exists, with the features of all pictures that can be read.

    Raises:
        DataError: none could be read, or float16 cannot hold a feature.
        UsageError: no such layer; lists the names.
    """
    sources = listed(sources)
    widths = {name: prod(shape) for name, shape in layer_shapes(classifier, layers).items()}
    total = sum(1 for _ in expand(sources))
    skipped: list[Unreadable] = []
    count = 0
    with ExitStack() as stack:
        arrays = {
            name: stack.enter_context(NpyRows(folder / f"{name}.npy", width, dtype)) for name, width in widths.items()
        }
        names = stack.enter_context((folder / NAMES).open("w", encoding="utf-8"))
        for rows in feature_stream(classifier, sources, layers, batch_size=batch_size):
            names.writelines(json.dumps(name, ensure_ascii=False) + "\n" for name in rows.paths)
            for name, array in rows.arrays.items():
                arrays[name].append(array)
            count += len(rows.paths)
            skipped += rows.skipped
            if progress is not None:
                progress(rows.seen, total)
    if not count:
        raise DataError(_nothing(skipped))
    return Spool({name: rows.path for name, rows in arrays.items()}, folder / NAMES, count, widths, tuple(skipped))


def read_names(path: Path) -> Iterator[str]:
    """The names in a file of `spool_features`, one at a time."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _nothing(skipped: Sequence[Unreadable]) -> str:
    if not skipped:
        return "there are no pictures to look at. Name files, folders or globs."
    first = skipped[0]
    return f"none of {len(skipped)} could be read as a picture; the first: {first.image}: {first.reason}"
