"""A fast network is the same function of the same parameters."""

import copy

import pytest
import torch
from torch import Tensor

from alexnet.fast import FastNet, accelerate
from alexnet.fast.stages import plan
from alexnet.lineages import LINEAGES, find
from alexnet.model import AlexNet, build
from oracles.lively import blotches, lively_net, relative_error

FLOAT64 = torch.float64


def fast(net: AlexNet, dtype: torch.dtype) -> FastNet:
    stages = plan(net.lineage, net)
    assert stages is not None
    return FastNet(net, stages, dtype, net.lineage)


def gradients(net: torch.nn.Module, images: Tensor, pull: Tensor) -> tuple[Tensor, list[Tensor]]:
    net.zero_grad()
    logits = net(images)
    (logits * pull.to(logits)).sum().backward()
    return logits.detach().cpu(), [parameter.grad.cpu() for parameter in net.parameters() if parameter.grad is not None]


def worst(found: list[Tensor], expected: list[Tensor]) -> float:
    return max(relative_error(a, b) for a, b in zip(found, expected, strict=True))


def test_every_lineage_but_the_local_one_has_a_plan() -> None:
    without = [name for name, lineage in LINEAGES.items() if plan(lineage, build(lineage)) is None]
    assert without == ["cifar-local"]


@pytest.mark.parametrize("changes", [{"activation": "tanh"}, {"lineage": "cifar-local"}])
def test_what_has_no_plan_stays_as_it_is(changes: dict[str, str]) -> None:
    net = AlexNet(**{"lineage": "tiny", **changes})  # type: ignore[arg-type]
    assert plan(net.lineage, net) is None


def test_a_network_elsewhere_stays_as_it_is() -> None:
    with torch.device("meta"):
        net = AlexNet("tiny")
    assert accelerate(net) is net


def test_fast_network_equals_the_plain_one(device: torch.device) -> None:
    pytest.importorskip("triton")
    net, pull = lively_net("tiny"), torch.randn(2, 10)
    images = torch.cat([blotches(67, seed=seed) for seed in range(2)])
    logits, grads = gradients(copy.deepcopy(net).double(), images.double(), pull)
    found, found_grads = gradients(fast(net.to(device), torch.float32), images.to(device), pull.to(device))
    assert relative_error(found, logits) <= 1e-5
    assert worst(found_grads, grads) <= 1e-5


def test_parameters_are_the_networks_own() -> None:
    net = AlexNet("tiny")
    assert {id(p) for p in fast(net, torch.bfloat16).parameters()} == {id(p) for p in net.parameters()}


def test_copies_follow_the_weights(device: torch.device) -> None:
    net = fast(AlexNet("tiny").to(device).eval(), torch.bfloat16)
    with torch.no_grad():
        before = net._weights()["fc6.weight"]
        assert net._weights()["fc6.weight"] is before
        net.net.get_parameter("fc6.weight").mul_(2)
        assert torch.equal(net._weights()["fc6.weight"], before * 2)


@pytest.mark.parametrize("changes", [{}, {"groups": False}, {"norm": False}])
def test_predictions_of_prepared_weights_are_the_networks(changes: dict[str, bool], device: torch.device) -> None:
    pytest.importorskip("triton")
    net = AlexNet("tiny", generator=torch.Generator().manual_seed(1), **changes).to(device).eval()  # type: ignore[arg-type]
    images = torch.cat([blotches(67, seed=seed) for seed in range(2)]).to(device)
    quick = fast(net, torch.float32).eval()
    with torch.no_grad():
        for factor in (1.0, 1.5):  # the second time with other weights
            net.get_parameter("fc6.weight").mul_(factor)
            net.get_parameter("conv1.weight").mul_(factor)
            assert relative_error(quick(images).cpu(), net(images).cpu()) <= 1e-5
        assert {"conv1.blocks", "fc6.last"} <= quick._ready(quick._weights()).keys()
        quick.train()  # dropout with the gradients off takes the features in the table's order
        assert torch.isfinite(quick(images)).all()


def test_masks_follow_the_generator(device: torch.device) -> None:
    pytest.importorskip("triton")
    from alexnet.model import set_dropout_generator

    net = fast(AlexNet("tiny").to(device).train(), torch.float32)
    images = torch.randn(1, 3, 67, 67, device=device)

    def logits(seed: int) -> Tensor:
        set_dropout_generator(net.net, torch.Generator(device).manual_seed(seed))
        with torch.no_grad():
            result: Tensor = net(images)
        return result

    assert torch.equal(logits(1), logits(1))
    assert not torch.equal(logits(1), logits(2))


@pytest.mark.gpu
@pytest.mark.parametrize("lineage", [name for name in LINEAGES if name != "cifar-local"])
def test_lineages_on_the_gpu(lineage: str) -> None:
    net, size = lively_net(lineage, num_classes=20), find(lineage).input.size
    images = torch.cat([blotches(size, seed=seed) for seed in range(4)]).cuda()
    net = net.cuda()
    pull = torch.randn(4, 20, generator=torch.Generator().manual_seed(0))
    expected, grads = gradients(copy.deepcopy(net).double(), images.double(), pull.cuda())
    with torch.backends.cudnn.flags(allow_tf32=False):
        found, found_grads = gradients(accelerate(net, torch.float32), images, pull.cuda())
        _, plain_grads = gradients(net, images, pull.cuda())
    assert relative_error(found, expected) <= 1e-5
    # In float32 the largest of a pool's window may be another one than in float64, in the plain network too.
    assert worst(found_grads, grads) <= max(1e-3, 3 * worst(plain_grads, grads))
    half, _ = gradients(accelerate(net), images, pull.cuda())
    with torch.autocast("cuda", torch.bfloat16):
        plain, _ = gradients(net, images, pull.cuda())
    assert relative_error(half, expected) <= 1.5 * relative_error(plain.float(), expected)
    with torch.no_grad():  # cuDNN adds bias and ReLU itself where no gradient is wanted
        answer = accelerate(net)(images).cpu()
    assert relative_error(answer, expected) <= 1.5 * relative_error(plain.float(), expected)
