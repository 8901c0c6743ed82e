"""Initial weights follow the table."""

import pytest
import torch

from alexnet.model import AlexNet


@pytest.mark.parametrize(
    ("lineage", "stds", "biases"),
    [
        ("paper", {"conv1": 0.01, "conv3": 0.01, "fc6": 0.01}, {"conv1": 0, "conv2": 1, "conv3": 0, "fc7": 1}),
        ("chm", {"conv2": 0.01, "conv3": 0.03, "fc8": 0.01}, {"conv3": 0, "conv4": 1, "fc6": 1, "fc8": 0}),
        ("bvlc", {"conv1": 0.01, "fc6": 0.005, "fc8": 0.01}, {"conv2": 0.1, "conv3": 0, "fc7": 0.1}),
        ("caffenet", {"fc7": 0.005}, {"conv2": 1, "fc6": 1, "fc8": 0}),
    ],
)  # fmt: skip
def test_weights_have_the_spread_and_biases_the_value_of_the_table(
    lineage: str, stds: dict[str, float], biases: dict[str, float]
) -> None:
    net = AlexNet(lineage, generator=torch.Generator().manual_seed(0))
    for name, std in stds.items():
        weight = net.get_parameter(f"{name}.weight")
        assert abs(weight.std().item() / std - 1) < 0.02, name
        assert abs(weight.mean().item()) < std / 20, name
    for name, value in biases.items():
        bias = net.get_parameter(f"{name}.bias")
        assert torch.equal(bias, torch.full_like(bias, value)), name


def test_torchvision_starts_as_torch_does() -> None:
    net = AlexNet("torchvision", generator=torch.Generator().manual_seed(0))
    found, expected = net.get_parameter("fc6.weight"), torch.nn.Linear(9216, 4096).weight
    assert found.abs().max().item() == pytest.approx(expected.abs().max().item(), rel=1e-3)
    assert found.std().item() == pytest.approx(expected.std().item(), rel=1e-2)


def test_one_seed_gives_one_network_and_leaves_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    first, second = (AlexNet("tiny", generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), state)
