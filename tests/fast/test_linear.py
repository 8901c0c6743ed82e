"""Bias, ReLU and dropout behind a matrix product."""

import pytest
import torch

from alexnet.fast.linear import dropped, rectified, shifted

pytest.importorskip("triton")


def test_without_a_seed_it_is_bias_and_relu(device: torch.device) -> None:
    features, bias = torch.randn(37, 70, device=device), torch.randn(70, device=device)
    x, b = features.clone().requires_grad_(), bias.clone().requires_grad_()
    exact = [tensor.double().requires_grad_() for tensor in (features, bias)]
    result, expected = rectified(x, b, 0.5, None, 0), (exact[0] + exact[1]).relu()
    grad = torch.randn_like(features)
    found_grads = torch.autograd.grad(result, [x, b], grad)
    exact_grads = torch.autograd.grad(expected, exact, grad.double())
    torch.testing.assert_close(result.double(), expected, rtol=1e-6, atol=1e-6)
    for found, wanted in zip(found_grads, exact_grads, strict=True):
        torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-5)


def test_dropped_features_are_zero_and_the_others_grow(device: torch.device) -> None:
    features = (torch.rand(60, 70, device=device) + 1).requires_grad_()
    bias = torch.zeros(70, device=device, requires_grad=True)
    result = rectified(features, bias, 0.4, torch.tensor([5], device=device), 3)
    feature_grad, bias_grad = torch.autograd.grad(result.sum(), [features, bias])
    kept = result > 0
    assert 0.57 < kept.float().mean().item() < 0.63
    torch.testing.assert_close(result, torch.where(kept, features / 0.6, 0))
    torch.testing.assert_close(feature_grad, kept / 0.6)
    torch.testing.assert_close(bias_grad, (kept / 0.6).sum(0))


def test_masks_follow_seed_and_salt_and_nothing_else(device: torch.device) -> None:
    ones = torch.ones(20, 50, device=device)

    def mask(seed: int, salt: int) -> torch.Tensor:
        return dropped(ones, 0.5, torch.tensor([seed], device=device), salt)

    assert torch.equal(mask(7, 1), mask(7, 1))
    assert not torch.equal(mask(7, 1), mask(8, 1))
    assert not torch.equal(mask(7, 1), mask(7, 2))


def test_gradient_of_dropout_has_the_same_mask(device: torch.device) -> None:
    ones = torch.ones(20, 50, device=device, requires_grad=True)
    result = dropped(ones, 0.5, torch.tensor([7], device=device), 1)
    (grad,) = torch.autograd.grad(result.sum(), ones)
    assert torch.equal(result, grad)
    assert set(result.flatten().tolist()) == {0.0, 2.0}


def test_a_row_has_the_mask_of_its_place_in_the_batch(device: torch.device) -> None:
    ones = torch.ones(20, 50, device=device)
    whole = dropped(ones, 0.5, torch.tensor([7], device=device), 1)
    places = torch.tensor([3, 4, 11, 19], device=device)
    seed = torch.cat([torch.tensor([7], device=device), places])
    assert torch.equal(dropped(ones[:4], 0.5, seed, 1), whole[places])


@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_shifted_product_is_torchs(is_frozen: bool, device: torch.device) -> None:
    drawn = [torch.randn(shape, device=device) for shape in ((37, 70), (11, 70), (11,))]
    close = [tensor.clone().requires_grad_(not is_frozen or tensor.ndim == 1) for tensor in drawn]
    exact = [tensor.double().requires_grad_(not is_frozen or tensor.ndim == 1) for tensor in drawn]
    result, expected = shifted(*close), torch.nn.functional.linear(*exact)
    torch.testing.assert_close(result.double(), expected, rtol=1e-4, atol=1e-4)
    grad = torch.randn_like(result)
    torch.autograd.backward(result, grad)
    torch.autograd.backward(expected, grad.double())
    for found, wanted in zip(close, exact, strict=True):
        assert (found.grad is None) == (wanted.grad is None)
        if found.grad is not None and wanted.grad is not None:
            torch.testing.assert_close(found.grad.double(), wanted.grad, rtol=1e-4, atol=1e-4)
