"""Time to accuracy: Tiny-ImageNet-200 from scratch to a ten-view top-1 accuracy of 54.5 %, on each GPU that is visible.

    alexnet prepare tiny-imagenet-200 tiny-raw --format raw --size 64
    python benchmarks/speedrun.py tiny-raw [--seeds 0 1 2 3 4]
    python benchmarks/speedrun.py tiny-raw --together [--parallel hybrid] [--batch-size 256]

Trains with `alexnet train`'s own code, a seed per run, and prints a line of JSON for each and one for all. With
--together all GPUs train one network, seed after seed. The clock counts training steps alone: it is read in the metrics
between the first and the last logged step, and scaled to all steps; so compiling, capturing and reading the pictures do
not count, nor does the one evaluation behind the last step.
The accuracy is that of `alexnet evaluate --views 10` on the 5,000 validation pictures.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
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
        return outcome(seed, run.metrics, SETTINGS["batch_size"])


def one_together(data: Path, seed: int, settings: dict[str, Any]) -> dict[str, object]:
    """Train once, a process on every GPU."""
    from alexnet.train.metrics import read_metrics

    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        flags = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        command = [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(len(visible_gpus())),
            "-m", "alexnet", "train", str(data), "-o", str(run), "--seed", str(seed), *flags,
        ]  # fmt: skip
        subprocess.run(command, check=True, stdout=sys.stderr)
        return outcome(seed, read_metrics(run), settings["batch_size"])


def outcome(seed: int, metrics: Sequence[Mapping[str, Any]], batch_size: int) -> dict[str, object]:
    """The time of all steps at the pace between the first and the last logged, and the accuracy in the end."""
    steps = [row for row in metrics if row["event"] == "step"]
    first, last, end = steps[0], steps[-1], metrics[-1]
    pace = (last["seconds"] - first["seconds"]) / (last["step"] - first["step"])
    return {
        "seed": seed,
        "seconds": round(pace * end["step"], 2),
        "images_per_s": round(batch_size / pace),
        "top1": round(1 - end["top1_error"], 4),
        "top5": round(1 - end["top5_error"], 4),
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


def summary(results: list[dict[str, object]], settings: dict[str, Any], gpus: int) -> dict[str, object]:
    """Means and spreads over the seeds."""
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
        "seconds": spread("seconds"), "top1": top1, "top5": spread("top5"), "settings": settings, "gpus_a_run": gpus,
        "gpu": torch.cuda.get_device_name(), "torch": torch.__version__,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the set as `alexnet prepare --format raw --size 64` made it")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--together", action="store_true", help="one network on all GPUs, in place of one on each")
    parser.add_argument("--parallel", default="auto", help="the scheme of --together")
    parser.add_argument("--batch-size", type=int, default=SETTINGS["batch_size"], help="of --together, over all GPUs")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # a process of one GPU
    given = parser.parse_args()
    if given.here:
        for seed in given.seeds:
            print(json.dumps(one(given.data, seed)), flush=True)
        return
    if not visible_gpus():
        sys.exit("This benchmark needs a CUDA GPU.")
    if given.together:
        settings = {**SETTINGS, "batch_size": given.batch_size, "parallel": given.parallel}
        settings["lr"] *= given.batch_size / SETTINGS["batch_size"]
        found = []
        for seed in given.seeds:
            found.append(one_together(given.data, seed, settings))
            print(json.dumps(found[-1]), flush=True)
        print(json.dumps(summary(found, settings, len(visible_gpus()))))
        return
    results = spread_out(given.data, given.seeds)
    if len(results) < len(given.seeds):
        sys.exit(f"only {len(results)} of {len(given.seeds)} runs ended")
    print(json.dumps(summary(results, SETTINGS, 1)))


if __name__ == "__main__":
    main()
