"""A trained network at work: predictions, evaluations, and reports of both."""

from alexnet.inference.classifier import Classifier, load
from alexnet.inference.device import resolve_device
from alexnet.inference.evaluate import ClassResult, Evaluation, evaluate
from alexnet.inference.predict import Guess, Prediction, Unreadable, predict_stream

__all__ = [
    "ClassResult", "Classifier", "Evaluation", "Guess", "Prediction", "Unreadable", "evaluate", "load",
    "predict_stream", "resolve_device",
]  # fmt: skip
