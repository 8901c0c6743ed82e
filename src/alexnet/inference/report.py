"""One HTML file that shows what a network learnt: no script, and nothing loaded from elsewhere.

A report is a list of sections; each function here makes one from results, and pictures travel inside the file.
"""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from alexnet.errors import RunError
from alexnet.inference.charts import Line, bar_chart, line_chart
from alexnet.inference.classifier import Classifier
from alexnet.inference.evaluate import Evaluation
from alexnet.inference.filters import kernel_grid
from alexnet.inference.predict import Prediction
from alexnet.weights.durable import replace_file, writing

HEAT_TABLE_UP_TO = 30  # classes; with more the pairs confused most are listed
PAIRS_SHOWN = 20
DARK_SHARE = 0.85  # cells darker than this take white text
PICTURE_SIDE = 256
JPEG_QUALITY = 85


@dataclass(frozen=True)
class Section:
    """A part of a report: a heading, a sentence that says how to read it, and HTML."""

    title: str
    note: str
    body: Markup


def write_report(path: Path, title: str, facts: Mapping[str, object], sections: Iterable[Section]) -> Path:
    """Write a report and return its path; `path` may be a folder, which gets `report.html`.

    Args:
        path: of the HTML file, or of a folder.
        title: of the page.
        facts: what stands at the top, name and value.
        sections: in the order of the page.

    Raises:
        RunError: the file cannot be written.
    """
    path = path if path.suffix == ".html" else path / "report.html"
    page = _templates().get_template("report.html.j2").render(title=title, facts=facts, sections=list(sections))
    with writing(path, RunError):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, lambda aside: aside.write_text(page, encoding="utf-8"))
    return path


def evaluation_facts(evaluation: Evaluation) -> dict[str, str]:
    """An evaluation's figures as people read them."""
    top5 = "none: no more than 5 classes" if evaluation.top5_error is None else f"{evaluation.top5_error:.1%}"
    return {
        "Pictures": f"{evaluation.images:,}" + (f" ({len(evaluation.skipped)} skipped)" if evaluation.skipped else ""),
        "Top-1 error": f"{evaluation.top1_error:.1%}",
        "Top-5 error": top5,
        "Loss": f"{evaluation.loss:.3f}",
        "Views": str(evaluation.views),
    }


def curves_section(rows: Iterable[Mapping[str, Any]]) -> Section:
    """How training went, from the rows of metrics.jsonl: train_loss, val_loss and top1_error of each epoch.

    Rows of other events than "epoch" are passed over; epochs are counted over all stages of the run.
    """
    epochs = [row for row in rows if row.get("event", "epoch") == "epoch"]
    loss = [Line("training", _points(epochs, "train_loss")), Line("validation", _points(epochs, "val_loss"))]
    error = [Line("training", []), Line("validation", _points(epochs, "top1_error"))]  # same look as in the loss
    charts = [
        line_chart("Loss by epoch", loss, "epoch", "loss"),
        line_chart("Top-1 error on the validation pictures by epoch", error, "epoch", "top-1 error", percent=True),
    ]
    note = "Lower is better in both. Training loss that falls while validation loss rises is overfitting."
    return _section("Learning curves", note, "charts", charts=[Markup(chart) for chart in charts])


def confusion_section(evaluation: Evaluation) -> Section:
    """Which classes are taken for which: a table of all, or the worst pairs where they are many."""
    counts = np.array(evaluation.confusion)
    if len(counts) > HEAT_TABLE_UP_TO:
        pairs = _worst_pairs(evaluation.labels, counts)
        note = f"The {len(pairs)} kinds of mistake made most often, of {len(counts)} classes."
        return _section("Confusion", note, "pairs", pairs=pairs)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = [
        (evaluation.labels[index], [_cell(*cell) for cell in zip(counts[index], shares[index], strict=True)])
        for index in np.flatnonzero(counts.sum(axis=1))
    ]
    note = "A row for each true class, a column for each answer: pictures on the diagonal are right."
    return _section("Confusion", note, "heat_table", labels=evaluation.labels, rows=rows)


def classes_section(evaluation: Evaluation) -> Section:
    """Every class with its error, the worst first."""
    rows = sorted(evaluation.per_class, key=lambda result: (-result.top1_error, result.label))
    return _section("Classes", "The hardest first.", "classes", rows=rows)


def skipped_section(evaluation: Evaluation) -> Section:
    """The pictures that could not be read."""
    return _section("Skipped pictures", "These are in none of the figures.", "skipped", rows=evaluation.skipped)


def predictions_section(predictions: Iterable[tuple[Prediction, Image.Image]], title: str = "Predictions") -> Section:
    """Pictures, each with bars for its likeliest classes."""
    items = [
        (_name(prediction.image), data_uri(picture), Markup(_bars(prediction))) for prediction, picture in predictions
    ]
    note = "The likeliest classes of each picture; the bars of all classes together make 100%."
    return _section(title, note, "predictions", items=items)


def kernels_section(classifier: Classifier) -> Section:
    """The first layer's kernels."""
    note = "What the first layer looks for. Edges and blobs of colour were learnt; even gray or noise were not."
    grid = kernel_grid(classifier)
    return picture_section("Kernels of the first layer", note, grid, "A grid of small coloured squares, one per kernel")


def picture_section(title: str, note: str, picture: Image.Image, alt: str) -> Section:
    """Any picture, as it is; `alt` says in words what it shows."""
    return _section(title, note, "picture", source=data_uri(picture, exact=True), alt=alt, width=picture.width)


def data_uri(picture: Image.Image, exact: bool = False) -> str:
    """A picture as text that stands in for its address: PNG if `exact`, else a small JPEG."""
    buffer = io.BytesIO()
    if exact:
        picture.save(buffer, "PNG", optimize=True)
    else:
        small = picture.convert("RGB")
        small.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
        small.save(buffer, "JPEG", quality=JPEG_QUALITY)
    kind = "png" if exact else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("alexnet.inference"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


def _section(title: str, note: str, macro: str, **values: Any) -> Section:
    macros = _templates().get_template("sections.html.j2").module
    return Section(title, note, getattr(macros, macro)(**values))


def _points(epochs: Sequence[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    return [(number, float(row[key])) for number, row in enumerate(epochs, start=1) if row.get(key) is not None]


def _cell(count: int, share: float) -> tuple[int, float, bool]:
    return int(count), round(float(share), 3), bool(share > DARK_SHARE)


def _worst_pairs(labels: Sequence[str], counts: np.ndarray) -> list[tuple[str, str, int, float]]:
    """(true class, answer, pictures, share of the true class), most pictures first."""
    images = counts.sum(axis=1)  # (K,)
    mistakes = counts - np.diag(np.diag(counts))
    order = np.argsort(-mistakes, axis=None, kind="stable")[:PAIRS_SHOWN]
    places = [divmod(int(place), len(counts)) for place in order]
    return [
        (labels[true], labels[answer], int(mistakes[true, answer]), float(mistakes[true, answer] / images[true]))
        for true, answer in places
        if mistakes[true, answer]
    ]


def _bars(prediction: Prediction) -> str:
    return bar_chart(
        f"Likeliest classes of {_name(prediction.image)}", [(guess.label, guess.prob) for guess in prediction.top]
    )


def _name(image: str) -> str:
    """The last part of a path, which is what people call a picture."""
    return Path(image).name or image
