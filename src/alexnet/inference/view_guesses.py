"""What a network thinks of each of the ten views, before they are averaged.

V views, K classes, S the side of the square that they are cut from.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from alexnet.data.views import five_offsets, ten_views
from alexnet.inference.classifier import Classifier
from alexnet.inference.explanation import guesses_as_json
from alexnet.inference.layers import at_rest
from alexnet.inference.predict import Guess
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
    best = probs_of_views(classifier, square_image(classifier.preprocessing, picture)).topk(
        min(top, classifier.lineage.num_classes)
    )  # (10, top)
    places = [(x, y, mirrored) for mirrored in (False, True) for y, x in five_offsets(side, side, size)]
    return [
        View(*place, tuple(Guess(i, classifier.label(i), prob) for i, prob in zip(*row, strict=True)))
        for place, *row in zip(places, best.indices.tolist(), best.values.tolist(), strict=True)
    ]


@torch.inference_mode()
def probs_of_views(classifier: Classifier, images: Tensor) -> Tensor:
    """Probabilities (10, K) of the views of one square (1, 3, S, S) uint8; their mean is `probs(images, 10)`."""
    cut = partial(ten_views, size=classifier.preprocessing.size)
    crops = classifier.preprocessing.views(images.to(classifier.device), cut)[0]  # (10, C, H, W)
    with at_rest(classifier.model):
        logits: Tensor = (classifier.engine or classifier.model)(crops)
    return logits.softmax(dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
