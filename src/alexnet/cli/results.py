"""How evaluations and finished runs are printed."""

from typing import TYPE_CHECKING, Any

from alexnet.cli.output import bar, percent, say, table

if TYPE_CHECKING:
    from alexnet.inference import Classifier, ClassResult, Evaluation, Prediction
    from alexnet.train.run import Run

CLASSES_SHOWN = 10


def evaluation_parts(evaluation: "Evaluation") -> list[Any]:
    """The errors, and below them the classes that are mistaken most."""
    many = len(evaluation.per_class) > CLASSES_SHOWN
    title = f"the {CLASSES_SHOWN} hardest of {len(evaluation.per_class)} classes" if many else "classes, hardest first"
    return [headline(evaluation), "", f"{title}:", per_class(evaluation)]


def headline(evaluation: "Evaluation") -> str:
    """The errors in one line."""
    top5 = "" if evaluation.top5_error is None else f", top-5 error {percent(evaluation.top5_error)}"
    views = "1 view" if evaluation.views == 1 else f"{evaluation.views} views each"
    return (
        f"{evaluation.images:,} pictures, {views}: top-1 error {percent(evaluation.top1_error)}{top5},"
        f" loss {evaluation.loss:.3f}"
    )


def per_class(evaluation: "Evaluation") -> Any:
    """The classes with the highest error, each with what it is mistaken for."""
    worst = sorted(evaluation.per_class, key=lambda each: (-each.top1_error, each.label))[:CLASSES_SHOWN]
    header = ("class", "pictures", "top-1 error", "mistaken for")
    return table(header, [class_row(each, evaluation) for each in worst], right=header[1:3])


def class_row(result: "ClassResult", evaluation: "Evaluation") -> tuple[str, str, str, str]:
    """A class with its error, and the class it is mistaken for most with the number of pictures."""
    counts = list(evaluation.confusion[result.index])
    counts[result.index] = 0
    rival = max(range(len(counts)), key=counts.__getitem__)
    mistaken = f"{evaluation.labels[rival]} ({counts[rival]})" if counts[rival] else ""
    return result.label, f"{result.images:,}", percent(result.top1_error), mistaken


def run_parts(run: "Run") -> list[Any]:
    """A finished run: its validation, where the weights are, and what to do with them."""
    return [*evaluation_parts(run.evaluation), "", f"Best weights: {run.best}", "", run.next_steps]


def run_document(run: "Run") -> dict[str, Any]:
    """A finished run as `--json` prints it: the fields of `evaluate`, the files, and the rows of the epochs."""
    epochs = [dict(row) for row in run.metrics if row["event"] == "epoch"]
    return {"run": str(run.folder), "best": str(run.best), "epochs": epochs} | run.evaluation.to_json()


def say_precision(classifier: "Classifier", wanted: str) -> None:
    """Say so where a network works in another precision than was asked for."""
    from alexnet.inference.precision import DTYPES, working_precision

    working = working_precision(classifier.engine or classifier.model)
    if working != str(DTYPES[wanted]).removeprefix("torch."):
        say(f"This processor has no fast {wanted} arithmetic: working in {working}.")


def prediction_card(prediction: "Prediction") -> str:
    """A picture's name, and below it its guesses with bars."""
    guesses = (f"  {guess.prob:6.1%}  {bar(guess.prob):<20}  {guess.label}" for guess in prediction.top)
    return "\n".join((prediction.image, *guesses))
