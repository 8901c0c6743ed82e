"""Precision of the nearest neighbours, against the definition."""

import numpy as np
import pytest
import torch

from alexnet.inference import nearest
from alexnet.inference.nearest import precision

NEAREST = 5
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def defined(features: np.ndarray, labels: np.ndarray, count: int) -> float:
    """A loop over rows in float64; of rows equally far the first comes first."""
    shares = []
    for number, query in enumerate(features.astype(np.float64)):
        distances = np.sum((features.astype(np.float64) - query) ** 2, axis=1)
        distances[number] = np.inf
        others = np.argsort(distances, kind="stable")[: min(count, len(features) - 1)]
        shares.append(np.mean(labels[others] == labels[number]))
    return float(np.mean(shares))


def found(features: np.ndarray, labels: np.ndarray, device: str) -> float:
    return precision(torch.from_numpy(features).to(device), torch.from_numpy(labels).to(device), NEAREST)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("queries", "exact_bytes"), [(nearest.QUERIES_AT_ONCE, nearest.EXACT_BYTES), (90, 10_000)])
def test_precision_is_that_of_the_definition(
    device: str, queries: int, exact_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "QUERIES_AT_ONCE", queries)
    monkeypatch.setattr(nearest, "EXACT_BYTES", exact_bytes)
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((700, 5), np.float32), rng.integers(0, 4, 700)
    features[labels == 1] += 1.0
    assert abs(found(features, labels, device) - defined(features, labels, NEAREST)) < 1e-12


@pytest.mark.parametrize("device", DEVICES)
def test_rows_that_others_equal_are_no_neighbours_of_themselves(device: str) -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((300, 40), np.float32), rng.integers(0, 3, 300)
    features[100:200], features[200:212] = features[:100], features[0]
    assert abs(found(features, labels, device) - defined(features, labels, NEAREST)) < 1e-12


def test_of_distances_that_float32_cannot_tell_apart_the_least_wins() -> None:
    rng = np.random.default_rng(0)
    features = np.full((12, 8), 3e4, np.float32)
    features += rng.integers(0, 3, features.shape).astype(np.float32) / 32  # squares of 7e9 drown differences of 1e-3
    labels = rng.integers(0, 2, 12)
    assert found(features, labels, "cpu") == pytest.approx(defined(features, labels, NEAREST), abs=1e-12)


def test_fewer_rows_than_neighbours_are_all_looked_at() -> None:
    features, labels = np.eye(3, dtype=np.float32), np.array([1, 1, 0])
    assert found(features, labels, "cpu") == pytest.approx((0.5 + 0.5 + 0.0) / 3)
