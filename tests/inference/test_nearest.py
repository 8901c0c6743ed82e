"""Precision of the nearest neighbours, against the definition."""

import numpy as np

from alexnet.inference.nearest import precision

NEAREST = 5


def test_precision_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((700, 5)), rng.integers(0, 4, 700)
    features[labels == 1] += 1.0
    shares = []
    for number, query in enumerate(features):
        distances = np.sum((features - query) ** 2, axis=1)
        distances[number] = np.inf
        shares.append(np.mean(labels[np.argsort(distances)[:NEAREST]] == labels[number]))
    found = precision(features, labels, NEAREST)
    assert abs(found - np.mean(shares)) < 1e-6
