"""Twenty steps of training on noise, with augmentation and dropout, by any scheme or by one process."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alexnet.data.preprocess import Preprocessing
from alexnet.data.statistics import Statistics
from alexnet.errors import UnreadablePicture
from alexnet.lineages import find, vary
from alexnet.parallel.choose import Options, make_scheme
from alexnet.parallel.team import ALONE, Team
from alexnet.train.initial import fresh_network
from alexnet.train.job import Job
from alexnet.train.material import Material
from alexnet.train.optimizer import make_optimizer, set_lr, velocities
from alexnet.train.pictures import picture_supply
from alexnet.train.reporter import SILENT
from alexnet.train.settings import resolve_training
from alexnet.train.signals import StopWish
from alexnet.train.step import step_seed, train_step
from parallel.processes import together

STEPS = 20
COUNT, BATCH_SIZE, CLASSES = 33, 10, 5  # the last batch of an epoch has three pictures: fewer than four processes


@dataclass(frozen=True)
class Lesson:
    """What is trained, and how."""

    lineage: str = "tiny"
    changes: tuple[tuple[str, Any], ...] = ()
    recipe: str = "modern"
    dtype: torch.dtype = torch.float64
    unreadable: tuple[int, ...] = ()
    cutmix: float = 0.0
    steps: int = STEPS


@dataclass(frozen=True)
class Outcome:
    """Weights and velocities of the whole network, the loss of each step, and logits of one picture in the end."""

    weights: dict[str, Tensor]
    velocities: dict[str, Tensor]
    losses: list[float]
    logits: Tensor


class Noise:
    """Pictures of noise whose colour is the class, 80x80."""

    classes = tuple("abcde")
    side = 80

    def __init__(self, unreadable: tuple[int, ...] = ()) -> None:
        noise = np.random.default_rng(0)
        self.unreadable = unreadable
        self.labels = noise.integers(0, CLASSES, COUNT)
        colours = noise.integers(0, 60, (CLASSES, 3))[self.labels][:, None, None]
        self.images = (noise.integers(0, 190, (COUNT, self.side, self.side, 3)) + colours).astype(np.uint8)

    def __len__(self) -> int:
        return COUNT

    def name(self, index: int) -> str:
        return f"noise {index}"

    def read(self, index: int) -> np.ndarray:
        if index in self.unreadable:
            raise UnreadablePicture(self.name(index))
        image: np.ndarray = self.images[index]
        return image


def statistics() -> Statistics:
    variances = np.array([3000.0, 2900.0, 2800.0])
    return Statistics(1, np.full(3, 110.0), np.diag(variances), variances, np.eye(3))


def learn(team: Team, lesson: Lesson, options: Options) -> Outcome:
    """Train by a scheme, and return what every rank has in the end."""
    settings = {
        "lineage": lesson.lineage,
        "recipe": lesson.recipe,
        "batch_size": BATCH_SIZE,
        "clip": 0.5,
        "workers": 1,
        "cutmix": lesson.cutmix,
    }
    lineage = vary(find(lesson.lineage), num_classes=CLASSES, **dict(lesson.changes))
    recipe = resolve_training(settings, lineage)
    net = fresh_network(lineage, recipe).to(lesson.dtype)
    pictures = Noise(lesson.unreadable)
    preprocessing = replace(Preprocessing.of(lineage.input, statistics()), std=(55.0, 54.0, 53.0))
    job = Job(Path(), recipe, net, torch.device("cpu"), Noise.classes, preprocessing, {}, SILENT, StopWish(), "", team)
    scheme, _ = make_scheme(net, team, options, BATCH_SIZE)
    supply = picture_supply(job, Material(pictures, pictures), statistics(), scheme)
    optimizer = make_optimizer(scheme.parameters, recipe, frozenset())
    scheme.module.train()
    losses: list[float] = []
    for epoch in range(lesson.steps):
        for examples in supply.batches(epoch, 0):
            set_lr(optimizer, 0.02 if len(losses) < 10 else 0.002)
            scheme.begin(examples.slots, examples.slot_count, step_seed(recipe.seed, len(losses)))
            inputs = examples.inputs.to(lesson.dtype)
            loss = train_step(
                scheme, optimizer, inputs, examples.labels,
                batch_size=BATCH_SIZE, label_smoothing=recipe.label_smoothing, clip=recipe.clip,
            )  # fmt: skip
            losses.append(float(team.sum(loss)))
            if len(losses) == lesson.steps:
                return _outcome(scheme, optimizer, losses, preprocessing, pictures, lesson)
    raise AssertionError("no pictures")


def _outcome(
    scheme: Any, optimizer: Any, losses: list[float], preprocessing: Any, pictures: Noise, lesson: Any
) -> Outcome:
    moved = scheme.whole(velocities(optimizer, scheme.parameters))
    scheme.module.eval()
    crop = torch.from_numpy(pictures.images[:1]).permute(0, 3, 1, 2)[:, :, :67, :67].to(lesson.dtype) / 55 - 2
    with torch.inference_mode():
        logits = scheme.module(crop)
    scheme.assemble()
    weights = {name: tensor.detach().clone() for name, tensor in scheme.net.state_dict().items()}
    return Outcome(weights, {name: tensor.clone() for name, tensor in moved.items()}, losses, logits)


def learn_each(team: Team, lesson: Lesson, ways: Sequence[Options]) -> list[Outcome]:
    """The same by several schemes, one after another."""
    return [learn(team, lesson, options) for options in ways]


@cache
def alone(lesson: Lesson) -> Outcome:
    """The same by one process."""
    return learn(ALONE, lesson, Options())


def distance(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """The largest difference of any tensor, relative to its largest number."""
    assert found.keys() == expected.keys()
    return max(float((found[key] - expected[key]).abs().max() / expected[key].abs().max()) for key in expected)


def assert_each_equals_alone(size: int, lesson: Lesson, ways: Sequence[Options], tolerance: float) -> None:
    """On every rank each scheme ends where one process does."""
    expected = alone(lesson)
    for outcomes in together(size, learn_each, lesson, ways):
        for found in outcomes:
            assert_equal(found, expected, tolerance)


def assert_equal(found: Outcome, expected: Outcome, tolerance: float) -> None:
    assert distance(found.weights, expected.weights) < tolerance
    assert distance(found.velocities, expected.velocities) < tolerance
    assert distance({"logits": found.logits}, {"logits": expected.logits}) < tolerance
    np.testing.assert_allclose(found.losses, expected.losses, rtol=tolerance)
