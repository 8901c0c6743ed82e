"""A training of the ImageNet claims, with `alexnet train`'s own code, and what is measured of the finished network."""

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.data.source import open_pictures
from alexnet.errors import RunError
from alexnet.inference.classifier import load
from alexnet.inference.colour_share import first_layer_towers
from alexnet.inference.evaluate import evaluate
from alexnet.reproduce.alike import alike
from alexnet.reproduce.trial import Trial
from alexnet.train.material import Subset
from alexnet.train.train import train

TRAINING_PICTURES = 5000
ERRORS = ("error", "top5_error", "ten_view_error", "ten_view_top5_error", "training_error")
LOST = {**dict.fromkeys(ERRORS, 1.0), "curve": [], "steps": [], "colour": [0.0, 0.0]}


def run_tiny(trial: Trial, data: Path, folder: Path, device: str) -> dict[str, Any]:
    """Train and measure; the run's folder is removed, for it holds hundreds of megabytes.

    Returns:
        errors as fractions, the curve by epoch, and seconds.
    """
    began = time.perf_counter()
    shutil.rmtree(folder, ignore_errors=True)
    try:
        run = train(data, folder, seed=trial.seed, device=device, **dict(trial.settings))
    except RunError as error:  # the loss was no number any more: a result too
        shutil.rmtree(folder)
        return {**LOST, "failed": str(error), "seconds": round(time.perf_counter() - began, 1)}
    classifier = load(run.best, device)
    square = classifier.preprocessing
    val, seen = (open_pictures(data, split, square.side, square.fit) for split in ("val", "train"))
    ten = evaluate(classifier, val, views=10)
    taken = np.linspace(0, len(seen) - 1, min(len(seen), TRAINING_PICTURES)).astype(np.int64)
    found: dict[str, Any] = {
        "error": run.evaluation.top1_error,
        "top5_error": run.evaluation.top5_error,
        "ten_view_error": ten.top1_error,
        "ten_view_top5_error": ten.top5_error,
        "training_error": evaluate(classifier, Subset(seen, taken)).top1_error,
        "curve": [curve_point(row) for row in run.metrics if row["event"] == "epoch"],
        "steps": [{"step": row["step"], "loss": row["train_loss"]} for row in run.metrics if row["event"] == "step"],
        "colour": [tower.mean_share for tower in first_layer_towers(classifier)],
        "val_pictures": len(val),
    }
    if trial.is_asked_alike:
        found["alike"] = alike(classifier, val)
    shutil.rmtree(folder)
    return found | {"seconds": round(time.perf_counter() - began, 1)}


def curve_point(row: Any) -> dict[str, Any]:
    """A row of metrics.jsonl as the claims read it."""
    return {"epoch": row["epoch"], "train_loss": row["train_loss"], "error": row["top1_error"], "loss": row["val_loss"]}
