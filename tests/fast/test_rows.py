"""Sums over rows against numpy's in float64."""

import numpy as np
import pytest
import torch

from alexnet.fast.rows import sum_of_rows

pytest.importorskip("triton")


@pytest.mark.parametrize("shape", [(1, 5), (3, 700), (50, 1), (1024, 96), (2500, 33)], ids=str)
def test_rows_are_added_up(shape: tuple[int, int], device: torch.device) -> None:
    rows = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    expected = rows.double().numpy().sum(0)
    np.testing.assert_allclose(sum_of_rows(rows.to(device)).cpu(), expected, rtol=1e-5, atol=1e-4)
