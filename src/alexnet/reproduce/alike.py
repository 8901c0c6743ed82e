"""Neighbours of pictures, by what a layer makes of them and by their pixels: is the class the same?"""

import numpy as np

from alexnet.data.loader import Skips, batches
from alexnet.data.source import Pictures
from alexnet.inference.classifier import Classifier
from alexnet.inference.layers import layer_outputs
from alexnet.inference.nearest import precision

LAYERS = ("fc7", "fc6", "pool5")
PIXELS = "pixels"
NEAREST = 5
AT_ONCE = 500


def alike(classifier: Classifier, pictures: Pictures) -> dict[str, float]:
    """Precision at 5 of each of LAYERS and of the pixels: the share of Euclidean neighbours of its class.

    Every picture asks all others once.
    """
    found: dict[str, list[np.ndarray]] = {name: [] for name in (*LAYERS, PIXELS)}
    for batch in batches(pictures, np.arange(len(pictures)), AT_ONCE, skips=Skips()):
        features = layer_outputs(classifier, batch.images, LAYERS) | {PIXELS: batch.images}
        for name, parts in found.items():
            parts.append(features[name].flatten(1).float().cpu().numpy())
    return {name: precision(np.concatenate(parts), pictures.labels, NEAREST) for name, parts in found.items()}
