from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from alexnet.data.preprocess import Preprocessing
from alexnet.lineages import find, vary
from alexnet.model import AlexNet
from alexnet.weights import Weights

MakeWeights = Callable[..., Weights]


@pytest.fixture(scope="session")
def make_weights() -> MakeWeights:
    """Weights of a tiny network with its own mean image; keywords vary the lineage."""

    def make(seed: int = 0, labels: tuple[str, ...] = ("cat", "dog", "über|fox"), **changes: Any) -> Weights:
        lineage = vary(find("tiny"), num_classes=len(labels), **changes)
        model = AlexNet("tiny", num_classes=len(labels), generator=torch.Generator().manual_seed(seed), **changes)
        image = np.random.default_rng(seed).uniform(0, 255, (80, 80, 3)).astype(np.float32)
        mean = (120.5, 117.0, 104.25)
        preprocessing = Preprocessing(67, "RGB", 255, mean, (1.0, 1.0, 1.0), 80, "short", image)
        return Weights(dict(model.state_dict()), lineage, labels, preprocessing, {"data": "drawn", "top1_error": 0.25})

    return make


@pytest.fixture
def weights(make_weights: MakeWeights) -> Weights:
    return make_weights()
