"""Time to accuracy: Tiny-ImageNet-200 from scratch to a ten-view top-1 accuracy of 54.5 %, on each GPU that is visible.

    alexnet prepare tiny-imagenet-200 tiny-raw --format raw --size 64
    python benchmarks/speedrun.py tiny-raw [--seeds 0 1 2 3 4]

Trains with `alexnet train`'s own code, a seed per run, and prints a line of JSON for each and one for all. The clock
counts training steps alone: it is read in the metrics between the first and the last logged step, and scaled to all
steps; so compiling, capturing and reading the pictures do not count, nor does the one evaluation behind the last step.
The accuracy is that of `alexnet evaluate --views 10` on the 5,000 validation pictures.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from alexnet.inference.device import visible_gpus

THRESHOLD = 0.545
EPOCHS = 68
SETTINGS: dict[str, Any] = {
    "lineage": "bvlc", "epochs": EPOCHS, "batch_size": 256, "lr": 0.02, "init": "he", "min_area": 0.35,
    "val_epochs": EPOCHS, "views": 10, "log_steps": 100, "checkpoint_minutes": 0,
}  # fmt: skip


def one(data: Path, seed: int) -> dict[str, object]:
    """Train once and return what came of it."""
    from alexnet.train.train import train

    with tempfile.TemporaryDirectory() as folder:
        run = train(data, Path(folder) / "run", seed=seed, **SETTINGS)
        steps = [row for row in run.metrics if row["event"] == "step"]
    first, last = steps[0], steps[-1]
    pace = (last["seconds"] - first["seconds"]) / (last["step"] - first["step"])
    total = run.metrics[-1]["step"]
    return {
        "seed": seed,
        "seconds": round(pace * total, 2),
        "images_per_s": round(SETTINGS["batch_size"] / pace),
        "top1": round(1 - run.evaluation.top1_error, 4),
        "top5": round(1 - (run.evaluation.top5_error or 0), 4),
    }


def spread_out(data: Path, seeds: list[int]) -> list[dict[str, object]]:
    """Share the seeds out to processes, one per GPU."""
    gpus = visible_gpus()

    def work(lane: int) -> list[dict[str, object]]:
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": gpus[lane]}
        command = [sys.executable, __file__, str(data), "--here", "--seeds", *map(str, seeds[lane :: len(gpus)])]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            found = []
            for line in process.stdout:
                print(line, end="", flush=True)
                found.append(json.loads(line))
        return found

    lanes = min(len(gpus), len(seeds))
    with ThreadPoolExecutor(lanes) as pool:
        return [result for results in pool.map(work, range(lanes)) for result in results]


def summary(results: list[dict[str, object]]) -> dict[str, object]:
    import torch

    def spread(key: str) -> dict[str, float]:
        values = [float(str(result[key])) for result in results]
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        return {
            "mean": round(statistics.mean(values), 4),
            "stdev": round(deviation, 4),
            "min": min(values),
            "max": max(values),
        }

    top1 = spread("top1")
    return {
        "threshold": THRESHOLD, "reached": top1["mean"] >= THRESHOLD, "seeds": len(results),
        "seconds": spread("seconds"), "top1": top1, "top5": spread("top5"), "settings": SETTINGS,
        "gpu": torch.cuda.get_device_name(), "torch": torch.__version__,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the set as `alexnet prepare --format raw --size 64` made it")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # a process of one GPU
    given = parser.parse_args()
    if given.here:
        for seed in given.seeds:
            print(json.dumps(one(given.data, seed)), flush=True)
        return
    if not visible_gpus():
        sys.exit("This benchmark needs a CUDA GPU.")
    results = spread_out(given.data, given.seeds)
    if len(results) < len(given.seeds):
        sys.exit(f"only {len(results)} of {len(given.seeds)} runs ended")
    print(json.dumps(summary(results)))


if __name__ == "__main__":
    main()
