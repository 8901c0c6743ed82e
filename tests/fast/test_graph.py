"""A captured step of training is the step."""

import copy

import pytest
import torch
import torch.nn.functional as F

from alexnet.fast.graph import GraphedNet, TrainStep
from alexnet.fast.optimizer import Update
from alexnet.fast.rewrite import FastNet
from alexnet.fast.stages import plan
from alexnet.model import AlexNet

pytestmark = pytest.mark.gpu


def network(dtype: torch.dtype, **changes: object) -> FastNet:
    net = AlexNet("tiny", generator=torch.Generator().manual_seed(0), **changes).cuda().train()  # type: ignore[arg-type]
    stages = plan(net.lineage, net)
    assert stages is not None
    return FastNet(net, stages, dtype, net.lineage)


def batch(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator("cuda").manual_seed(count)
    images = torch.randn(count, 3, 67, 67, device="cuda", generator=generator)
    return images, torch.randint(0, 10, (count,), device="cuda", generator=generator)


def test_graphed_steps_equal_plain_ones() -> None:
    fast = network(torch.float32, dropout=False)
    plain = copy.deepcopy(fast.net)
    parameters = list(plain.parameters())
    optimizer = torch.optim.SGD(parameters, 0.01, 0.9, weight_decay=5e-4, nesterov=True)
    step = TrainStep(fast, {name: Update("nesterov") for name, _ in fast.net.named_parameters()}, batch_size=8)
    with torch.backends.cudnn.flags(allow_tf32=False):
        for count in (8, 8, 5):  # the last runs without the graph
            images, labels = batch(count)
            loss = F.cross_entropy(plain(images), labels, reduction="sum")
            for parameter, grad in zip(parameters, torch.autograd.grad(loss / 8, parameters), strict=True):
                parameter.grad = grad
            optimizer.step()
            torch.testing.assert_close(step(images, labels, 0.01, 0), loss.detach(), rtol=1e-4, atol=1e-4)
    for found, expected in zip(fast.net.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_a_step_learns_and_the_masks_change() -> None:
    fast = network(torch.bfloat16)
    step = TrainStep(fast, {name: Update() for name, _ in fast.net.named_parameters()}, batch_size=16)
    images, labels = batch(16)
    still = {float(step(images, labels, 0.0, seed)) for seed in range(3)}
    assert len(still) == 3
    assert float(step(images, labels, 0.0, 2)) in still
    losses = [float(step(images, labels, 0.02, seed)) for seed in range(200)]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])  # a still network stays within 0.99; an H100 came to 0.85


def test_velocities_and_frozen_weights_survive_the_capture() -> None:
    fast = network(torch.bfloat16)
    step = TrainStep(fast, {"fc8.weight": Update("torch"), "fc8.bias": Update("torch")}, batch_size=4)
    step.velocities["fc8.weight"].fill_(1.0)
    before = {name: parameter.clone() for name, parameter in fast.net.named_parameters()}
    step(*batch(4), lr=0.1, seed=0)
    moved = {name for name, parameter in fast.net.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == {"fc8.weight", "fc8.bias"}
    assert (fast.net.get_parameter("fc8.weight") - before["fc8.weight"]).mean().item() == pytest.approx(-0.09, abs=0.02)


def test_a_graphed_answer_is_the_networks() -> None:
    fast = network(torch.bfloat16).eval()
    images, _ = batch(3)
    graphed = GraphedNet(fast, torch.randn_like(images))
    with torch.no_grad():
        torch.testing.assert_close(graphed(images), fast(images))
