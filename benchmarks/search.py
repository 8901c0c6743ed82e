"""How fast the nearest of many vectors are found, and how good the neighbours of a network are.

python benchmarks/search.py                                      50,000 x 4,096 at random, 100 queries
python benchmarks/search.py --rows 1000000 --queries 10          8 GB on disk: is memory bounded?
python benchmarks/search.py --data FOLDER --weights W            precision@5 by class of fc7, fc6 and pool5
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from alexnet.inference import load
from alexnet.inference.features import features
from alexnet.inference.nearest import StoredRows, nearest, precision
from alexnet.inference.spool import NpyRows

ALLOWED_S = 1.5  # for the default sizes on two cores
TRIALS = 7
ROWS_AT_ONCE = 5000
COUNT = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, help="folder per class: measure precision instead of time")
    parser.add_argument("--weights", help="any network")
    parser.add_argument("--layers", nargs="+", default=["fc7", "fc6", "pool5"])
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.data:
        measure_precision(given.data, given.weights, given.layers)
    else:
        measure_time(given.rows, given.width, given.queries)


def measure_time(count: int, width: int, asked: int) -> None:
    """Search in vectors as sparse as those behind a ReLU, stored as an index stores them."""
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        squares = write_rows(Path(folder, "features.npy"), count, width, rng)
        rows = StoredRows(Path(folder, "features.npy"))
        queries = rows[:asked].astype(np.float32) + rng.normal(0, 0.1, (asked, width)).astype(np.float32)
        seconds, processor = [], []
        for _ in range(TRIALS):
            wall, cpu = time.perf_counter(), time.process_time()
            places, _ = nearest(rows, squares, queries, COUNT)
            seconds.append(time.perf_counter() - wall)
            processor.append(time.process_time() - cpu)
            assert (places[:, 0] == np.arange(asked)).all(), "a query is nearest to the row it was made from"
        print(f"{count:,} x {width:,} float16, {asked} queries, {TRIALS} trials, {torch.get_num_threads()} threads")
        print(f"seconds: median {statistics.median(seconds):.2f}, best {min(seconds):.2f}, worst {max(seconds):.2f}")
        print(f"processor seconds: median {statistics.median(processor):.2f}, best {min(processor):.2f}")
        print(f"allowed: {ALLOWED_S} s for 50,000 x 4,096 and 100 queries on two cores")
        print(f"peak memory {peak_mb():,.0f} MB")


def write_rows(path: Path, count: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Rows on disk, and their squares."""
    squares = []
    with NpyRows(path, width, "float16") as file:
        for start in range(0, count, ROWS_AT_ONCE):
            size = (min(ROWS_AT_ONCE, count - start), width)
            rows = (rng.standard_normal(size, np.float32) - 1).clip(min=0).astype(np.float16).astype(np.float32)
            file.append(rows)
            squares.append(np.square(rows).sum(axis=1))
    return np.concatenate(squares)


def measure_precision(folder: Path, weights: str | None, layers: Sequence[str]) -> None:
    """Of the five nearest others of each picture, the share that is of its class."""
    classifier = load(weights)
    found = features(classifier, folder, layers)
    labels = np.array([Path(path).parent.name for path in found.paths])
    classes, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    chance = float((counts * (counts - 1)).sum() / (len(labels) * (len(labels) - 1)))
    print(f"{len(labels):,} pictures, {len(classes)} classes, {classifier.source}: chance {chance:.2%}")
    for metric in ("euclidean", "cosine"):
        for layer in layers:
            rows = torch.from_numpy(found[layer].astype(np.float16)).float()
            if metric == "cosine":
                rows = F.normalize(rows)  # of unit rows the nearest are those of the least angle
            share = precision(rows, torch.from_numpy(numbers), COUNT)
            print(f"{layer:>6} {metric:>10}: precision@{COUNT} {share:.2%}")


def peak_mb() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
