"""The loss in one kernel against torch's in float64: values and gradients."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.fast.loss import cross_entropy

pytest.importorskip("triton")

COUNT = 5


def drawn_labels(kind: str, classes: int, device: torch.device) -> Tensor:
    """Labels of five rows; the fourth has none."""
    generator = torch.Generator().manual_seed(1)
    if kind == "classes":
        labels = torch.randint(0, classes, (COUNT,), generator=generator)
        labels[3] = -100
    else:
        labels = torch.rand(COUNT, classes, generator=generator).softmax(1)
        labels[3] = 0
    return labels.to(device)


def by_torch(logits: Tensor, labels: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    exact = logits.double().requires_grad_()
    is_labelled = labels >= 0 if labels.ndim == 1 else labels.sum(1) > 0
    kept = labels[is_labelled]
    kept = kept.double() if kept.is_floating_point() else kept
    losses = torch.zeros(len(labels), dtype=torch.float64, device=labels.device)
    losses[is_labelled] = F.cross_entropy(exact[is_labelled], kept, label_smoothing=smoothing, reduction="none")
    return losses.detach(), torch.autograd.grad(losses.sum(), exact)[0]


@pytest.mark.parametrize("kind", ["classes", "shares"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("classes", [1, 10, 200, 1000, 1001])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_loss_and_gradient_are_torchs(
    kind: str, smoothing: float, classes: int, dtype: torch.dtype, device: torch.device
) -> None:
    logits = (torch.randn(COUNT, classes, generator=torch.Generator().manual_seed(0)) * 9).to(device, dtype)
    labels = drawn_labels(kind, classes, device)
    losses, slopes = cross_entropy(logits, labels, smoothing, 0.25)
    expected, grad = by_torch(logits, labels, smoothing)
    assert losses.dtype == torch.float32 and slopes.dtype == dtype
    torch.testing.assert_close(losses.double(), expected, rtol=1e-5, atol=1e-5)
    rtol = 1e-4 if dtype == torch.float32 else 2**-7
    torch.testing.assert_close(slopes.double(), grad / 4, rtol=rtol, atol=1e-7)
    assert not slopes[3].any()


def test_far_logits_have_a_loss(device: torch.device) -> None:
    logits = torch.tensor([[3e4, 0.0, -3e4], [0.0, float("-inf"), 1.0]], device=device)
    losses, slopes = cross_entropy(logits, torch.tensor([1, 0], device=device), 0.0)
    expected, grad = by_torch(logits, torch.tensor([1, 0], device=device), 0.0)
    torch.testing.assert_close(losses.double(), expected)
    torch.testing.assert_close(slopes.double(), grad, rtol=1e-5, atol=1e-7)


def test_a_class_beyond_the_last_is_not_hidden(device: torch.device) -> None:
    losses, _ = cross_entropy(torch.zeros(2, 3, device=device), torch.tensor([0, 3], device=device), 0.1)
    assert losses[1].isnan() and losses[0] > 0
