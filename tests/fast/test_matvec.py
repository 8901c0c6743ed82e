"""A fully connected layer for a few pictures against float64."""

import pytest
import torch

from alexnet.fast.matvec import MOST, few, suits

pytest.importorskip("triton")


@pytest.mark.parametrize("count", [1, MOST])
@pytest.mark.parametrize("is_rectified", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_it_is_product_bias_and_relu(count: int, is_rectified: bool, dtype: torch.dtype, device: torch.device) -> None:
    features, weight = (torch.randn(rows, 1100, device=device).to(dtype) for rows in (count, 7))
    bias = torch.randn(7, device=device)
    expected = features.double() @ weight.double().T + bias.double()
    if is_rectified:
        expected = expected.relu()
    found = few(features, weight, bias, is_rectified)
    assert found.dtype == (dtype if is_rectified else torch.float32)
    tolerance = 1e-2 if found.dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)


def test_it_is_for_few_pictures_on_a_gpu_and_without_gradients() -> None:
    with torch.inference_mode():
        assert not suits(torch.ones(1, 3), None)
    if torch.cuda.is_available():
        features = torch.ones(MOST + 1, 3, device="cuda")
        with torch.inference_mode():
            assert suits(features[:1], None) and not suits(features, None)
            assert not suits(features[:1], torch.zeros(1))
        assert not suits(features[:1], None)
