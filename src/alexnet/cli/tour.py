"""What `alexnet demo` does: the main job on what the package ships, from photos to a report."""

import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from alexnet.cli.patches import cut_patches, mixed_picture
from alexnet.cli.screen import Screen
from alexnet.data.picture import read_picture
from alexnet.data.source import open_pictures
from alexnet.errors import RunError
from alexnet.inference import Classifier, Evaluation, Prediction, evaluate, load, report
from alexnet.inference.occlusion import occlusion_map, overlay
from alexnet.inference.sources import photo_files
from alexnet.train.finetune import finetune
from alexnet.train.run import Run
from alexnet.weights.durable import writing

TRAIN_PATCHES, VAL_PATCHES = 80, 25  # of each photo
SEED = 0
# Six epochs of the head alone and two of the deeper layers: half a minute on two cores, and five squares in a hundred
# mistaken as after 46.
EPOCHS: dict[str, Any] = {"epochs": 8, "head_epochs": 6}
HEAT_SIDE = 300  # pixels on the page


@dataclass(frozen=True)
class Tour:
    """What the demo made.

    Attributes:
        predictions: of pictures that the network had not seen in training, each from another class.
        evaluation: ten views, on all such pictures.
        report: the page that shows everything.
    """

    run: Run
    predictions: tuple[Prediction, ...]
    evaluation: Evaluation
    report: Path

    def to_json(self) -> dict[str, Any]:
        """Fields as `alexnet demo --json` prints them."""
        return {
            "report": str(self.report),
            "run": str(self.run.folder),
            "predictions": [prediction.to_json() for prediction in self.predictions],
            "evaluation": self.evaluation.to_json(),
        }


def tour(output: Path, weights: str, screen: Screen) -> Tour:
    """Cut pictures, learn from them, evaluate, predict, and write the report to `output`.

    Args:
        output: made if it is not there; an earlier tour in it is replaced.
        weights: network to start from.
        screen: is told each step.

    Raises:
        RunError: `output` cannot be written to.
    """
    data = output / "textures"
    screen.say(f"1. Cutting {TRAIN_PATCHES} + {VAL_PATCHES} squares from each packaged photo into {data}")
    with writing(output, RunError):
        cut_patches(data, TRAIN_PATCHES, VAL_PATCHES, SEED)
    run = learn(data, output / "run", weights, screen)
    classifier = load(run.best)
    screen.say("3. Evaluating with ten views on squares from the other side of each photo")
    pictures = open_pictures(data, "val", classifier.preprocessing.side, classifier.preprocessing.fit)
    evaluation = evaluate(classifier, pictures, views=10, progress=screen.meter("evaluating"))
    screen.say("4. Predicting one square of each class")
    predictions = classifier.predict(samples(data), top=3, views=10)
    screen.say("5. Writing the report")
    sections = [*first_sections(weights, classifier, predictions), *learnt_sections(run, classifier, evaluation)]
    facts = {"Network": classifier.lineage.title, "Starts from": weights}
    page = report.write_report(output, "alexnet demo", facts | report.evaluation_facts(evaluation), sections)
    return Tour(run, tuple(predictions), evaluation, page)


def learn(data: Path, folder: Path, weights: str, screen: Screen) -> Run:
    """Fine-tune `weights` on the squares."""
    if is_of_an_earlier_tour(folder, data):
        shutil.rmtree(folder)
    screen.say(f"2. Fine-tuning {weights}")
    return finetune(data, folder, reporter=screen, weights=weights, seed=SEED, **EPOCHS)


def is_of_an_earlier_tour(folder: Path, data: Path) -> bool:
    """Whether a run learnt from the squares that lie beside it; another run is not ours to remove."""
    settings = folder / "run.toml"
    return settings.exists() and tomllib.loads(settings.read_text())["data"] == str(data.resolve())


def samples(data: Path) -> list[Path]:
    """One validation picture of each class."""
    return [min(folder.iterdir()) for folder in sorted((data / "val").iterdir())]


def first_sections(weights: str, classifier: Classifier, predictions: list[Prediction]) -> Iterator[report.Section]:
    """Predictions of the photos by the network that it starts from, of the squares by the new one, and a heat map."""
    start = load(weights)
    photos = [(start.predict(file)[0], read_picture(file)) for file in photo_files()]
    yield report.predictions_section(photos, f"Predictions of the photos by {weights}")
    squares = [(each, read_picture(Path(each.image))) for each in predictions]
    yield report.predictions_section(squares, "Predictions of their squares by the network tuned on them")
    yield heat_section(classifier, mixed_picture())


def heat_section(classifier: Classifier, picture: Image.Image) -> report.Section:
    """A picture, and where the network looks on it, side by side."""
    (answer,) = classifier.predict(picture, top=1)
    # A quarter of the view: textures repeat, and a smaller patch would hide nothing of them.
    patch = classifier.preprocessing.size // 4
    heat = occlusion_map(classifier, picture, patch=patch, stride=patch // 4)
    both = Image.new("RGB", (2 * HEAT_SIDE, HEAT_SIDE))
    for number, each in enumerate((picture, overlay(classifier, picture, heat))):
        both.paste(each.resize((HEAT_SIDE, HEAT_SIDE)), (number * HEAT_SIDE, 0))
    label, prob = answer.top[0].label, answer.top[0].prob
    note = f"A cat's eye and a square of grass: {label}, {prob:.0%}. A gray patch costs that most where it is yellow."
    return report.picture_section("Where it looks", note, both, f"A picture, and in yellow what speaks for {label}")


def learnt_sections(run: Run, classifier: Classifier, evaluation: Evaluation) -> Iterator[report.Section]:
    """How training went, what the first layer became, and which classes are confused."""
    yield report.curves_section(run.metrics)
    yield report.kernels_section(classifier)
    yield report.confusion_section(evaluation)
    yield report.classes_section(evaluation)
