"""Pictures as the examples of a stage: a random view of each for training, `alexnet evaluate` for validation."""

from collections.abc import Generator
from contextlib import closing

from alexnet.data.augment import DRAWS_PER_PICTURE, Augmentation, augment
from alexnet.data.chance import draws, permutation
from alexnet.data.loader import batches
from alexnet.data.statistics import Statistics
from alexnet.inference.evaluate import evaluate
from alexnet.train.job import Job
from alexnet.train.material import Material
from alexnet.train.stage import Examples, Progress, Scores, Supply


def picture_supply(job: Job, material: Material, statistics: Statistics | None) -> Supply:
    """Random views of the training pictures, each drawn by its position in the epoch's order.

    Args:
        job: its recipe says how views are drawn.
        material: the pictures.
        statistics: of the training pictures; only colour noise reads them.
    """
    recipe, train = job.recipe, material.train
    augmentation = Augmentation(recipe.crop, recipe.flip, recipe.color, recipe.color_std, recipe.min_area)
    size, workers = recipe.batch_size, recipe.workers or None

    def views(epoch: int, start: int) -> Generator[Examples, None, None]:
        order = permutation(recipe.seed, epoch, len(train))
        with closing(batches(train, order, size, start=start, workers=workers, skips=job.skips)) as stream:
            for batch in stream:
                slots = draws(recipe.seed, epoch, batch.start, size, DRAWS_PER_PICTURE)
                chances = slots[batch.positions - batch.start]  # unreadable pictures leave their slots unused
                images = augment(batch.images.to(job.device), chances, job.preprocessing, augmentation, statistics)
                yield Examples(images, batch.labels.to(job.device), min(batch.start + size, len(train)))

    def validate(progress: Progress) -> Scores:
        found = evaluate(job.classifier(), material.val, views=recipe.views, workers=workers, progress=progress)
        return Scores(found.top1_error, found.top5_error, found.loss)

    return Supply(len(train), views, validate)
