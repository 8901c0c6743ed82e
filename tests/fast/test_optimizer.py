"""The one-pass update against torch's optimizer and the paper's sentence."""

import pytest
import torch
from torch import Tensor

from alexnet.fast.optimizer import Rule, Update

pytest.importorskip("triton")

STEPS, LR, MOMENTUM, DECAY = 4, 0.02, 0.9, 5e-2


def by_torch(start: Tensor, grads: list[Tensor], lrs: list[float], nesterov: bool) -> Tensor:
    weight = torch.nn.Parameter(start.double())
    optimizer = torch.optim.SGD([weight], LR, MOMENTUM, weight_decay=DECAY, nesterov=nesterov)
    for grad, lr in zip(grads, lrs, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        weight.grad = grad.double()
        optimizer.step()
    return weight.detach()


def by_paper(start: Tensor, grads: list[Tensor], lrs: list[float]) -> Tensor:
    weight, velocity = start.double(), torch.zeros_like(start.double())
    for grad, lr in zip(grads, lrs, strict=True):
        velocity = MOMENTUM * velocity - DECAY * lr * weight - lr * grad.double()
        weight = weight + velocity
    return weight


@pytest.mark.parametrize("rule", ["paper", "nesterov", "torch"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_update_follows_its_rule(rule: Rule, dtype: torch.dtype, device: torch.device) -> None:
    start, lrs = torch.randn(7, 301, device=device), [LR, LR, LR / 10, LR / 10]
    grads = [torch.randn_like(start).to(dtype) for _ in range(STEPS)]
    expected = by_paper(start, grads, lrs) if rule == "paper" else by_torch(start, grads, lrs, rule == "nesterov")
    weight, velocity, copy = start.clone(), torch.zeros_like(start), torch.empty_like(start, dtype=torch.bfloat16)
    update = Update(rule, MOMENTUM, DECAY, lr_factor=2.0)
    for grad, lr in zip(grads, lrs, strict=True):
        update.apply(weight, velocity, grad, torch.tensor([lr / 2], device=device), copy)
    torch.testing.assert_close(weight.double(), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(copy.float(), weight, rtol=2**-7, atol=0)


@pytest.mark.parametrize("shape", [(5, 70, 3, 3), (4, 3, 11, 11), (3, 8, 1, 1), (2, 1, 5, 5), (6, 4, 3, 2)], ids=str)
@pytest.mark.parametrize("grad_layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("copy_layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_kernels_may_have_their_channels_last(
    shape: tuple[int, ...], grad_layout: torch.memory_format, copy_layout: torch.memory_format, device: torch.device
) -> None:
    start, grads = torch.randn(shape, device=device), [torch.randn(shape, device=device) for _ in range(2)]
    expected = by_torch(start, grads, [LR, LR], nesterov=True)
    weight, velocity = start.clone(), torch.zeros_like(start)
    copy = torch.empty_like(start, dtype=torch.bfloat16, memory_format=copy_layout)
    for grad in grads:
        laid = (grad * 4).contiguous(memory_format=grad_layout)
        lr, share = torch.tensor([LR], device=device), torch.tensor(0.25, device=device)
        Update("nesterov", MOMENTUM, DECAY).apply(weight, velocity, laid, lr, copy, share)
    torch.testing.assert_close(weight.double(), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(copy.float(), weight, rtol=2**-7, atol=0)
    alone = start.clone()
    Update("nesterov", MOMENTUM, DECAY).apply(alone, torch.zeros_like(start), grads[0], lr)
    torch.testing.assert_close(alone.double(), by_torch(start, grads[:1], [LR], nesterov=True), rtol=1e-5, atol=1e-6)


def test_rules_differ_when_the_rate_falls() -> None:
    start, lrs = torch.randn(5), [0.1, 0.01]
    grads = [torch.randn(5) for _ in lrs]
    assert not torch.allclose(by_paper(start, grads, lrs), by_torch(start, grads, lrs, nesterov=False), rtol=1e-3)
