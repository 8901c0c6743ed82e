"""The reference AlexNet. The public names, loaded when they are first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alexnet.inference.classifier import Classifier, load
    from alexnet.inference.evaluate import evaluate
    from alexnet.model import AlexNet
    from alexnet.train.finetune import finetune

__version__ = "0.1.0"

__all__ = ["AlexNet", "Classifier", "evaluate", "finetune", "load"]

_ROOMS = {
    "AlexNet": "alexnet.model",
    "Classifier": "alexnet.inference.classifier",
    "evaluate": "alexnet.inference.evaluate",
    "finetune": "alexnet.train.finetune",
    "load": "alexnet.inference.classifier",
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return getattr(import_module(_ROOMS[name]), name)
    raise AttributeError(f"module 'alexnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
