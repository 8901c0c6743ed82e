"""Pictures as the examples of a stage: a random view of each for training, `alexnet evaluate` for validation."""

from collections.abc import Generator
from contextlib import closing

import torch
from torch import Tensor

from alexnet.data.augment import DRAWS_PER_PICTURE, Augmentation, augment
from alexnet.data.chance import draws_at, permutation
from alexnet.data.loader import Batch, batches
from alexnet.data.mix import mixed_views
from alexnet.data.source import Pictures
from alexnet.data.statistics import Statistics
from alexnet.inference.evaluate import evaluate
from alexnet.parallel.scheme import Scheme
from alexnet.train.device_pictures import readable
from alexnet.train.fused_pictures import fused_views
from alexnet.train.job import Job
from alexnet.train.material import Material
from alexnet.train.mixing import drawn_mixture, shared_labels
from alexnet.train.recipe import Recipe
from alexnet.train.stage import Batches, Examples, Progress, Scores, Supply


def picture_supply(job: Job, material: Material, statistics: Statistics | None, scheme: Scheme) -> Supply:
    """Random views of the training pictures, each drawn by its position in the epoch's order.

    Args:
        job: its recipe says how views are drawn.
        material: the pictures.
        statistics: of the training pictures; only colour noise reads them.
        scheme: whom they are for: which part of each batch; a fused network gets them from the GPU.
    """
    recipe, train = job.recipe, material.train
    augmentation = augmentation_of(recipe)
    views = fused_views(job, train, augmentation, statistics, scheme, job.meter("pictures to the GPU"))
    if views is None:
        views = plain_views(job, train, augmentation, statistics, scheme.part)

    def validate(progress: Progress) -> Scores:
        found = evaluate(
            job.classifier(), material.val, views=recipe.views, workers=recipe.workers or None, progress=progress,
            team=job.team,
        )  # fmt: skip
        return Scores(found.top1_error, found.top5_error, found.loss)

    return Supply(len(train), views, validate)


def augmentation_of(recipe: Recipe) -> Augmentation:
    """What the recipe does to a picture."""
    return Augmentation(recipe.crop, recipe.flip, recipe.color, recipe.color_std, recipe.min_area)


def plain_views(
    job: Job,
    pictures: Pictures,
    augmentation: Augmentation,
    statistics: Statistics | None,
    part: tuple[int, int] = (0, 1),
) -> Batches:
    """Views that are cut by torch, on the device of the network."""
    recipe, count, side = job.recipe, len(pictures), job.preprocessing.size

    def cut(batch: Batch, epoch: int) -> Tensor:
        if not len(batch):
            return torch.zeros(0, 3, side, side, device=job.device)
        chances = draws_at(recipe.seed, epoch, batch.positions, DRAWS_PER_PICTURE)
        return augment(batch.images.to(job.device), chances, job.preprocessing, augmentation, statistics)

    def views(epoch: int, start: int) -> Generator[Examples, None, None]:
        order = permutation(recipe.seed, epoch, count)
        stream = batches(
            pictures, order, recipe.batch_size,
            start=start, workers=recipe.workers or None, skips=job.skips, part=part,
        )  # fmt: skip
        with closing(stream):
            for batch in stream:
                known = readable(pictures, len(batch), batch.slots, part, job.team)
                if known:
                    images = cut(batch, epoch)
                    mixed = drawn_mixture(job, epoch, batch.positions)
                    labels = shared_labels(job, batch.labels.to(job.device), mixed)
                    slots, upto = torch.from_numpy(batch.positions - batch.start), batch.start + batch.slots
                    images = images if mixed is None else mixed_views(images, mixed)
                    yield Examples(images, labels, upto, slots, batch.slots, known)

    return views
