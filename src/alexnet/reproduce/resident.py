"""Small networks trained on pictures that lie on the device as one tensor: what the CIFAR-10 claims need.

On a GPU a step is a CUDA graph: a step of these networks is shorter than its launches. Arithmetic is torch's own:
float32, with TF32 in the convolutions of GPUs that have it.
N pictures, B of a batch, S side.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.data.listing import Split
from alexnet.data.loader import Skips, batches
from alexnet.data.source import open_pictures
from alexnet.data.views import center_view, ten_views
from alexnet.fast.graph import capture, cudnn_searches
from alexnet.lineages import Lineage, find, vary
from alexnet.lineages.vary import ActivationName
from alexnet.model import AlexNet
from alexnet.reproduce.trial import Trial, when_reached
from alexnet.train.initial import fresh_network
from alexnet.train.recipe import paper

AT_ONCE = 1000
ON_A_GPU = 2000  # looked at together there: 1.5 GB of maps


@dataclass(frozen=True, eq=False)
class Set:
    """Pictures (N, 3, S, S) uint8 and labels (N,) int64, on the device."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    Attributes:
        lr: of weights; biases have the lineage's factor on it.
        epochs: at most.
        weight_decay: None is the lineage's.
        drops: shares of the epochs after which the rate falls to a tenth.
        is_augmented: shifted crops and mirrors; otherwise the centre.
        watched: the error that is measured after each epoch.
        goal: watched error at which it stops; None: never.
        per_class: pictures taken of each class; 0: all.
    """

    lineage: str
    lr: float
    epochs: int
    activation: ActivationName = "relu"
    norm: bool = True
    batch_size: int = 128
    weight_decay: float | None = None
    drops: tuple[float, ...] = ()
    is_augmented: bool = False
    watched: Literal["training_error", "error"] = "error"
    goal: float | None = None
    per_class: int = 0


def run_resident(trial: Trial, data: Path, folder: Path, device: str) -> dict[str, Any]:
    """Train as the trial's settings, the fields of `Plan`, say; the rule is the paper's, momentum 0.9.

    It ends early at its goal, and where its weights are no numbers any more.

    Returns:
        `error` and `training_error` of the end, `ten_view_error` where it learnt from crops, the `curve` of the watched
        error by epoch, and `epochs_to_goal`, in parts of an epoch by a straight line; None where it was not reached.
    """
    del folder  # nothing is written
    began = time.perf_counter()
    plan, place = Plan(**dict(trial.settings)), torch.device(device)
    torch.manual_seed(trial.seed)
    seen, held = (load_set(data, split, str(place), plan.per_class) for split in ("train", "val"))
    classes = int(seen.labels.max()) + 1
    table = vary(find(plan.lineage), activation=plan.activation, norm=plan.norm, num_classes=classes)
    lesson = Lesson(table, plan, seen, trial.seed)
    watched = seen if plan.watched == "training_error" else held
    curve = [{"epoch": 0, plan.watched: lesson.error(watched)}]
    for epoch in range(1, plan.epochs + 1):
        lesson.epoch(rate(plan, epoch - 1))
        curve.append({"epoch": epoch, plan.watched: lesson.error(watched)})
        if lesson.is_lost() or (plan.goal is not None and curve[-1][plan.watched] <= plan.goal):
            break
    return {
        "error": lesson.error(held),
        "ten_view_error": lesson.error(held, views=10) if plan.is_augmented else None,
        "training_error": lesson.error(seen),
        "epochs_to_goal": when_reached([(row["epoch"], row[plan.watched]) for row in curve], plan.goal),
        "curve": curve,
        "seconds": round(time.perf_counter() - began, 1),
    }


def rate(plan: Plan, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0."""
    return plan.lr * 0.1 ** sum(epoch >= share * plan.epochs for share in plan.drops)


@lru_cache(maxsize=2)
def load_set(data: Path, split: Split, device: str, per_class: int) -> Set:
    """All pictures of a split, or the first so many of each class."""
    pictures = open_pictures(data, split, 32, "short")
    labels = pictures.labels
    taken = np.arange(len(pictures))
    if per_class:
        taken = np.concatenate(
            [np.flatnonzero(labels == number)[:per_class] for number in range(len(pictures.classes))]
        )
    images = torch.cat([batch.images for batch in batches(pictures, taken, AT_ONCE, skips=Skips())])
    return Set(images.contiguous().to(device), torch.from_numpy(labels[taken].astype(np.int64)).to(device))


class Lesson:
    """A network, the pictures that it learns from, and its momentum."""

    def __init__(self, lineage: Lineage, plan: Plan, seen: Set, seed: int) -> None:
        self.plan, self.seen, device = plan, seen, seen.images.device
        self.net: AlexNet = fresh_network(lineage, replace(paper(lineage), seed=seed)).to(device).train()
        self.size = lineage.input.size
        self.mean = seen.images.float().mean(0)  # (3, S, S), the paper's mean image
        decay = lineage.solver.weight_decay if plan.weight_decay is None else plan.weight_decay
        weights = [each for each in self.net.parameters() if each.ndim > 1]
        biases = [each for each in self.net.parameters() if each.ndim == 1]
        self.bias_lr = lineage.solver.bias_lr
        groups = [{"params": weights, "weight_decay": decay}, {"params": biases, "weight_decay": 0.0}]
        self.optimizer = torch.optim.SGD(groups, lr=plan.lr, momentum=lineage.solver.momentum)
        self.order = torch.randperm(len(seen.labels), device=device)
        self.place = torch.zeros((), dtype=torch.int64, device=device)
        self.graphs: dict[float, Callable[[], None]] = {}

    def epoch(self, lr: float) -> None:
        """One pass over the pictures in a new order, whole batches only."""
        self.order.copy_(torch.randperm(len(self.order), device=self.order.device))
        self.place.zero_()
        step = self._step_at(lr)
        for _ in range(max(1, len(self.order) // self._batch_size())):
            step()

    def _batch_size(self) -> int:
        return min(self.plan.batch_size, len(self.order))

    def _step_at(self, lr: float) -> Callable[[], None]:
        """A step with this rate, which a captured graph holds as a number."""
        self.optimizer.param_groups[0]["lr"] = lr
        self.optimizer.param_groups[1]["lr"] = lr * self.bias_lr
        if self.order.device.type != "cuda":
            return self._step
        if lr not in self.graphs:
            self.graphs[lr] = self._captured()
        return self.graphs[lr]

    def _captured(self) -> Callable[[], None]:
        """The step as a graph; warming up leaves weights, momentum and place as they were."""
        kept = [each.detach().clone() for each in self.net.parameters()]
        momenta = [self.optimizer.state[each].get("momentum_buffer") for each in self.net.parameters()]
        old = [None if each is None else each.clone() for each in momenta]
        graph, _ = capture(self._step)
        with torch.no_grad():
            for parameter, before, momentum in zip(self.net.parameters(), kept, old, strict=True):
                parameter.copy_(before)
                buffer = self.optimizer.state[parameter]["momentum_buffer"]
                buffer.zero_() if momentum is None else buffer.copy_(momentum)
        self.place.zero_()
        return graph.replay

    def _step(self) -> None:
        size = self._batch_size()
        chosen = self.order[self.place + torch.arange(size, device=self.order.device)]
        self.place += size
        loss = F.cross_entropy(self.net(self._views(chosen)), self.seen.labels[chosen])
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad()  # of memory that the graph has for itself

    def _views(self, chosen: Tensor) -> Tensor:
        """Training views (B, 3, size, size), less the centre of the mean image, as cuda-convnet takes it."""
        images, side, device = self.seen.images, self.seen.images.shape[-1], chosen.device
        room = side - self.size
        if not self.plan.is_augmented:
            return self._lessened(center_view(images[chosen], self.size))
        down, right = (torch.randint(room + 1, (len(chosen), 1), device=device) for _ in range(2))
        along = torch.arange(self.size, device=device)
        mirrored = torch.rand(len(chosen), 1, device=device) < 0.5
        rows, columns = down + along, right + torch.where(mirrored, along.flip(0), along)  # (B, size)
        views = images[chosen[:, None, None], :, rows[:, :, None], columns[:, None, :]]  # (B, size, size, 3)
        return self._lessened(views.permute(0, 3, 1, 2))

    def _lessened(self, views: Tensor) -> Tensor:
        return views.float() - center_view(self.mean, self.size)

    def is_lost(self) -> bool:
        """Whether weights have grown beyond all numbers; what does so reaches the last biases within a step."""
        return not bool(torch.isfinite(list(self.net.parameters())[-1]).all())

    @torch.no_grad()
    def error(self, pictures: Set, views: int = 1) -> float:
        """The share of pictures whose class is not the likeliest, by the centre or by the paper's ten views."""
        self.net.eval()
        wrong = torch.zeros((), device=pictures.labels.device)
        size = ON_A_GPU if wrong.is_cuda else AT_ONCE
        with cudnn_searches():
            for start in range(0, len(pictures.labels), size):
                guesses = self._guesses(pictures.images[start : start + size], views)
                wrong += (guesses != pictures.labels[start : start + size]).sum()
        self.net.train()
        return float(wrong) / len(pictures.labels)

    def _guesses(self, images: Tensor, views: int) -> Tensor:
        probs = sum(F.softmax(self.net(self._lessened(each)), 1) for each in views_of(images, self.size, views))
        assert isinstance(probs, Tensor)
        return probs.argmax(1)


def views_of(images: Tensor, size: int, count: int) -> tuple[Tensor, ...]:
    """The centre, or corners and centre and their mirrors."""
    return (center_view(images, size),) if count == 1 else ten_views(images, size).unbind(1)
