"""A convolution on blocks of pixels is the convolution of the pixels."""

import pytest
import torch
import torch.nn.functional as F

from alexnet.fast import conv1
from alexnet.fast.conv1 import Blocks, block_weight, cut_blocks
from alexnet.lineages.spec import Conv
from alexnet.model.layers import CeilConv2d


@pytest.mark.parametrize(("size", "blocks"), [
    (227, Blocks(11, 4, 0, False)), (224, Blocks(11, 4, 2, False)), (224, Blocks(11, 4, 0, True)),
    (67, Blocks(11, 4, 0, False)), (30, Blocks(7, 2, 3, False)), (29, Blocks(5, 3, 1, True)),
])  # fmt: skip
def test_convolution_of_blocks_equals_the_strided_one(size: int, blocks: Blocks) -> None:
    images = torch.randn(2, 3, size, size + 3, dtype=torch.float64)
    weight = torch.randn(4, 3, blocks.kernel_size, blocks.kernel_size, dtype=torch.float64, requires_grad=True)
    layer = CeilConv2d(3, 4, blocks.kernel_size, blocks.stride, blocks.padding, bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(weight)
    expected = layer(images) if blocks.ceil else F.conv2d(images, layer.weight, None, blocks.stride, blocks.padding)
    found = F.conv2d(cut_blocks(images, blocks, torch.float64), block_weight(weight, blocks))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)
    grad = torch.randn_like(found)
    (weight_grad,) = torch.autograd.grad(found, weight, grad)
    expected.backward(grad)
    torch.testing.assert_close(weight_grad, layer.weight.grad, rtol=0, atol=1e-9)


def test_blocks_of_the_paper_are_57_by_57_by_48() -> None:
    plain, padded, ceiled = Conv("c", 96, 11, 4), Conv("c", 64, 11, 4, padding=2), Conv("c", 64, 11, 4, ceil=True)
    for size, row in ((227, plain), (224, padded), (224, ceiled)):
        assert cut_blocks(torch.zeros(1, 3, size, size), Blocks.of(row), torch.float32).shape == (1, 48, 57, 57)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_kernel_cuts_the_same_blocks(layout: torch.memory_format, device: torch.device) -> None:
    pytest.importorskip("triton")
    images = torch.randn(2, 3, 20, 23, device=device).contiguous(memory_format=layout)
    for blocks in (Blocks(11, 4, 2, False), Blocks(5, 3, 0, True)):
        expected = cut_blocks(images.cpu(), blocks, torch.float32)
        assert torch.equal(conv1._cut_on_gpu(images, blocks, torch.float32).cpu(), expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("row", [Conv("c", 5, 11, 4), Conv("c", 4, 5, 3), Conv("c", 3, 8, 4)])
def test_one_kernel_makes_the_same_block_weight(layout: torch.memory_format, row: Conv, device: torch.device) -> None:
    pytest.importorskip("triton")
    weight = torch.randn(row.out_channels, 3, row.kernel_size, row.kernel_size).contiguous(memory_format=layout)
    blocks = Blocks.of(row)
    plain, quick = weight.requires_grad_(), weight.detach().to(device).requires_grad_()
    expected = block_weight(plain, blocks)
    found = conv1._BlockWeight.apply(quick, blocks)  # type: ignore[no-untyped-call]
    assert found.is_contiguous(memory_format=torch.channels_last) and torch.equal(found.cpu(), expected)
    grad = torch.randn(expected.shape)
    for laid in (grad, grad.contiguous(memory_format=torch.channels_last)):
        (wanted,) = torch.autograd.grad(expected, plain, laid, retain_graph=True)
        assert torch.equal(torch.autograd.grad(found, quick, laid.to(device), retain_graph=True)[0].cpu(), wanted)
