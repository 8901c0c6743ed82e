"""Features as a file for other programs: .npz, .npy or .parquet, written from disk to disk.

N pictures, D features of a layer.
"""

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import numpy as np

from alexnet.errors import DataError, MissingExtra, UsageError
from alexnet.inference.classifier import Classifier
from alexnet.inference.features import LAYER, Progress
from alexnet.inference.fingerprint import fingerprint
from alexnet.inference.predict import Unreadable
from alexnet.inference.sources import Source
from alexnet.inference.spool import Dtype, Spool, read_names, spool_features
from alexnet.weights.durable import replace_file, writing

BLOCK_BYTES = 32 * 2**20  # of features that are in memory at a time


@dataclass(frozen=True)
class FeatureFile:
    """What `write_features` wrote.

    Attributes:
        files: the file asked for, and those beside it.
        layers: D of each layer.
        pictures: N.
        skipped: what could not be read, and why.
    """

    files: tuple[Path, ...]
    layers: dict[str, int]
    dtype: Dtype
    pictures: int
    skipped: tuple[Unreadable, ...]

    def to_json(self) -> dict[str, Any]:
        """Fields as `alexnet features --json` prints them."""
        return {
            "files": [str(file) for file in self.files],
            "pictures": self.pictures,
            "layers": self.layers,
            "dtype": self.dtype,
            "skipped": [[each.image, each.reason] for each in self.skipped],
        }


def write_features(
    classifier: Classifier,
    sources: Source | Iterable[Source],
    path: str | Path,
    layers: Sequence[str] = (LAYER,),
    *,
    dtype: Dtype = "float32",
    batch_size: int = 64,
    progress: Progress | None = None,
) -> FeatureFile:
    """Write what `layers` make of each picture, in the order of the pictures, with their paths.

    .npz      an array (N, D) for each layer, `paths` (N,), and `about`, JSON text
    .npy      one layer as (N, D), which numpy can map; of several each as NAME.LAYER.npy; the rest is in NAME.json
    .parquet  a column `path`, and a column of D numbers for each layer

    Args:
        classifier: see `load`.
        sources: files, folders (searched through), globs.
        path: its suffix says the format.
        layers: names of rows of the lineage's table; each is taken behind its activation.
        dtype: float32, or float16 for half the bytes.
        batch_size: pictures in one pass through the network.
        progress: called with (pictures done, pictures in all).

    Raises:
        UsageError: another suffix, no such layer, or a package is missing.
        DataError: no picture could be read, or the file cannot be written.
    """
    path = Path(path).expanduser()
    finish = _WRITERS.get(path.suffix.lower())
    if finish is None:
        raise UsageError(f"{path} names no format of features. Choose a suffix of {', '.join(_WRITERS)}.")
    if path.suffix.lower() == ".parquet":
        _pyarrow()
    with writing(path, DataError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as aside:
            spool = spool_features(classifier, sources, Path(aside), layers, dtype, batch_size, progress)
            about = _about(classifier, spool, dtype)
            files = finish(spool, path, about)
    return FeatureFile(files, spool.widths, dtype, spool.pictures, spool.skipped)


def _about(classifier: Classifier, spool: Spool, dtype: Dtype) -> dict[str, Any]:
    return {
        "weights": classifier.source,
        "sha256": fingerprint(classifier),
        "lineage": classifier.lineage.name,
        "layers": spool.widths,
        "dtype": dtype,
        "pictures": spool.pictures,
    }


def _write_npz(spool: Spool, path: Path, about: Mapping[str, Any]) -> tuple[Path, ...]:
    def write(aside: Path) -> None:
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
            for name, file in spool.arrays.items():
                archive.write(file, f"{name}.npy")
            with archive.open("paths.npy", "w", force_zip64=True) as member:
                _write_texts(member, spool)
            with archive.open("about.npy", "w") as member:
                np.lib.format.write_array(member, np.array(json.dumps(about)))

    replace_file(path, write)
    return (path,)


def _write_texts(file: IO[bytes], spool: Spool) -> None:
    """The names as an .npy array of text: one pass for the longest, one to write."""
    letters = max(1, *map(len, read_names(spool.names)))
    header = {"descr": f"<U{letters}", "fortran_order": False, "shape": (spool.pictures,)}
    np.lib.format.write_array_header_1_0(file, header)
    for name in read_names(spool.names):
        file.write(np.array(name, f"<U{letters}").tobytes())


def _write_npy(spool: Spool, path: Path, about: Mapping[str, Any]) -> tuple[Path, ...]:
    names = {layer: path.with_suffix(f".{layer}.npy") for layer in spool.arrays} if len(spool.arrays) > 1 else {}
    for layer, file in spool.arrays.items():
        replace_file(names.get(layer, path), file.replace)
    said = {**about, "files": {layer: names.get(layer, path).name for layer in spool.arrays}}
    beside = path.with_suffix(".json")
    replace_file(beside, lambda aside: _write_json(aside, said, spool.names))
    return (*(names.values() or (path,)), beside)


def _write_json(path: Path, about: Mapping[str, Any], names: Path) -> None:
    """`about` with one more entry, `paths`, which is never in memory as a whole."""
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(about, indent=2, ensure_ascii=False)[:-2] + ',\n  "paths": [')
        with names.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                file.write(f"{',' if number else ''}\n    {line.rstrip()}")
        file.write("\n  ]\n}\n")


def _write_parquet(spool: Spool, path: Path, about: Mapping[str, Any]) -> tuple[Path, ...]:
    pa, parquet = _pyarrow()
    arrays = {name: np.load(file, mmap_mode="r") for name, file in spool.arrays.items()}
    kinds = {name: pa.list_(pa.from_numpy_dtype(array.dtype), array.shape[1]) for name, array in arrays.items()}
    schema = pa.schema([("path", pa.string()), *kinds.items()], metadata={"alexnet": json.dumps(about)})

    def write(aside: Path) -> None:
        names = read_names(spool.names)
        with parquet.ParquetWriter(aside, schema) as writer:
            for rows in _blocks(spool, arrays):
                columns = [pa.array([next(names) for _ in range(rows.start, rows.stop)], pa.string())]
                for array in arrays.values():
                    columns.append(pa.FixedSizeListArray.from_arrays(array[rows].ravel(), array.shape[1]))
                writer.write_table(pa.table(columns, schema=schema))

    replace_file(path, write)
    return (path,)


def _blocks(spool: Spool, arrays: Mapping[str, np.ndarray]) -> Iterator[slice]:
    """Rows that are no more than `BLOCK_BYTES` together."""
    step = max(1, BLOCK_BYTES // sum(array.itemsize * array.shape[1] for array in arrays.values()))
    yield from (slice(start, min(start + step, spool.pictures)) for start in range(0, spool.pictures, step))


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("pyarrow", "parquet") from None
    return pa, parquet


_WRITERS = {".npz": _write_npz, ".npy": _write_npy, ".parquet": _write_parquet}
