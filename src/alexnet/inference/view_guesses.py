"""What a network thinks of each of the ten views, before they are averaged.

V views, K classes, S the side of the square that they are cut from.
"""

from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from alexnet.data.views import five_offsets
from alexnet.inference.classifier import Classifier
from alexnet.inference.explanation import guesses_as_json
from alexnet.inference.predict import Guess, likeliest
from alexnet.inference.squares import square_image


@dataclass(frozen=True)
class View:
    """One of the ten: where it is cut from the square, whether it is mirrored, and its likeliest classes."""

    x: int
    y: int
    mirrored: bool
    top: tuple[Guess, ...]

    def to_json(self) -> dict[str, Any]:
        """Fields as the server answers them."""
        return {"x": self.x, "y": self.y, "mirrored": self.mirrored, "top": guesses_as_json(self.top)}


def guesses_of_views(classifier: Classifier, picture: Image.Image, top: int = 5) -> list[View]:
    """The ten views of a picture, upright and RGB, in the order of `ten_views`."""
    side, size = classifier.preprocessing.resize, classifier.preprocessing.size
    probs = probs_of_views(classifier, square_image(classifier.preprocessing, picture))  # (10, K)
    places = [(x, y, mirrored) for mirrored in (False, True) for y, x in five_offsets(side, side, size)]
    return [View(*place, best) for place, best in zip(places, likeliest(classifier, probs, top), strict=True)]


@torch.inference_mode()
def probs_of_views(classifier: Classifier, images: Tensor) -> Tensor:
    """Probabilities (10, K) of the views of one square (1, 3, S, S) uint8; their mean is `probs(images, 10)`."""
    logits = classifier.logits(images, 10)
    return logits.softmax(dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
