"""`alexnet predict IMAGE...`: what is on pictures."""

import json as jsonlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from alexnet.cli.imports import importing
from alexnet.cli.options import (
    BatchSize,
    Classes,
    Device,
    Json,
    LineageName,
    Mean,
    Precision,
    Samples,
    Views,
    Weights,
    flag,
)
from alexnet.cli.output import say, write
from alexnet.cli.results import prediction_card, say_precision
from alexnet.cli.settings import command
from alexnet.errors import DataError

if TYPE_CHECKING:
    from alexnet.inference import Prediction, Unreadable

STDIN = "-"


def predict(
    images: Annotated[list[str], typer.Argument(help="Files, folders, globs, or - for a picture on stdin.")],
    weights: Weights = None,
    lineage: LineageName = None,
    classes: Classes = None,
    mean: Mean = None,
    top: Annotated[int, flag(help="Guesses per picture.", metavar="N")] = 5,
    views: Views = 1,
    batch_size: BatchSize = 64,
    device: Device = "auto",
    precision: Precision = "float32",
    samples: Samples = None,
    json: Json = False,
) -> None:
    """Print the likeliest classes of each picture.

    A picture that cannot be read is named, and the others are predicted all the same.
    """
    with importing():
        from alexnet.inference import load, predict_stream

    classifier = load(weights, device, lineage, classes, mean, precision, samples)
    say_precision(classifier, precision)
    if not classifier.labels:
        say(unnamed(classifier.lineage.num_classes))
    results = predict_stream(classifier, map(content, images), top=top, views=views, batch_size=batch_size)
    predictions = without_unreadable(renamed(results, images))
    if json:
        write_array(predictions)
    else:
        for prediction in predictions:
            write(prediction_card(prediction))


app = command(predict)


def unnamed(classes: int) -> str:
    """What to do where weights have no names for their classes; ImageNet's are known."""
    hint = (
        "; for ImageNet's: alexnet weights get caffe-ilsvrc12, then --classes caffe-ilsvrc12" if classes == 1000 else ""
    )
    return f"These weights do not name their classes. Give a file of names with --classes{hint}."


def content(image: str) -> str | bytes:
    """What a name stands for: itself, or the bytes on stdin."""
    return sys.stdin.buffer.read() if image == STDIN else image


def renamed(results: Iterable["Prediction | Unreadable"], images: list[str]) -> Iterator["Prediction | Unreadable"]:
    """Call the picture from stdin "-" again; among bytes it has but a position."""
    name = f"picture {images.index(STDIN)}" if STDIN in images else None
    for result in results:
        yield replace(result, image=STDIN) if result.image == name else result


def without_unreadable(results: Iterable["Prediction | Unreadable"]) -> Iterator["Prediction"]:
    """The predictions; what could not be read is named on stderr.

    Raises:
        DataError: at the end, when there was no prediction at all.
    """
    from alexnet.inference import Prediction

    predicted = skipped = 0
    for result in results:
        if isinstance(result, Prediction):
            predicted += 1
            yield result
        else:
            skipped += 1
            say(f"Skipped {result.image}: {result.reason}")
    if not predicted:
        raise DataError(f"nothing was predicted: none of {skipped} could be read as a picture.")


def write_array(predictions: Iterable["Prediction"]) -> None:
    """Print one JSON array, element by element, so that any number of pictures takes no memory."""
    opened = False
    for prediction in predictions:
        print(",\n " if opened else "[", jsonlib.dumps(prediction.to_json(), ensure_ascii=False), sep="", end="")
        opened = True
    print("]")
