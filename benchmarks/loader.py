"""Pictures per second that reach a training loop, by source and number of threads, beside a torch DataLoader.

    python benchmarks/loader.py                        # 512 drawn photographs of 500 x 375
    python benchmarks/loader.py --folder pictures/     # or yours

Both sides read the same files into the same uint8 batches; the DataLoader uses processes, kept alive between rounds.
Rounds alternate between all settings; one is an epoch of the folder, or ten of the raw set. The first round, which
starts processes and fills the page cache, does not count. Memory is the most that a process of its own holds above
what it held after its imports.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from alexnet.data.chance import permutation
from alexnet.data.loader import Skips, batches
from alexnet.data.prepare import prepare
from alexnet.data.source import Pictures, open_pictures

BATCH_SIZE, SIDE = 128, 256
RAW_EPOCHS = 10
Round = Callable[[], int]  # reads everything and returns how many pictures that were


class PeerFolder(Dataset[torch.Tensor]):
    """What one writes for a folder: open, convert, resize the short side, cut the centre."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        with Image.open(self.paths[index]) as file:
            picture = file.convert("RGB")
        scale = SIDE / min(picture.size)
        width, height = round(picture.width * scale), round(picture.height * scale)
        left, top = (width - SIDE) // 2, (height - SIDE) // 2
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(picture.crop((left, top, left + SIDE, top + SIDE))))


class PeerRaw(Dataset[torch.Tensor]):
    """What one writes for an array of pictures: a memory map and a copy of a row."""

    def __init__(self, path: Path, epochs: int) -> None:
        self.pixels, self.epochs = np.load(path, mmap_mode="r"), epochs

    def __len__(self) -> int:
        return len(self.pixels) * self.epochs

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(np.array(self.pixels[index % len(self.pixels)]))


def our_round(pictures: Pictures, workers: int, epochs: int) -> int:
    order = np.concatenate([permutation(0, epoch, len(pictures)) for epoch in range(epochs)])
    with closing(batches(pictures, order, BATCH_SIZE, workers=workers, skips=Skips())) as stream:
        return sum(len(batch) for batch in stream)


def peer(dataset: Dataset[torch.Tensor], workers: int) -> Round:
    loader = DataLoader(dataset, BATCH_SIZE, shuffle=True, num_workers=workers, persistent_workers=True)
    return lambda: sum(len(images.permute(0, 3, 1, 2)) for images in loader)


def draw_folder(folder: Path, count: int) -> None:
    """Photographs as far as a JPEG decoder can tell: blurred noise of all scales, 500 x 375, about 50 KB."""
    random = np.random.default_rng(0)
    for number in range(count):
        levels = np.zeros((375, 500, 3))
        for cells in (3, 12, 50, 200):
            noise = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
            levels += np.asarray(noise.resize((500, 375), Image.Resampling.BICUBIC)) / cells**0.5
        path = folder / str(number % 2) / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((levels * 255 / levels.max()).astype(np.uint8)).save(path, quality=90)


def measure(settings: dict[str, Round], rounds: int) -> dict[str, list[float]]:
    """Pictures per second of each setting, one figure a round, the settings taking turns."""
    rates: dict[str, list[float]] = {name: [] for name in settings}
    for number in range(rounds + 1):
        for name, read_all in settings.items():
            start = time.perf_counter()
            count = read_all()
            if number:
                rates[name].append(count / (time.perf_counter() - start))
    return rates


def peak_growth_mb(source: Path, workers: int, epochs: int) -> float:
    """The most memory that a round adds to a process which has imported everything, in MB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_growth_mb, (source, workers, epochs))


def _growth_mb(source: Path, workers: int, epochs: int) -> float:
    held, is_done = [resident_mb()], threading.Event()

    def watch() -> None:
        while not is_done.wait(0.005):
            held.append(resident_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    our_round(open_pictures(source, None, SIDE, "short"), workers, epochs)
    is_done.set()
    watcher.join()
    return max(held) - held[0]


def resident_mb() -> float:
    """Memory of this process that is in RAM, in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="a folder per class; default: drawn pictures")
    parser.add_argument("--count", type=int, default=512, help="pictures to draw")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if options.folder is None:
            options.folder = Path(scratch) / "folder"
            draw_folder(options.folder, options.count)
        raw = Path(scratch) / "raw"
        prepare(options.folder, raw, format="raw", size=SIDE, fit="short", workers=None, val_fraction=0.0, seed=0)
        report(options.folder, raw, options)


def report(folder: Path, raw: Path, options: argparse.Namespace) -> None:
    """Run every setting and print one line each, or one JSON document."""
    rows = []
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    peers = {"folder": PeerFolder(paths), "raw": PeerRaw(next(raw.glob("train-00000.npy")), RAW_EPOCHS)}
    for kind, source, epochs in (("folder", folder, 1), ("raw", raw, RAW_EPOCHS)):
        pictures = open_pictures(source, None, SIDE, "short")
        settings: dict[str, Round] = {}
        for workers in options.workers:
            settings[f"ours {workers}"] = partial(our_round, pictures, workers, epochs)
            settings[f"DataLoader {workers}"] = peer(peers[kind], workers)
        for name, rates in measure(settings, options.rounds).items():
            loader, workers = name.split()
            growth = peak_growth_mb(source, int(workers), epochs) if loader == "ours" else None
            rows.append((kind, loader, int(workers), statistics.median(rates), min(rates), max(rates), growth))
    keys = ("source", "loader", "workers", "images_per_s", "lowest_per_s", "highest_per_s", "peak_growth_mb")
    if options.json:
        json.dump([dict(zip(keys, row, strict=True)) for row in rows], sys.stdout, indent=1)
        return
    for kind, loader, workers, median, lowest, highest, growth in rows:
        memory = "" if growth is None else f", at most {growth:.0f} MB more memory"
        spread = f"({lowest:.0f} to {highest:.0f})"
        print(f"{kind:6} {loader:10} {workers:2} workers {median:7.0f} images/s {spread}{memory}")


if __name__ == "__main__":
    main()
