import math
from dataclasses import replace

import pytest
import torch

from alexnet.lineages import find, vary
from alexnet.train.initial import fresh_network, mixed
from alexnet.train.recipe import MODERN, paper

TINY = vary(find("tiny"), num_classes=200)


@pytest.mark.parametrize(("layer", "fan_in"), [("conv1", 363), ("conv2", 8 * 25), ("conv3", 32 * 9), ("fc7", 64)])
def test_scaled_weights_have_a_variance_of_one_over_their_inputs(layer: str, fan_in: int) -> None:
    net = fresh_network(TINY, MODERN)
    assert float(net.get_parameter(f"{layer}.weight").detach().std()) == pytest.approx(math.sqrt(1 / fan_in), rel=0.1)
    assert not net.get_parameter(f"{layer}.bias").any()


def test_he_doubles_the_variance() -> None:
    net = fresh_network(TINY, replace(MODERN, init="he"))
    assert float(net.get_parameter("conv2.weight").detach().std()) == pytest.approx(math.sqrt(2 / 200), rel=0.1)
    assert float(net.get_parameter("fc8.weight").detach().std()) == pytest.approx(0.01, rel=0.1)


def test_a_scaled_network_starts_by_guessing() -> None:
    net = fresh_network(TINY, MODERN).eval()
    with torch.no_grad():
        probs = net(torch.randn(4, 3, 67, 67, generator=torch.Generator().manual_seed(0))).softmax(1)
    assert float(probs.max()) < 2 / 200


def test_the_paper_recipe_starts_as_the_table_says() -> None:
    net = fresh_network(TINY, paper(TINY))
    assert float(net.get_parameter("conv2.weight").detach().std()) == pytest.approx(0.05, rel=0.05)
    assert bool((net.get_parameter("conv2.bias") == 0.1).all())


def test_weights_are_a_function_of_the_seed() -> None:
    first, again, other = (fresh_network(TINY, replace(MODERN, seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(first.get_parameter("conv1.weight"), again.get_parameter("conv1.weight"))
    assert not torch.equal(first.get_parameter("conv1.weight"), other.get_parameter("conv1.weight"))


def test_seeds_made_of_several_numbers_do_not_repeat() -> None:
    assert len({mixed(seed, step) for seed in range(20) for step in range(500)}) == 10_000
