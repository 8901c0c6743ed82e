"""`alexnet evaluate DATA`: how often a network is wrong."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from alexnet.cli.imports import importing
from alexnet.cli.options import (
    Classes,
    Data,
    Device,
    Json,
    LineageName,
    Mean,
    Precision,
    Samples,
    Views,
    Weights,
    Workers,
    flag,
)
from alexnet.cli.output import say, show
from alexnet.cli.results import evaluation_parts, say_precision
from alexnet.cli.screen import Screen
from alexnet.cli.settings import command

if TYPE_CHECKING:
    from alexnet.inference import Classifier, Evaluation


def evaluate(
    data: Data,
    weights: Weights = None,
    lineage: LineageName = None,
    classes: Classes = None,
    mean: Mean = None,
    views: Views = 1,
    batch_size: Annotated[
        int | None, flag(help="Views in one pass through the network.", metavar="N", show_default="64; 1024 on a GPU")
    ] = None,
    workers: Workers = 0,
    device: Device = "auto",
    precision: Precision = "float32",
    samples: Samples = None,
    report: Annotated[Path | None, flag(help="Write report.html into this folder.", metavar="DIR")] = None,
    json: Json = False,
) -> None:
    """Print top-1 and top-5 error, per class and in all.

    Of data with a validation split that split is taken, otherwise all pictures. Processes of torchrun share them.
    """
    with importing():
        from alexnet.data.source import open_split_or_all
        from alexnet.inference import evaluate as measure
        from alexnet.inference import load
        from alexnet.parallel.launch import gathered

    with gathered() as team, Screen() as screen:
        classifier = load(weights, team.device(device), lineage, classes, mean, precision, samples)
        say_precision(classifier, precision)
        square = classifier.preprocessing
        pictures = open_split_or_all(data, "val", square.side, square.fit)
        evaluation = measure(
            classifier,
            pictures,
            views=views,
            batch_size=batch_size,
            workers=workers or None,
            progress=screen.meter("evaluating"),
            team=team,
        )
    for name, reason in evaluation.skipped:
        say(f"Skipped {name}: {reason}")
    if report is not None and team.speaks:
        write_page(report, classifier, evaluation)
    show(json, evaluation.to_json(), evaluation_parts(evaluation))


app = command(evaluate)


def write_page(folder: Path, classifier: "Classifier", evaluation: "Evaluation") -> None:
    """Write report.html."""
    from alexnet.inference import report

    sections = [
        report.classes_section(evaluation),
        report.confusion_section(evaluation),
        report.kernels_section(classifier),
    ]
    if evaluation.skipped:
        sections.append(report.skipped_section(evaluation))
    facts = {"Weights": classifier.source, "Lineage": classifier.lineage.title}
    page = report.write_report(folder, "Evaluation", facts | report.evaluation_facts(evaluation), sections)
    say(f"Report: {page}")
