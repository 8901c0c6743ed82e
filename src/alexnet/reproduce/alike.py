"""Neighbours of pictures, by what a layer makes of them and by their pixels: is the class the same?

N pictures, D features.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from alexnet.data.loader import Skips, batches
from alexnet.data.source import Pictures
from alexnet.inference.classifier import Classifier
from alexnet.inference.layers import layer_outputs

LAYERS = ("fc7", "fc6", "pool5")
NEAREST = 5
AT_ONCE = 500


def alike(classifier: Classifier, pictures: Pictures) -> dict[str, float]:
    """Precision at 5 of each of LAYERS and of the pixels: the share of Euclidean neighbours of its class.

    Every picture asks all others once.
    """
    found: dict[str, list[Tensor]] = {name: [] for name in (*LAYERS, "pixels")}
    for images in squares(pictures):
        outputs = layer_outputs(classifier, images, LAYERS)
        for name in LAYERS:
            found[name].append(outputs[name].flatten(1).float())
        found["pixels"].append(images.flatten(1).to(classifier.device).float())
    labels = torch.from_numpy(pictures.labels.astype(np.int64)).to(classifier.device)
    return {name: precision(torch.cat(parts), labels) for name, parts in found.items()}


def squares(pictures: Pictures) -> Iterator[Tensor]:
    """All pictures in order, (B, 3, S, S) uint8."""
    for batch in batches(pictures, np.arange(len(pictures)), AT_ONCE, skips=Skips()):
        yield batch.images


def precision(features: Tensor, labels: Tensor) -> float:
    """Mean share of a picture's NEAREST neighbours that have its label. (N, D) and (N,)."""
    hits = 0.0
    for start in range(0, len(features), AT_ONCE):
        distances = torch.cdist(features[start : start + AT_ONCE], features)  # (b, N)
        own = torch.arange(start, start + len(distances), device=features.device)
        distances[torch.arange(len(own), device=own.device), own] = float("inf")
        near = distances.topk(NEAREST, largest=False).indices  # (b, 5)
        hits += (labels[near] == labels[own, None]).float().mean(1).sum().item()
    return hits / len(features)
