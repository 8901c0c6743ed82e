"""On a CPU, the fast network is the plain one: float64 says how close it has to be."""

import copy
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from alexnet.errors import UsageError
from alexnet.fast import accelerate
from alexnet.fast.cpu import CpuNet, accelerate_on_cpu, matvec, norm_pool, processor
from alexnet.lineages import LINEAGES, Lineage, find
from alexnet.lineages.spec import Conv, Layer, Linear, Local, Norm
from alexnet.model import AlexNet
from oracles.compiler import has_compiler
from oracles.lively import blotches, lively_net, relative_error

needs_onednn = pytest.mark.skipif(not processor.has_onednn(), reason="torch has no oneDNN here")
needs_bfloat16 = pytest.mark.skipif(not processor.has_bfloat16(), reason="no bfloat16 arithmetic here")
needs_int8 = pytest.mark.skipif(not processor.has_int8(), reason="no int8 convolutions here")
pytestmark = needs_onednn


def pictures(count: int, size: int = 67, channels: int = 3) -> Tensor:
    return torch.cat([blotches(size, channels, seed) for seed in range(count)])


@torch.inference_mode()
def logits(net: torch.nn.Module, images: Tensor) -> Tensor:
    result: Tensor = net(images)
    return result


def exact(net: AlexNet, images: Tensor) -> Tensor:
    return logits(copy.deepcopy(net).double(), images.double())


def narrow(name: str) -> Lineage:
    """A lineage with a quarter of its channels and features: the same layers, a sixteenth of the work."""
    table = find(name)
    rows: list[Layer] = []
    for row in table.layers:
        if isinstance(row, Conv | Local):
            rows.append(replace(row, out_channels=row.out_channels // 4))
        else:
            rows.append(replace(row, out_features=row.out_features // 4) if isinstance(row, Linear) else row)
    return replace(table, layers=tuple(rows))


@pytest.fixture(params=["compiled", "by torch"])
def operators(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled operators, or torch's, whatever the cache of this machine holds."""
    is_compiled = request.param == "compiled"
    if is_compiled and not has_compiler():
        pytest.skip("no C compiler")
    for known, name in ((norm_pool.OPERATOR, "operator"), (matvec.OPERATOR, "product")):
        function = request.getfixturevalue(name).function if is_compiled else None
        monkeypatch.setattr(known, "find", lambda function=function: function)


@pytest.mark.usefixtures("operators")
@pytest.mark.parametrize("lineage", [find("bvlc"), *map(narrow, LINEAGES)], ids=lambda table: table.name)
def test_every_lineage_in_every_precision(lineage: Lineage) -> None:
    net = lively_net(lineage)
    images = pictures(2, net.lineage.input.size)
    expected = exact(net, images)
    assert relative_error(logits(accelerate(net), images), expected) <= 1e-5
    if processor.has_bfloat16():
        assert relative_error(logits(accelerate(net, torch.bfloat16), images), expected) <= 1e-2
    if processor.has_int8():
        assert relative_error(logits(accelerate(net, torch.int8, images), images), expected) <= 0.06


@pytest.mark.usefixtures("operators")
@pytest.mark.parametrize("count", [1, 3, 8, 9])
@pytest.mark.parametrize("size", [67, 70])
def test_any_batch_and_size(count: int, size: int) -> None:
    net, images = lively_net("tiny"), pictures(count, size)
    assert relative_error(logits(accelerate(net), images), exact(net, images)) <= 1e-5


def test_the_callers_pictures_stay_as_they_are() -> None:
    table = find("tiny")
    first = replace(table, layers=(Norm("norm0", k=1), *table.layers))
    for net in (lively_net("tiny"), lively_net(first)):
        images = pictures(2).contiguous(memory_format=torch.channels_last)
        before = images.clone()
        found = logits(accelerate(net), images)
        assert torch.equal(images, before)
        assert relative_error(found, exact(net, images)) <= 1e-5


@needs_int8
def test_a_picture_is_answered_alike_alone_and_in_a_batch() -> None:
    net, images = lively_net("tiny"), pictures(9)
    fast = accelerate(net, torch.int8, images)
    alone = torch.cat([logits(fast, image[None]) for image in images])
    assert relative_error(alone, logits(fast, images)) <= 1e-6


@pytest.mark.parametrize("changes", [
    {"activation": "tanh"}, {"activation": "sigmoid"}, {"norm": False}, {"overlap": False}, {"groups": False},
    {"in_channels": 1}, {"dropout": False},
])  # fmt: skip
def test_every_switch(changes: dict[str, Any]) -> None:
    net = lively_net("tiny", **changes)
    images = pictures(2, channels=net.lineage.in_channels)
    expected = exact(net, images)
    assert relative_error(logits(accelerate(net), images), expected) <= 1e-5
    if processor.has_int8():
        assert relative_error(logits(accelerate(net, torch.int8, images), images), expected) <= 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.int8])
def test_changed_weights_are_seen(dtype: torch.dtype) -> None:
    """Changes that keep activations within the ranges that int8 has seen: others would be off for another reason."""
    net, images = lively_net("tiny"), pictures(2)
    fast = accelerate(net, dtype, images)
    before = logits(fast, images)
    with torch.no_grad():
        net.get_parameter("conv3.weight").mul_(0.5)
        net.get_parameter("fc8.weight").neg_()
    assert relative_error(before, exact(net, images)) > 1
    assert relative_error(logits(fast, images), exact(net, images)) <= (1e-5 if dtype == torch.float32 else 0.05)


def test_gradients_are_the_plain_networks() -> None:
    net, images = lively_net("tiny"), pictures(2)
    accelerate(net)(images).sum().backward()
    grad = net.get_parameter("conv1.weight").grad
    assert grad is not None
    plain = copy.deepcopy(net)
    plain.zero_grad()
    plain(images).sum().backward()
    assert torch.equal(grad, plain.get_parameter("conv1.weight").grad)  # type: ignore[arg-type]


def test_float32_does_not_copy_the_large_weights() -> None:
    net = AlexNet("tiny").eval()
    fast = accelerate(net)
    assert isinstance(fast, CpuNet)
    steps = dict(fast.named_steps())
    assert steps["fc6"].weight.data_ptr() == net.get_parameter("fc6.weight").data_ptr()  # type: ignore[attr-defined]


@needs_int8
def test_int8_takes_a_quarter_of_the_memory() -> None:
    fast = accelerate(lively_net("tiny"), torch.int8, pictures(1))
    assert isinstance(fast, CpuNet)
    assert dict(fast.named_steps())["fc6"].weight.dtype == torch.int8  # type: ignore[attr-defined]


@needs_int8
def test_int8_needs_pictures() -> None:
    with pytest.raises(UsageError, match="samples"):
        accelerate_on_cpu(AlexNet("tiny"), torch.int8)


@needs_int8
def test_brighter_pictures_than_the_samples_saturate() -> None:
    net, images = lively_net("tiny"), pictures(2)
    found = logits(accelerate(net, torch.int8, images * 0.5), images)
    assert found.isfinite().all()
    assert relative_error(found, exact(net, images)) < 1


def test_on_a_processor_of_2013() -> None:
    """AVX2 alone: float32 and int8 stay right, bfloat16 falls back to float32."""
    code = """
import torch
from fast.test_cpu import *
net, images = lively_net("tiny"), pictures(2)
images = images * 2  # large products: two of them must not overflow 16 bits
expected = exact(net, images)
assert not processor.has_bfloat16() and processor.largest_weight() == processor.NARROW
assert accelerate(net, torch.bfloat16).dtype == torch.float32
assert relative_error(logits(accelerate(net), images), expected) <= 1e-5
assert relative_error(logits(accelerate(net, torch.int8, images), images), expected) <= 0.1
"""
    older = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **older}, check=True)
