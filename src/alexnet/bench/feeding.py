"""Steps of training that are fed from stored pictures, beside steps on synthetic ones: what the data path costs."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import torch
from torch import nn

from alexnet.bench.clock import Work
from alexnet.bench.comparison import with_ratios
from alexnet.bench.figure import Benchmark, figure
from alexnet.bench.peers import usual_precision
from alexnet.bench.synthetic import synthetic
from alexnet.bench.training import our_scheme, our_step, our_training
from alexnet.data.preprocess import Preprocessing
from alexnet.data.source import Pictures, open_split_or_all
from alexnet.data.statistics import Statistics, measure
from alexnet.errors import UsageError
from alexnet.fast.graph import cudnn_searches
from alexnet.lineages import find
from alexnet.model import AlexNet
from alexnet.train.device_pictures import DevicePictures, Resident, Streamed
from alexnet.train.engine import engine
from alexnet.train.fused_pictures import FusedViews, view_cutter
from alexnet.train.job import Job
from alexnet.train.pictures import augmentation_of, plain_views
from alexnet.train.recipe import MODERN
from alexnet.train.reporter import SILENT
from alexnet.train.signals import StopWish
from alexnet.train.stage import Batches

ROUNDS = 5
LEAST_STEPS = 3


def bench_feed(
    data: str | Path,
    lineage: str = "bvlc",
    batch_size: int = 128,
    *,
    device: torch.device,
    workers: int = 0,
    seconds: float = 2.0,
) -> Benchmark:
    """Time steps of the modern recipe fed from `data`: held on the GPU, streamed past, and without any feeding.

    Args:
        data: what `open_pictures` reads; prepared raw shards are the fastest.
        lineage: what is trained, with a head for the classes of the data.
        batch_size: pictures per step.
        device: where to train; without a GPU there is one way only, called "loader".
        workers: threads that read; 0 is one per core.
        seconds: of a round; there are ROUNDS of each, all in turn.

    Raises:
        UsageError: the data has fewer pictures than a batch.
    """
    table = find(lineage)
    pictures = open_split_or_all(data, "train", table.input.resize, table.input.fit)
    if len(pictures) < batch_size:
        raise UsageError(f"{data} has {len(pictures)} training pictures; a batch of {batch_size} needs as many.")
    net = AlexNet(table, num_classes=len(pictures.classes)).to(device)
    module, statistics = engine(net, "auto").train(), measure(pictures, 500)
    job = bench_job(net, pictures, statistics, batch_size, workers, device)
    works = {"synthetic": our_training(net.lineage, *synthetic(net.lineage, batch_size, device))}
    for who, batches in ways(job, pictures, statistics, module).items():
        works[who] = fed_step(job, batches)
    times: dict[str, list[float]] = {who: [] for who in works}
    with cudnn_searches():
        for number in range(ROUNDS + 1):  # the first compiles, and fills caches
            for who, work in works.items():
                elapsed = timed_steps(work, device, seconds)
                times[who] += [elapsed] if number else []
    notes = (
        "Ratio: how many times as fast steps on synthetic pictures are, which lie on the device.",
        f"{type(pictures).__name__} of {len(pictures):,} pictures, {pictures.side}x{pictures.side}.",
    )
    figures = with_ratios([figure(who, batch_size, found) for who, found in times.items()])
    return Benchmark("feed", lineage, batch_size, usual_precision(device), figures, notes)


def bench_job(
    net: AlexNet, pictures: Pictures, statistics: Statistics, batch_size: int, workers: int, device: torch.device
) -> Job:
    """What training wants to know, with nothing to write or to say."""
    return Job(
        folder=Path(),
        recipe=replace(MODERN, batch_size=batch_size, workers=workers),
        net=net,
        device=device,
        labels=pictures.classes,
        preprocessing=Preprocessing.of(net.lineage.input, statistics),
        provenance={},
        reporter=SILENT,
        wish=StopWish(),
        resume_command="",
    )


def ways(job: Job, pictures: Pictures, statistics: Statistics, module: nn.Module) -> dict[str, Batches]:
    """How pictures can reach this network here."""
    augmentation = augmentation_of(job.recipe)
    cutter = view_cutter(module, job, pictures, augmentation, statistics)
    if cutter is None:
        return {"loader": plain_views(job, pictures, augmentation, statistics)}
    workers = job.recipe.workers or None
    bring: dict[str, Callable[[], DevicePictures]] = {
        "resident": lambda: Resident(pictures, job.device, workers, job.skips, lambda done, total: None),
        "streamed": lambda: Streamed(pictures, job.device, workers, job.skips),
    }
    return {who: FusedViews(job, len(pictures), cutter, source) for who, source in bring.items()}


def fed_step(job: Job, batches: Batches) -> Work:
    """A step on the next pictures, epoch after epoch; what is left over of an epoch is passed over."""
    size = job.recipe.batch_size
    step = our_step(our_scheme(job.net.lineage, job.device), size)
    stream = (each for epoch in count() for each in batches(epoch, 0) if len(each.labels) == size)

    def work() -> None:
        step(next(stream), 0.01, 0)

    return work


def timed_steps(work: Work, device: torch.device, seconds: float) -> float:
    """Milliseconds of a step, by the clock, over at least `seconds`; the device is waited for at the end only."""
    work()
    wait(device)
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds or done < LEAST_STEPS:
        work()
        done += 1
    wait(device)
    return 1e3 * (time.perf_counter() - began) / done


def wait(device: torch.device) -> None:
    """Until all that was launched is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
