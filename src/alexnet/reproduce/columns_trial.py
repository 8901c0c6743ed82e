"""Trainings of the two-column claim: `alexnet train` in one process, or in two by torchrun, on the processors."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from alexnet.errors import RunError
from alexnet.reproduce.sample import write_sample
from alexnet.reproduce.trial import Trial, history
from alexnet.train.metrics import read_metrics

CLASSES, PER_CLASS = 5, 40
THREADS = 4  # of one process at most; two have half as many each


def run_columns(trial: Trial, data: Path, folder: Path) -> dict[str, Any]:
    """Train and return the losses of all steps, the curve, and milliseconds of a step."""
    began = time.perf_counter()
    settings = dict(trial.settings)
    processes = settings.pop("processes")
    pictures = write_sample(data, folder.with_name(folder.name + "-sample"), CLASSES, PER_CLASS)
    shutil.rmtree(folder, ignore_errors=True)
    flags = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = [
        *(["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"] if processes == 2 else []),
        "alexnet", "train", str(pictures), "-o", str(folder), "--device", "cpu", "--seed", str(trial.seed), *flags,
        *(["--parallel", "towers"] if processes == 2 else []),
    ]  # fmt: skip
    threads = max(1, min(THREADS, os.cpu_count() or 1) // processes)
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RunError(f"`{' '.join(command)}` failed:\n{done.stderr[-2000:]}")
    rows = read_metrics(folder)
    first, *_, last = (row for row in rows if row["event"] == "step")
    pace = (last["seconds"] - first["seconds"]) / (last["step"] - first["step"])
    shutil.rmtree(folder)
    return {**history(rows), "ms_per_step": 1e3 * pace, "seconds": round(time.perf_counter() - began, 1)}
