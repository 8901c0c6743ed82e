"""A finished run, as the caller gets it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from alexnet.inference.classifier import Classifier
from alexnet.inference.evaluate import Evaluation, evaluate
from alexnet.inference.report import (
    classes_section,
    confusion_section,
    curves_section,
    evaluation_facts,
    kernels_section,
    skipped_section,
    write_report,
)  # fmt: skip
from alexnet.train.folder import SPLITS
from alexnet.train.job import Job
from alexnet.train.launch import Launch
from alexnet.train.material import Material
from alexnet.train.metrics import read_metrics
from alexnet.weights import load

BEST = "best"


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: of the run.
        best: folder with the weights of the best epoch; `alexnet.load` takes either.
        evaluation: of those weights, on the validation pictures.
        metrics: rows of metrics.jsonl; those whose "event" is "epoch" have the validation's figures.
        next_steps: the commands that use the result.
    """

    folder: Path
    best: Path
    evaluation: Evaluation
    metrics: tuple[Mapping[str, Any], ...]
    next_steps: str


def conclude(job: Job, material: Material, launched: Launch) -> Run:
    """Evaluate the best weights, write report.html, and say what to do with the result."""
    best = job.folder / BEST
    job.team.wait()  # for rank 0 to have written them
    classifier = Classifier.of(load(best), job.device, str(best))
    evaluation = evaluate(
        classifier,
        material.val,
        views=job.recipe.views,
        workers=job.recipe.workers or None,
        progress=job.meter("evaluation of the best epoch"),
        team=job.team,
    )
    rows = read_metrics(job.folder)
    if job.team.speaks:
        _report(job, classifier, evaluation, rows, f"{launched.data.name}: {job.folder.name}")
    splits = job.folder / SPLITS
    data = splits if splits.exists() else launched.data
    return Run(job.folder, best, evaluation, tuple(rows), next_steps(job.folder, data))


def _report(job: Job, classifier: Classifier, evaluation: Evaluation, rows: list[dict[str, Any]], title: str) -> None:
    sections = [
        curves_section([row for row in rows if row["event"] == "epoch"]),
        classes_section(evaluation),
        confusion_section(evaluation),
        kernels_section(classifier),
    ]
    if evaluation.skipped:
        sections.append(skipped_section(evaluation))
    write_report(job.folder, title, {**evaluation_facts(evaluation), **_facts(job)}, sections)


def _facts(job: Job) -> dict[str, str]:
    recipe = job.recipe
    return {
        "Network": job.net.lineage.title,
        "Recipe": f"{recipe.recipe}, {recipe.epochs} epochs, batches of {recipe.batch_size}, rate {recipe.lr:g}",
        "Seed": str(recipe.seed),
    }


def next_steps(folder: Path, data: Path) -> str:
    """The commands that use a run's result."""
    return (
        f"What is on a picture:   alexnet predict PICTURE --weights {quote(str(folder))}\n"
        f"How good is it:         alexnet evaluate {quote(str(data))} --weights {quote(str(folder))} --views 10\n"
        f"What it learnt:         open {quote(str(folder / 'report.html'))}"
    )
