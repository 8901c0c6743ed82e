"""Whether predicting many files takes more memory than predicting few: resident size along one stream of 10,000.

    python benchmarks/predict_memory.py [--pictures 10000] [--lineage tiny]

Pictures are drawn once, as 500x375 JPEGs, and linked under as many names as are wanted.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from alexnet.data.preprocess import Preprocessing
from alexnet.inference import Classifier, Prediction, predict_stream
from alexnet.lineages import find
from alexnet.model import AlexNet
from alexnet.weights import Weights

DRAWN = 40
MARKS = (500, 5_000, 10_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--lineage", default="tiny", help="bvlc takes minutes on a CPU")
    options = parser.parse_args()
    classifier = untrained(options.lineage)
    with tempfile.TemporaryDirectory() as folder:
        make_pictures(Path(folder), options.pictures)
        started = time.perf_counter()
        sizes = dict(resident_mb(classifier, Path(folder)))
        seconds = time.perf_counter() - started
    reached = [sizes[mark] for mark in MARKS if mark in sizes]
    print(
        json.dumps(
            {
                "lineage": options.lineage,
                "cores": len(os.sched_getaffinity(0)),
                "images_per_s": round(options.pictures / seconds, 1),
                "resident_mb": sizes,
                "growth_mb": round(reached[-1] - reached[0], 1),
            },
            indent=2,
        )
    )


def untrained(lineage: str) -> Classifier:
    """A network of random weights: what it answers does not matter here."""
    table = find(lineage)
    model = AlexNet(table)
    view = table.input
    preprocessing = Preprocessing(view.size, view.order, 255, (120.0,) * 3, (1.0,) * 3, view.resize, view.fit)
    return Classifier.of(Weights(dict(model.state_dict()), table, (), preprocessing, {}), torch.device("cpu"))


def make_pictures(folder: Path, count: int) -> None:
    """Fill `folder` with `count` names of a few drawn pictures."""
    chance = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"{number:06}.jpg"
        if number < DRAWN:
            blocks = Image.fromarray(chance.integers(0, 256, (12, 16, 3), dtype=np.uint8))
            blocks.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
        else:
            path.hardlink_to(folder / f"{number % DRAWN:06}.jpg")


def resident_mb(classifier: Classifier, folder: Path) -> Iterator[tuple[int, float]]:
    """(pictures predicted, resident size) at each mark."""
    for count, result in enumerate(predict_stream(classifier, folder), start=1):
        assert isinstance(result, Prediction), result
        if count in MARKS:
            yield count, round(resident_bytes() / 1e6, 1)


def resident_bytes() -> int:
    """Memory of this process that is in use now, from Linux."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
