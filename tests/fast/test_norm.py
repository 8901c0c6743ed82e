"""The norm of a gradient in float64, and torch's way to cut it."""

import pytest
import torch
from torch import Tensor

from alexnet.fast import norm
from alexnet.fast.norm import Squares, share_left, share_of, squares

pytest.importorskip("triton")


def drawn(device: torch.device) -> dict[str, Tensor]:
    """Gradients as they come: biases in float32, kernels with their channels last."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"a.weight": (6, 5, 3, 3), "a.bias": (6,), "b.weight": (70, 90), "b.bias": (70,), "c.weight": (3, 1)}
    grads = {name: torch.randn(shape, generator=generator).to(device) for name, shape in shapes.items()}
    grads["a.weight"] = grads["a.weight"].bfloat16().contiguous(memory_format=torch.channels_last)
    grads["b.weight"] = grads["b.weight"].bfloat16()
    return grads


def exact(grads: dict[str, Tensor]) -> float:
    return sum(float(grad.double().square().sum()) for grad in grads.values())


@pytest.mark.parametrize("limit", [1e-3, 1.0, 1e4])
def test_the_share_is_what_torch_leaves(limit: float, device: torch.device) -> None:
    grads = drawn(device)
    torchs = {name: torch.nn.Parameter(grad.double()) for name, grad in grads.items()}
    for parameter in torchs.values():
        parameter.grad = parameter.detach().clone()
    torch.nn.utils.clip_grad_norm_(torchs.values(), limit)
    share = share_left(list(grads.values()), limit)
    for name, parameter in torchs.items():
        assert parameter.grad is not None
        torch.testing.assert_close(grads[name].double() * share, parameter.grad, rtol=1e-5, atol=1e-9)


def test_squares_of_many_programs_and_rounds(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(norm, "SIZE", 64)
    monkeypatch.setattr(norm, "PROGRAMS", 8)
    grads = drawn(device)
    assert float(squares(list(grads.values()))) == pytest.approx(exact(grads), rel=1e-5)
    assert float(squares([torch.randn(5, 7, device=device).t()[1:]])) > 0


def test_gradients_may_come_in_any_order_step_after_step(device: torch.device) -> None:
    grads = drawn(device)
    taken = Squares(grads)
    for names in (list(grads), list(reversed(grads))):
        for name in names:
            grads[name] = grads[name] * 2
            taken.arrived(name, grads[name])
        assert float(taken.finish().sum()) == pytest.approx(exact(grads), rel=1e-5)


def test_a_norm_that_is_no_number_is_not_hidden(device: torch.device) -> None:
    assert share_of(torch.tensor([1.0, torch.nan], device=device), 1.0).isnan()
    assert float(share_of(torch.tensor([torch.inf], device=device), 1.0)) == 0
