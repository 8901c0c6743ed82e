"""A training of the ImageNet claims, with `alexnet train`'s own code, and what is measured of the finished network."""

import base64
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from alexnet.data.source import Pictures, open_pictures
from alexnet.errors import MissingExtra, RunError
from alexnet.inference.classifier import Classifier, load
from alexnet.inference.colour_share import first_layer_towers
from alexnet.inference.evaluate import evaluate
from alexnet.reproduce.alike import LAYERS, PIXELS, alike, drawn_neighbours, layer_features
from alexnet.reproduce.trial import Trial, history
from alexnet.train.material import subset
from alexnet.train.train import train

TRAINING_PICTURES = 5000
MEMORY, ROOM = Path("/dev/shm"), 16 * 2**30  # a run has a gigabyte there at most, and eight may go side by side
ERRORS = ("error", "top5_error", "ten_view_error", "ten_view_top5_error", "training_error")
LOST: dict[str, Any] = {
    **dict.fromkeys(ERRORS, 1.0), "curve": [], "steps": [], "colour": [0.0, 0.0],
    "alike": dict.fromkeys((*LAYERS, PIXELS), 0.0),
}  # fmt: skip
"""What is said of a network whose loss was no number any more: all wrong, and nothing shown."""


def run_tiny(trial: Trial, data: Path, folder: Path, device: str) -> dict[str, Any]:
    """Train and measure; nothing of the run's folder stays, for it holds hundreds of megabytes.

    Returns:
        errors as fractions, the curve by epoch, how many pictures and classes, and seconds.
    """
    began = time.perf_counter()
    with passing_folder(folder) as home:
        found = _trained(trial, data, home, device)
    return found | {"seconds": round(time.perf_counter() - began, 1)}


@contextmanager
def passing_folder(folder: Path, room: int = ROOM) -> Iterator[Path]:
    """A path for files that nobody needs afterwards: in memory where `room` bytes are free there, else `folder`.

    A run forces its best weights and checkpoints to the disk: 2 GB in half a minute, of each GPU. What a process that
    was killed leaves in memory is called alexnet-reproduce-*.
    """
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= room:
        with TemporaryDirectory(prefix="alexnet-reproduce-", dir=MEMORY) as home:
            yield Path(home) / folder.name
        return
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _trained(trial: Trial, data: Path, folder: Path, device: str) -> dict[str, Any]:
    try:
        run = train(data, folder, seed=trial.seed, device=device, **dict(trial.settings))
    except RunError as error:
        return {**LOST, "failed": str(error)}
    classifier = load(run.best, device)
    square = classifier.preprocessing
    val, seen = (open_pictures(data, split, square.side, square.fit) for split in ("val", "train"))
    taken = np.linspace(0, len(seen) - 1, min(len(seen), TRAINING_PICTURES)).astype(np.int64)
    found: dict[str, Any] = {
        "error": run.evaluation.top1_error,
        "top5_error": run.evaluation.top5_error,
        "training_error": evaluate(classifier, subset(seen, taken)).top1_error,
        **history(run.metrics),
        "colour": [tower.mean_share for tower in first_layer_towers(classifier)],
        "val_pictures": len(val),
        "classes": len(val.classes),
    }
    if trial.is_examined:
        ten = evaluate(classifier, val, views=10)
        found |= {"ten_view_error": ten.top1_error, "ten_view_top5_error": ten.top5_error}
        found |= looked_alike(classifier, val, is_drawn=trial.seed == 0)
    return found


def looked_alike(classifier: Classifier, val: Pictures, is_drawn: bool) -> dict[str, Any]:
    """`alike`, and a drawing in base64 where it is wanted and matplotlib is there."""
    features = layer_features(classifier, val)
    found: dict[str, Any] = {"alike": alike(features, val.labels)}
    if is_drawn:
        with suppress(MissingExtra):
            found["neighbours"] = base64.b64encode(drawn_neighbours(features, val)).decode("ascii")
    return found
