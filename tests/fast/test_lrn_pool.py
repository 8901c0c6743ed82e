"""The fused kernels against the plain layers in float64: values and gradients."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.fast import lrn_pool
from alexnet.fast.lrn_pool import Maps, Tail, fused
from alexnet.lineages.spec import Norm, Pool
from alexnet.model.layers import LocalResponseNorm

pytest.importorskip("triton")

NORM = Norm("norm", alpha=1e-3)  # strong enough that a wrong window shows
TOWER_NORM = Norm("norm", alpha=1e-3, groups=2)
POOL = Pool("pool")
TOLERANCE = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 1e-2}


def plain(tail: Tail, maps: Maps, bias: Tensor | None) -> Maps:
    images = torch.cat(maps, dim=1)
    if bias is not None:
        images = images + bias[:, None, None]
    if tail.relu == "first":
        images = images.relu()
    if tail.norm is not None:
        norm = tail.norm
        images = LocalResponseNorm(norm.size, norm.alpha, norm.beta, norm.k, norm.groups)(images)
    if tail.pool is not None:
        images = F.max_pool2d(images, tail.pool.kernel_size, tail.pool.stride, ceil_mode=tail.pool.ceil)
    return (images.relu() if tail.relu == "last" else images).chunk(tail.towers, dim=1)


def error(found: Tensor | None, expected: Tensor | None) -> float:
    assert found is not None and expected is not None
    return float((found.detach().double() - expected.detach()).norm() / expected.detach().norm())


def errors(
    tail: Tail, height: int, width: int, device: torch.device, dtype: torch.dtype, *, towers: int = 1, batch: int = 2
) -> list[float]:
    """Relative errors of the outputs, then of the gradients of maps and bias."""
    generator = torch.Generator().manual_seed(0)
    shape = (batch, tail.channels // towers, height, width)
    maps = tuple((torch.randn(shape, generator=generator) * 60).to(device, dtype) for _ in range(towers))
    bias = (torch.randn(tail.channels, generator=generator) * 5).to(device)
    exact = [tensor.double().requires_grad_() for tensor in (*maps, bias)]
    close = [tensor.clone().requires_grad_() for tensor in (*maps, bias)]
    expected, found = plain(tail, tuple(exact[:-1]), exact[-1]), fused(tail, tuple(close[:-1]), close[-1])
    assert [part.shape for part in found] == [part.shape for part in expected]
    grads = [torch.randn(part.shape, generator=generator).to(device, dtype) for part in found]
    torch.autograd.backward(found, grads)
    torch.autograd.backward(expected, [grad.double() for grad in grads])
    pairs = [*zip(found, expected, strict=True), *((a.grad, b.grad) for a, b in zip(close, exact, strict=True))]
    return [error(a, b) for a, b in pairs]


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_fused_equals_the_plain_layers(dtype: torch.dtype, device: torch.device) -> None:
    assert max(errors(Tail(16, "first", NORM, POOL), 7, 5, device, dtype)) <= TOLERANCE[dtype]


@pytest.mark.parametrize(("channels", "height", "width"), [(11, 8, 5), (1, 3, 3), (24, 4, 7)])
def test_odd_channels_and_odd_sides(channels: int, height: int, width: int, device: torch.device) -> None:
    assert max(errors(Tail(channels, "first", NORM, POOL), height, width, device, torch.float32)) <= 1e-5


@pytest.mark.parametrize(("size", "beta"), [(1, 0.75), (3, 0.5), (7, 1.0), (9, 0.6)])
def test_windows_and_exponents(size: int, beta: float, device: torch.device) -> None:
    tail = Tail(13, "first", Norm("norm", size, alpha=1e-3, beta=beta), Pool("pool", 2))
    assert max(errors(tail, 4, 4, device, torch.float32)) <= 1e-5


@pytest.mark.parametrize("ceil", [True, False])
@pytest.mark.parametrize(("window", "stride"), [(3, 2), (2, 2), (3, 3), (3, 1)])
def test_pools(window: int, stride: int, ceil: bool, device: torch.device) -> None:
    tail = Tail(8, "first", None, Pool("pool", window, stride, ceil=ceil))
    assert max(errors(tail, 6, 5, device, torch.float32)) <= 1e-5


@pytest.mark.parametrize("ceil", [True, False])
@pytest.mark.parametrize(("height", "width"), [(7, 5), (13, 6), (14, 3), (15, 3)])
def test_rows_that_windows_share(
    height: int, width: int, ceil: bool, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lrn_pool, "MANY_OUTPUTS", 0)
    tail = Tail(16, "last", NORM, Pool("pool", ceil=ceil))
    assert max(errors(tail, height, width, device, torch.float32)) <= 1e-5


def test_many_programs_of_several_rounds(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lrn_pool, "PROGRAMS", 2)  # of 112 cells a program takes 42 at a time
    assert max(errors(Tail(24, "first", NORM, POOL), 15, 14, device, torch.float32)) <= 1e-5


def test_relu_behind_the_pool_and_norm_in_towers(device: torch.device) -> None:
    tail = Tail(16, "last", TOWER_NORM, POOL)
    assert max(errors(tail, 5, 5, device, torch.float32)) <= 1e-5
    crossing = Tail(16, "last", NORM, POOL)
    maps = (torch.randn(1, 16, 5, 5, device=device) * 60,)
    assert not torch.equal(fused(tail, maps, None)[0], fused(crossing, maps, None)[0])


@pytest.mark.parametrize("tail", [
    Tail(16, "first", NORM, POOL, towers=2),
    Tail(16, "first", None, None, towers=2),
    Tail(16, "last", None, None),
    Tail(16, "none", NORM, None),
], ids=["norm and pool", "bias and ReLU", "ReLU behind", "norm alone"])  # fmt: skip
@pytest.mark.parametrize("towers", [1, 2])
def test_towers_in_and_out(tail: Tail, towers: int, device: torch.device) -> None:
    assert max(errors(tail, 5, 3, device, torch.float32, towers=towers)) <= 1e-5


def test_what_is_no_number_is_not_hidden_by_the_pool(device: torch.device) -> None:
    images = torch.ones(1, 8, 3, 3, device=device)
    images[0, 4, 1, 1] = torch.nan
    (pooled,) = fused(Tail(8, "first", NORM, POOL), (images,), None)
    assert pooled[0, 4].isnan().all()
    assert not pooled[0, 0].isnan().any()


def test_without_gradients_the_values_are_the_same(device: torch.device) -> None:
    tail, images = Tail(16, "first", NORM, POOL), torch.randn(2, 16, 5, 5, device=device)
    (with_gradient,) = fused(tail, (images.clone().requires_grad_(),), None)
    assert torch.equal(fused(tail, (images,), None)[0], with_gradient)


@pytest.mark.parametrize("tail", [
    Tail(16, "first", Norm("norm", size=4)),
    Tail(16, "first", Norm("norm", size=11)),
    Tail(12, "first", TOWER_NORM),
    Tail(16, "first", None, Pool("pool", kind="avg")),
    Tail(16, "first", None, Pool("pool", 5)),
    Tail(15, "first", towers=2),
])  # fmt: skip
def test_what_the_kernels_cannot_do_is_said(tail: Tail) -> None:
    assert not tail.is_supported


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("tail", "side", "towers"), [
    (Tail(96, "first", Norm("norm1", k=1), POOL, towers=2), 55, 1),
    (Tail(256, "first", Norm("norm2", k=1), POOL), 27, 2),
    (Tail(384, "first", towers=2), 13, 2),
    (Tail(256, "first", None, POOL), 13, 2),
    (Tail(64, "last", Norm("norm1"), POOL), 55, 1),
])  # fmt: skip
def test_layers_of_the_lineages(tail: Tail, side: int, towers: int, dtype: torch.dtype) -> None:
    found = errors(tail, side, side, torch.device("cuda"), dtype, towers=towers, batch=5)
    assert max(found) <= TOLERANCE[dtype]
