"""What the frozen part of a network makes of each picture, computed once and kept on disk.

N pictures, V views of each (the centre and its mirror, or the views of validation), F... the shape of a feature.
"""

import json
import shutil
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from alexnet.data.augment import DRAWS_PER_PICTURE, MIRROR
from alexnet.data.chance import draws, permutation
from alexnet.data.loader import Skips, batches
from alexnet.data.preprocess import Preprocessing
from alexnet.data.source import Pictures
from alexnet.data.views import average_views, center_view
from alexnet.errors import RunError
from alexnet.inference.evaluate import summed_loss
from alexnet.train.job import Job
from alexnet.train.stage import Batches, Examples, Progress, Scores

FOLDER = "cache"
PICTURES_AT_ONCE = 32
# Up to here features stay float32, so that the numbers are those of the network itself; beyond, they are halved.
FLOAT32_BYTES = 2 * 2**30


@dataclass(frozen=True, eq=False)
class Features:
    """Cached features of a source's readable pictures, in its order.

    Attributes:
        rows: (N, V, F...) float32 or float16, memory-mapped.
        labels: (N,) int64.
    """

    rows: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def mirrored_pair(pictures: Tensor, size: int) -> Tensor:
    """The centre of each picture and its mirror: (B, 2, 3, size, size)."""
    center = center_view(pictures, size)
    return torch.stack((center, center.flip(-1)), dim=1)


def cache_pictures(
    path: Path,
    pictures: Pictures,
    cut: Callable[[Tensor], Tensor],
    trunk: nn.Module,
    job: Job,
    *,
    skips: Skips,
    progress: Progress,
) -> Features:
    """The trunk's features of every readable picture, from `path` if an earlier start has written them all.

    Args:
        path: of the file, without suffix.
        pictures: all of them are seen, in their order.
        cut: makes the views, (B, V, 3, size, size), as `Preprocessing.views` calls it.
        trunk: from network input to (B, F...), in evaluation mode.
        job: gives the preprocessing and the device.
        skips: counts the unreadable pictures.
        progress: called with (pictures done, pictures in all).

    Raises:
        RunError: the disk has not enough room.
        TooManyUnreadable: more bad pictures than the quota of `skips`.
    """
    if is_complete(path):
        return read_features(path)
    order, labels = np.arange(len(pictures)), np.zeros(len(pictures), np.int64)
    rows: np.memmap | None = None
    done, workers = 0, job.recipe.workers or None
    with closing(batches(pictures, order, PICTURES_AT_ONCE, workers=workers, skips=skips)) as stream:
        for batch in stream:
            features = _views_through(trunk, batch.images.to(job.device), cut, job.preprocessing)  # (B, V, F...)
            if rows is None:
                rows = _allocate(path, (len(pictures), *features.shape[1:]))
            rows[done : done + len(batch)] = features.cpu().numpy()
            labels[done : done + len(batch)] = batch.labels.numpy()
            done += len(batch)
            progress(min(batch.start + PICTURES_AT_ONCE, len(pictures)), len(pictures))
    assert rows is not None, "the loader refuses a source without a readable picture"
    return _complete(path, rows, labels[:done])


@torch.inference_mode()
def _views_through(
    trunk: nn.Module, images: Tensor, cut: Callable[[Tensor], Tensor], preprocessing: Preprocessing
) -> Tensor:
    views = preprocessing.views(images, cut)  # (B, V, 3, H, W)
    features: Tensor = trunk(views.flatten(0, 1))
    return features.view(*views.shape[:2], *features.shape[1:])


def cache_further(
    path: Path, features: Features, layers: nn.Module, device: torch.device, progress: Progress
) -> Features:
    """What `layers`, in evaluation mode, make of features: cached in turn, with the same pictures and views."""
    if is_complete(path):
        return read_features(path)
    rows: np.memmap | None = None
    with torch.inference_mode():
        for start in range(0, len(features), PICTURES_AT_ONCE):
            chunk = _tensor(features.rows[start : start + PICTURES_AT_ONCE], device)  # (B, V, F...)
            further = layers(chunk.flatten(0, 1))
            further = further.view(*chunk.shape[:2], *further.shape[1:])
            if rows is None:
                rows = _allocate(path, (len(features), *further.shape[1:]))
            rows[start : start + len(further)] = further.cpu().numpy()
            progress(start + len(further), len(features))
    assert rows is not None
    return _complete(path, rows, features.labels)


def feature_batches(features: Features, seed: int, batch_size: int, flip: bool, device: torch.device) -> Batches:
    """Examples from cached features; the view of each is drawn by its position in the epoch's order."""

    def of(epoch: int, start: int) -> Generator[Examples, None, None]:
        order = permutation(seed, epoch, len(features))
        for first in range(start, len(order), batch_size):
            chosen = order[first : first + batch_size]
            mirror = draws(seed, epoch, first, len(chosen), DRAWS_PER_PICTURE)[:, MIRROR] < 0.5
            view = (mirror & flip).astype(np.int64)
            labels = torch.from_numpy(features.labels[chosen]).to(device)
            yield Examples.all(_tensor(features.rows[chosen, view], device), labels, first + len(chosen))

    return of


@torch.inference_mode()
def score(features: Features, layers: nn.Module, device: torch.device, progress: Progress) -> Scores:
    """What `alexnet evaluate` finds on the pictures of these features, without seeing them again.

    `layers` go from features to logits, in evaluation mode.
    """
    views = features.rows.shape[1]
    loss, wrong1, wrong5, num_classes = 0.0, 0, 0, 0
    for start in range(0, len(features), PICTURES_AT_ONCE):
        chunk = _tensor(features.rows[start : start + PICTURES_AT_ONCE], device)  # (B, V, F...)
        labels = torch.from_numpy(features.labels[start : start + PICTURES_AT_ONCE]).to(device)
        probs = average_views(layers(chunk.flatten(0, 1)), views)  # (B, K)
        num_classes = probs.shape[1]
        loss += summed_loss(probs, labels)
        hits = probs.topk(min(5, num_classes)).indices == labels[:, None]  # (B, 5)
        wrong1 += int((~hits[:, 0]).sum())
        wrong5 += int((~hits.any(dim=1)).sum())
        progress(min(start + PICTURES_AT_ONCE, len(features)), len(features))
    count = len(features)
    return Scores(wrong1 / count, wrong5 / count if num_classes > 5 else None, loss / count)


def _tensor(rows: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(rows)).to(device).float()


def is_complete(path: Path) -> bool:
    """Whether `path` holds all features that it was begun for: the labels are written last."""
    return path.with_suffix(".json").exists()


def read_features(path: Path) -> Features:
    labels = np.array(json.loads(path.with_suffix(".json").read_text(encoding="utf-8")), np.int64)
    rows = np.load(path.with_suffix(".npy"), mmap_mode="r")
    return Features(rows[: len(labels)], labels)


def _allocate(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """A new memory-mapped array."""
    dtype = np.dtype(np.float32 if 4 * prod(shape) <= FLOAT32_BYTES else np.float16)
    path.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path.parent).free
    if dtype.itemsize * prod(shape) > free:
        raise RunError(
            f"{path.parent}: the features of {shape[0]} pictures need {dtype.itemsize * prod(shape) / 2**30:.1f} GiB, "
            f"and {free / 2**30:.1f} GiB are free. Freeze up to a later layer, give an -o on another disk, or train "
            "all of it without a cache: --freeze none."
        )
    return np.lib.format.open_memmap(path.with_suffix(".npy"), mode="w+", dtype=dtype, shape=shape)


def _complete(path: Path, rows: np.memmap, labels: np.ndarray) -> Features:
    rows.flush()
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(labels.tolist()), encoding="utf-8")
    aside.rename(path.with_suffix(".json"))
    return read_features(path)
