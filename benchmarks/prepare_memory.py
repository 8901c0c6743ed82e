"""Peak memory of `prepare` on a folder of N drawn pictures: it stays under 500 MB, whatever N is.

    python benchmarks/prepare_memory.py 2000 20000 --format raw

Each N runs in a process of its own. The folder holds 200 drawn files and links to them under N names, so that many
pictures need little disk; to `prepare` each is a picture of its own.
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from alexnet.data.prepare import prepare

DRAWN = 200
CLASSES = 10
LIMIT_MB = 500


def draw_folder(root: Path, count: int, width: int, height: int) -> None:
    """Draw `count` JPEG files in CLASSES folders, all but the first DRAWN of them as links."""
    random = np.random.default_rng(0)
    for number in range(count):
        path = root / f"class{number % CLASSES}" / f"{number:07}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < DRAWN:
            colors = random.integers(0, 256, (height // 20, width // 20, 3), dtype=np.uint8)
            Image.fromarray(colors).resize((width, height), Image.Resampling.BICUBIC).save(path, quality=90)
        else:
            first = number % DRAWN
            os.link(root / f"class{first % CLASSES}" / f"{first:07}.jpg", path)


def peak_mb(source: Path, destination: Path, format: str, size: int, workers: int | None) -> tuple[float, float]:
    """Peak resident memory of this process in MB after preparing `source`, and the seconds it took."""
    started = time.perf_counter()
    prepare(source, destination, format="raw" if format == "raw" else "jpeg", size=size, workers=workers)
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes on Linux
    return peak_kb / 1024, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", nargs="*", type=int, default=[1000, 10000], metavar="N")
    parser.add_argument("--format", choices=("jpeg", "raw"), default="jpeg")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--picture", type=int, nargs=2, default=(500, 375), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--workers", type=int)
    arguments = parser.parse_args()
    for count in arguments.counts:
        folder = Path(tempfile.mkdtemp(prefix="prepare-memory-"))
        try:
            draw_folder(folder / "source", count, *arguments.picture)
            job = (folder / "source", folder / "set", arguments.format, arguments.size, arguments.workers)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                megabytes, seconds = pool.apply(peak_mb, job)
        finally:
            shutil.rmtree(folder)
        verdict = "ok" if megabytes < LIMIT_MB else f"MORE than {LIMIT_MB}"
        print(
            f"{count:8} pictures  {megabytes:6.0f} MB peak ({verdict})  {count / seconds:6.0f} pictures/s", flush=True
        )


if __name__ == "__main__":
    main()
