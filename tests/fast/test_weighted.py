"""Convolutions and products against torch's own, and the two forms of a gradient against each other."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.fast.slopes import fastest, own, turned
from alexnet.fast.weighted import convolved, multiplied


def numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape)))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("stride", "padding", "size"), [(1, 2, 5), (1, 0, 3), (2, 1, 3), (1, 1, 1)])
def test_convolutions_and_their_gradients_are_those_of_torch(groups: int, stride: int, padding: int, size: int) -> None:
    images, weight = numbers(3, 6, 9, 11), numbers(8, 6 // groups, size, size)
    weight = weight.contiguous(memory_format=torch.channels_last)
    inputs = [tensor.requires_grad_() for tensor in (images, weight)]
    plain = F.conv2d(images, weight, stride=stride, padding=padding, groups=groups)
    ours = torch.cat(convolved(images.chunk(groups, dim=1), weight, stride, padding), dim=1)
    torch.testing.assert_close(ours, plain)
    slopes = torch.randn_like(plain)
    for found, expected in zip(
        torch.autograd.grad(ours, inputs, slopes), torch.autograd.grad(plain, inputs, slopes), strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_products_and_their_gradients_are_those_of_torch() -> None:
    inputs = [numbers(3, 7).requires_grad_(), numbers(5, 7).requires_grad_()]
    ours, plain, slopes = multiplied(*inputs), F.linear(*inputs), numbers(3, 5)
    torch.testing.assert_close(ours, plain)
    for found, expected in zip(
        torch.autograd.grad(ours, inputs, slopes), torch.autograd.grad(plain, inputs, slopes), strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_what_is_not_asked_for_has_no_gradient() -> None:
    images, weight = numbers(1, 3, 5, 5), numbers(4, 3, 3, 3)
    for wanted, other in ((images, weight), (weight, images)):
        wanted.requires_grad_()
        (result,) = convolved((images,), weight, 1, 1)
        (slopes,) = torch.autograd.grad(result.sum(), wanted)
        assert slopes.abs().min() > 0
        assert other.grad is None
        wanted.requires_grad_(False)


@pytest.mark.parametrize(("padding", "size"), [(2, 5), (0, 5), (1, 3), (0, 1), (3, 4)])
def test_both_forms_of_the_gradient_of_the_input_are_one(padding: int, size: int) -> None:
    images, kernels = numbers(2, 3, 8, 7), numbers(4, 3, size, size)
    grad = torch.randn_like(F.conv2d(images, kernels, padding=padding))
    torch.testing.assert_close(turned(grad, images, kernels, 1, padding), own(grad, images, kernels, 1, padding))


@pytest.mark.gpu
def test_the_faster_form_is_found() -> None:
    small, large = (torch.randn(size, size, device="cuda") for size in (64, 4096))
    assert fastest([lambda: large @ large, lambda: small @ small]) == 1
