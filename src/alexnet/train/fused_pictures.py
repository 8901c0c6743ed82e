"""Random views for a fused network: cut on the GPU from stored bytes, straight into the layout of its first layer."""

from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from alexnet.data.augment import DRAWS_PER_PICTURE, Augmentation
from alexnet.data.chance import draws_at, permutation
from alexnet.data.loader import share_of_batch
from alexnet.data.source import Pictures
from alexnet.data.statistics import Statistics
from alexnet.fast import FastNet
from alexnet.fast.augment import ViewCutter
from alexnet.parallel.scheme import Scheme
from alexnet.train.device_pictures import DevicePictures, Part, Picked, device_pictures
from alexnet.train.job import Job
from alexnet.train.mixing import drawn_mixture, shared_labels
from alexnet.train.stage import Batches, Examples


def fused_views(
    job: Job,
    pictures: Pictures,
    augmentation: Augmentation,
    statistics: Statistics | None,
    scheme: Scheme,
    progress: Callable[[int, int], None],
) -> Batches | None:
    """The examples of `plain_views`, made on the GPU; None where the network or the pictures do not allow it.

    Args:
        progress: called with (pictures done, pictures in all) where they are all brought to the GPU first.
    """
    cutter = view_cutter(scheme.module, job, pictures, augmentation, statistics)
    if cutter is None:
        return None
    bring = partial(
        device_pictures, pictures, job.device, job.recipe.workers or None, job.skips, progress, scheme.part, job.team
    )
    return FusedViews(job, len(pictures), cutter, bring, scheme.part)


def view_cutter(
    module: nn.Module, job: Job, pictures: Pictures, augmentation: Augmentation, statistics: Statistics | None
) -> ViewCutter | None:
    """What cuts the views that a fused module takes; None where it is not fused so far or the pictures do not fit."""
    if not isinstance(module, FastNet) or module.blocks is None:
        return None
    if not ViewCutter.fits(job.preprocessing, pictures.side):
        return None
    return ViewCutter(module.blocks, job.preprocessing, augmentation, statistics, pictures.side, module.dtype)


class FusedViews:
    """Makes the examples of an epoch; `bring` makes the source when the first epoch begins."""

    def __init__(
        self, job: Job, count: int, cutter: ViewCutter, bring: Callable[[], DevicePictures], part: Part = (0, 1)
    ) -> None:
        self.job, self.count, self.cutter, self.bring = job, count, cutter, bring
        mine = share_of_batch(job.recipe.batch_size, *part)
        self._full = mine.stop - mine.start
        self._source: DevicePictures | None = None
        self._views: Tensor | None = None  # of every full batch: the captured step reads them there

    def __call__(self, epoch: int, start: int) -> Generator[Examples, None, None]:
        job, recipe, count = self.job, self.job.recipe, self.count
        if self._source is None:
            self._source = self.bring()
        order = permutation(recipe.seed, epoch, count)
        with closing(self._source.picked(order, recipe.batch_size, start)) as stream:
            for batch in stream:
                chances = draws_at(recipe.seed, epoch, batch.positions, DRAWS_PER_PICTURE)
                mixed = drawn_mixture(job, epoch, batch.positions)
                labels = shared_labels(job, upload(batch.labels, job.device), mixed)
                views = self._cut(batch, self.cutter.rows(chances, mixed), mixed is not None)
                places, upto = torch.from_numpy(batch.positions - batch.start), batch.start + batch.slots
                yield Examples(views, labels, upto, places, batch.slots, batch.count)

    def _cut(self, batch: Picked, settings: np.ndarray, is_mixed: bool) -> Tensor:
        rows, on_device = upload(batch.rows, self.job.device), upload(settings, self.job.device)
        is_full = len(batch.rows) == self._full
        out = self._views if is_full else None
        views = self.cutter.cut(batch.pictures, rows, on_device, out, is_mixed=is_mixed)
        if is_full:
            self._views = views
        return views


def upload(values: np.ndarray, device: torch.device) -> Tensor:
    """Copy to the GPU without waiting for it."""
    return torch.from_numpy(values).pin_memory().to(device, non_blocking=True)
