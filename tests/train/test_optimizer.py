import numpy as np
import pytest
import torch
from torch import nn

from alexnet.lineages import find
from alexnet.model import AlexNet
from alexnet.train.optimizer import PaperSGD, make_optimizer, restore_velocities, set_lr, velocities
from alexnet.train.recipe import MODERN, TUNED, paper

RATES = [0.1] * 5 + [0.01] * 5


def gradient(weight: np.ndarray) -> np.ndarray:
    slope: np.ndarray = np.cos(3 * weight) + weight
    return slope


def run_numpy(weight: np.ndarray, rates: list[float]) -> np.ndarray:
    velocity = np.zeros_like(weight)
    for lr in rates:
        velocity = 0.9 * velocity - 0.0005 * lr * weight - lr * gradient(weight)
        weight = weight + velocity
    return weight


def run_torch(kind: type[PaperSGD] | type[torch.optim.SGD], weight: np.ndarray, rates: list[float]) -> np.ndarray:
    parameter = nn.Parameter(torch.tensor(weight))
    optimizer = kind([parameter], lr=rates[0], momentum=0.9, weight_decay=0.0005)
    for lr in rates:
        optimizer.param_groups[0]["lr"] = lr
        parameter.grad = torch.tensor(gradient(parameter.detach().numpy()))
        optimizer.step()
    return parameter.detach().numpy()


WEIGHT = np.linspace(-1, 1, 7)


def test_paper_update_is_the_printed_formula() -> None:
    np.testing.assert_allclose(run_torch(PaperSGD, WEIGHT, RATES), run_numpy(WEIGHT, RATES), rtol=1e-12)


def test_paper_update_is_torchs_while_the_rate_is_constant() -> None:
    constant = [0.1] * 10
    found, expected = run_torch(PaperSGD, WEIGHT, constant), run_torch(torch.optim.SGD, WEIGHT, constant)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_paper_update_keeps_its_speed_where_torchs_shrinks_at_a_drop() -> None:
    before = run_numpy(WEIGHT, RATES[:5])
    paper_step = np.abs(run_torch(PaperSGD, WEIGHT, RATES[:6]) - before)
    torch_step = np.abs(run_torch(torch.optim.SGD, WEIGHT, RATES[:6]) - before)
    assert paper_step.max() > 5 * torch_step.max()


def named(*names: str) -> dict[str, nn.Parameter]:
    return {name: nn.Parameter(torch.ones(2)) for name in names}


def test_biases_of_bvlc_learn_twice_as_fast_and_do_not_decay() -> None:
    optimizer = make_optimizer(named("conv1.weight", "conv1.bias"), paper(find("bvlc")), frozenset())
    set_lr(optimizer, 0.5)
    weights, biases = optimizer.param_groups
    assert isinstance(optimizer, PaperSGD)
    assert (weights["lr"], weights["weight_decay"], weights["momentum"]) == (0.5, 5e-4, 0.9)
    assert (biases["lr"], biases["weight_decay"]) == (1.0, 0.0)


def test_the_papers_biases_are_like_its_weights() -> None:
    optimizer = make_optimizer(named("conv1.weight", "conv1.bias"), paper(find("paper")), frozenset())
    assert len(optimizer.param_groups) == 1


def test_deep_layers_move_at_a_tenth_of_the_rate() -> None:
    optimizer = make_optimizer(named("fc7.weight", "fc8.weight"), TUNED, frozenset({"fc7.weight"}))
    set_lr(optimizer, 0.02)
    deep, head = optimizer.param_groups
    assert deep["lr"] == pytest.approx(0.002)
    assert head["lr"] == 0.02


def test_velocities_come_back_bitwise() -> None:
    def made() -> tuple[AlexNet, dict[str, nn.Parameter], torch.optim.Optimizer]:
        net = AlexNet("tiny", generator=torch.Generator().manual_seed(0))
        parameters = dict(net.named_parameters())
        return net, parameters, make_optimizer(parameters, MODERN, frozenset())

    def step(parameters: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer, scale: float) -> None:
        for parameter in parameters.values():
            parameter.grad = torch.full_like(parameter, scale)
        optimizer.step()

    net, parameters, optimizer = made()
    step(parameters, optimizer, 1.0)
    other, others, fresh = made()
    other.load_state_dict(net.state_dict())
    restore_velocities(fresh, others, velocities(optimizer, parameters))
    step(parameters, optimizer, -0.5)
    step(others, fresh, -0.5)
    assert all(torch.equal(parameters[name], others[name]) for name in parameters)
