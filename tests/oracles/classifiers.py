"""Classifiers of random weights on drawn pictures, and what they answer when every step is taken by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from alexnet.data.picture import to_square
from alexnet.data.preprocess import Preprocessing
from alexnet.inference import Classifier
from alexnet.lineages import find, vary
from alexnet.weights import Weights
from oracles.lively import blotches, lively_net

MEAN = (120.0, 115.0, 100.0)
LABELS = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu")


def make_weights(labels: Sequence[str] = LABELS, num_classes: int | None = None, **preprocessing: Any) -> Weights:
    """A tiny network that answers differently for different pictures, and is never so sure that doubts round to 0."""
    count = num_classes or len(labels)
    net = lively_net("tiny", seed=1, num_classes=count)
    tensors = dict(net.state_dict())
    with torch.no_grad():
        logits = net(torch.cat([blotches(67, seed=seed) for seed in range(16)]))  # (16, K)
    spread = logits.std() / 2
    tensors["fc8.weight"] = tensors["fc8.weight"] / spread
    tensors["fc8.bias"] = (tensors["fc8.bias"] - logits.mean(dim=0)) / spread
    fields: dict[str, Any] = {
        "size": 67, "order": "RGB", "range": 255, "mean": MEAN, "std": (1.0, 1.0, 1.0), "resize": 80, "fit": "short",
    }  # fmt: skip
    lineage = vary(find("tiny"), num_classes=count)
    return Weights(tensors, lineage, tuple(labels), Preprocessing(**fields | preprocessing), {})


def make_classifier(labels: Sequence[str] = LABELS, num_classes: int | None = None, **preprocessing: Any) -> Classifier:
    weights = make_weights(labels, num_classes, **preprocessing)
    return Classifier.of(weights, torch.device("cpu"), "drawn.safetensors")


def draw(seed: int, width: int = 96, height: int = 80) -> Image.Image:
    """Noise in big blocks: no two seeds look alike to a network."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST)


def squares(pictures: Sequence[Image.Image], side: int = 80) -> np.ndarray:
    """Pictures as the data room makes them: (N, S, S, 3) uint8."""
    return np.stack([to_square(picture, side, "short") for picture in pictures])


def probabilities(classifier: Classifier, square: np.ndarray) -> np.ndarray:
    """What a network says of the centre of one square picture, step by step."""
    view = square[6:73, 6:73].astype(np.float32) - np.array(MEAN, np.float32)  # (67, 67, 3)
    x = torch.from_numpy(view.transpose(2, 0, 1).copy())[None]
    classifier.model.eval()
    with torch.no_grad():
        logits = classifier.model(x)[0].double().numpy()
    exps = np.exp(logits - logits.max())
    return np.asarray(exps / exps.sum())
