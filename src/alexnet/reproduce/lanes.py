"""Trainings of several claims, each once, on every device there is: a process per GPU, or here on a processor."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import chain, count
from pathlib import Path
from typing import Any

from alexnet.errors import RunError
from alexnet.inference.device import visible_gpus
from alexnet.inference.machine import machine
from alexnet.reproduce.trial import Data, Trial, as_json
from alexnet.weights.durable import replace_file

Say = Callable[[str], None]


def run_trials(
    wanted: Iterable[Trial], data: Mapping[Data, Path], folder: Path, device: str, say: Say
) -> dict[str, Any]:
    """Make the trainings that `folder` has no result of yet, and return all results by key.

    Args:
        wanted: trainings; those that several claims want are made once.
        data: where the pictures of each set are.
        folder: of results, a JSON file for each training; what is there already is not made again.
        device: "cuda" for all GPUs that are visible, or another for this process.
        say: is told of each that ends.

    Raises:
        RunError: a training failed; the others' results stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    every = list({trial.key: trial for trial in wanted}.values())
    left = sorted(
        (trial for trial in every if not (folder / f"{trial.key}.json").exists()),
        key=lambda trial: (trial.data, trial.seed),  # so that neighbours on several GPUs do not compile the same
    )
    done = count(1)

    def keep(trial: Trial, found: Mapping[str, Any]) -> None:
        text = as_json({"trial": asdict(trial), **found})
        replace_file(folder / f"{trial.key}.json", lambda aside: aside.write_text(text, encoding="utf-8"))
        end = f"; lost, {found['failed']}" if "failed" in found else ""
        say(f"{next(done)} of {len(left)}: {trial.data} {trial.variant}, seed {trial.seed}, {found['seconds']} s{end}")

    if device != "cuda":
        for trial in left:
            keep(trial, run_one(trial, data[trial.data], folder / "run", device))
    elif left:
        _spread_out(left, data, folder, keep)
    return {trial.key: json.loads((folder / f"{trial.key}.json").read_text(encoding="utf-8")) for trial in every}


def run_one(trial: Trial, data: Path, folder: Path, device: str) -> dict[str, Any]:
    """Make one training here, and say where that was."""
    return {"machine": machine(), **_run(trial, data, folder, device)}


def _run(trial: Trial, data: Path, folder: Path, device: str) -> dict[str, Any]:
    if trial.data == "cifar":
        from alexnet.reproduce.resident import run_resident

        return run_resident(trial, data, folder, device)
    if "processes" in dict(trial.settings):
        from alexnet.reproduce.columns_trial import run_columns

        return run_columns(trial, data, folder)
    from alexnet.reproduce.tiny_trial import run_tiny

    return run_tiny(trial, data, folder, device)


def _spread_out(
    left: Sequence[Trial], data: Mapping[Data, Path], folder: Path, keep: Callable[[Trial, Mapping[str, Any]], None]
) -> None:
    """Give the next training to whichever GPU is free."""
    gpus, waiting = visible_gpus(), iter(left)
    lost: list[Trial] = []

    def lane(gpu: str) -> None:
        for trial in waiting:
            work(gpu, trial, waiting)

    def work(gpu: str, first: Trial, others: Iterator[Trial]) -> None:
        """Make one training and those that are still waiting in one process, as long as it lives."""
        command = [sys.executable, "-m", "alexnet.reproduce.worker", str(folder / f"run-{gpu}")]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": gpu}
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as worker:
            assert worker.stdin is not None
            assert worker.stdout is not None
            for trial in chain((first,), others):
                worker.stdin.write(json.dumps([asdict(trial), str(data[trial.data])]) + "\n")
                worker.stdin.flush()
                answer = worker.stdout.readline()
                if not answer:
                    lost.append(trial)
                    return
                keep(trial, json.loads(answer))
            worker.stdin.close()

    with ThreadPoolExecutor(len(gpus)) as pool:
        for future in [pool.submit(lane, gpu) for gpu in gpus]:
            future.result()
    if lost:
        raise RunError(
            f"without a result: {', '.join(trial.key for trial in lost)}. Why is said above; the others are kept."
        )
