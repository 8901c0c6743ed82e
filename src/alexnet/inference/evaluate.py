"""How often a network is wrong on labelled pictures. Training validates with the same function.

B images, K classes of the network. Errors are fractions.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from alexnet.data.loader import Skips, batches
from alexnet.data.source import Pictures, open_pictures
from alexnet.errors import DataError
from alexnet.inference.classifier import Classifier, load
from alexnet.parallel.team import ALONE, Team

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

NAMES_SHOWN = 5


@dataclass(frozen=True)
class ClassResult:
    """One class that the data has pictures of."""

    index: int
    label: str
    images: int
    top1_error: float


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes:
        images: pictures that were looked at; those skipped are not among them.
        top5_error: None where the network has 5 classes or fewer, since no guess can miss then.
        loss: mean cross-entropy of the averaged probabilities, in nats.
        per_class: classes that occur in the data, in the network's order.
        confusion: (K, K) counts, a row for each true class and a column for each predicted one.
        skipped: unreadable pictures, name and reason.
    """

    images: int
    top1_error: float
    top5_error: float | None
    loss: float
    views: int
    labels: tuple[str, ...]
    per_class: tuple[ClassResult, ...]
    confusion: tuple[tuple[int, ...], ...]
    skipped: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """Fields as `alexnet evaluate --json` prints them."""
        skipped = [{"image": name, "reason": reason} for name, reason in self.skipped]
        return asdict(self) | {"skipped": skipped}


BATCH_SIZE, GPU_BATCH_SIZE = 64, 1024


def evaluate(
    classifier: Classifier | str | Path,
    pictures: Pictures | str | Path,
    *,
    views: int = 1,
    batch_size: int | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    team: Team = ALONE,
) -> Evaluation:
    """Compare the network's answers with the labels of `pictures`.

    Classes are matched by name, so that data may come in another order or hold fewer classes than the network knows;
    by index only where the data or the network has no names.

    Args:
        classifier: one that is loaded, or what `load` takes. Training passes its own network, whose mode is kept.
        pictures: opened, or the path of any source that `open_pictures` knows: then all of it, whatever its splits.
        views: 1, or the paper's 10.
        batch_size: views in one pass through the network; None is BATCH_SIZE, or GPU_BATCH_SIZE on a GPU.
        workers: threads that read pictures; None is one per core.
        progress: called with (pictures done, pictures in all).
        team: shares the pictures; each is looked at once, and every rank gets the figures of all.

    Raises:
        DataError: no pictures, pictures without a label, or classes that the network does not know.
        TooManyUnreadable: more bad pictures than the quota.
    """
    if not isinstance(classifier, Classifier):
        classifier = load(classifier)
    if isinstance(pictures, str | Path):
        preprocessing = classifier.preprocessing
        pictures = open_pictures(pictures, None, preprocessing.side, preprocessing.fit)
    if batch_size is None:
        batch_size = BATCH_SIZE if classifier.device.type == "cpu" else GPU_BATCH_SIZE
    count = classifier.pictures_per_pass(views, batch_size)
    targets = torch.from_numpy(_targets(pictures, classifier))  # (N,)
    metrics = _metrics(classifier.lineage.num_classes, classifier.device, team)
    skips, loss, order, part = Skips(), 0.0, np.arange(len(pictures)), (team.rank, team.size)
    with closing(batches(pictures, order, count * team.size, workers=workers, skips=skips, part=part)) as stream:
        for batch in stream:
            if len(batch):
                labels = targets[batch.indices].to(classifier.device)  # (B,)
                probs = classifier.probs(batch.images, views)  # (B, K)
                loss += summed_loss(probs, labels)
                metrics.update(probs, labels)
            if progress is not None:
                progress(batch.start + batch.slots, len(pictures))
    if not team.is_alone:
        (loss,) = team.total(loss)
        skips.join(team.collect(skips.reasons), len(pictures))
    if len(skips) == len(pictures):
        raise skips.too_many(f"none of {len(pictures)} pictures could be read")
    return _evaluation(metrics.compute(), classifier, loss, views, skips)


def _metrics(num_classes: int, device: torch.device, team: Team) -> "MetricCollection":
    from torchmetrics import Metric, MetricCollection  # a fifth of a second that `predict` need not wait
    from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

    joined: dict[str, Any] = {"sync_on_compute": not team.is_alone}
    metrics: dict[str, Metric | MetricCollection] = {
        "top1": MulticlassAccuracy(num_classes, top_k=1, average="micro", **joined),
        "top5": MulticlassAccuracy(num_classes, top_k=min(5, num_classes), average="micro", **joined),
        "confusion": MulticlassConfusionMatrix(num_classes, **joined),
    }
    return MetricCollection(metrics, compute_groups=False).to(device)


def summed_loss(probs: Tensor, labels: Tensor) -> float:
    """Summed cross-entropy; a probability that float32 rounds to zero counts as its smallest number."""
    right = probs.gather(1, labels[:, None]).clamp_min(torch.finfo(probs.dtype).tiny)  # (B, 1)
    return -float(right.log().sum())


def _evaluation(found: dict[str, Tensor], classifier: Classifier, loss: float, views: int, skips: Skips) -> Evaluation:
    confusion = found["confusion"].cpu().numpy()  # (K, K)
    images = confusion.sum(axis=1)  # (K,)
    count = int(images.sum())
    # torchmetrics answers in float32: back to whole pictures, so that 173 wrong of 250 is 0.692.
    wrong = {name: round((1 - float(found[name])) * count) for name in ("top1", "top5")}
    return Evaluation(
        images=count,
        top1_error=wrong["top1"] / count,
        top5_error=wrong["top5"] / count if len(images) > 5 else None,
        loss=loss / count,
        views=views,
        labels=tuple(classifier.label(index) for index in range(len(images))),
        per_class=tuple(
            ClassResult(index, classifier.label(index), int(images[index]), float(1 - row[index] / images[index]))
            for index, row in enumerate(confusion)
            if images[index]
        ),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        skipped=tuple((name, reason.removeprefix(f"{name}: ")) for name, reason in skips.reasons.items()),
    )


def _targets(pictures: Pictures, classifier: Classifier) -> np.ndarray:
    """The network's class (N,) for each picture."""
    if not len(pictures):
        raise DataError("there are no pictures to evaluate on. Name a folder with one subfolder per class.")
    labels = np.asarray(pictures.labels)
    unlabelled = np.flatnonzero(labels < 0)
    if len(unlabelled):
        raise DataError(
            f"{len(unlabelled)} of {len(labels)} pictures have no label; the first is {pictures.name(unlabelled[0])}. "
            "Put each into a folder named for its class, or list it with its label in a CSV file."
        )
    if pictures.classes and classifier.labels:
        return np.asarray(_by_name(pictures.classes, classifier)[labels])
    _require_range(int(labels.max()) + 1, classifier)
    return labels.astype(np.int64)


def _by_name(classes: Sequence[str], classifier: Classifier) -> np.ndarray:
    """The network's index (C,) of each class of the data."""
    known, source = classifier.labels, classifier.source or "the network"
    if tuple(classes) == known:
        return np.arange(len(known))
    positions = {label: index for index, label in enumerate(known)}
    unknown = [name for name in classes if name not in positions]
    if unknown:
        raise DataError(
            f"{source} does not know {len(unknown)} of the {len(classes)} classes of this data: {_some(unknown)}. "
            f"It knows {len(known)}: {_some(known)}. "
            "Rename the folders to its labels, or teach it these classes with `alexnet finetune`."
        )
    twice = [name for name, times in Counter(known).items() if times > 1 and name in classes]
    if twice:
        raise DataError(
            f"{source} has several classes called {_some(twice)}, so that the name does not say which is meant. "
            "Save the weights with distinct labels."
        )
    return np.array([positions[name] for name in classes])


def _require_range(count: int, classifier: Classifier) -> None:
    num_classes = classifier.lineage.num_classes
    if count > num_classes:
        raise DataError(
            f"the data has labels up to {count - 1}, but the network {num_classes} classes, and there are no names to "
            "match them by. Evaluate on the classes that it was trained on."
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
