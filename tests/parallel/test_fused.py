"""The fused step on several processes: in Triton's interpreter over gloo, on GPUs captured over NCCL."""

import gc
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Literal
from weakref import ref

import pytest
import torch
from torch import Tensor

from alexnet.data.loader import share_of_batch
from alexnet.fast import FastNet
from alexnet.fast.stages import plan
from alexnet.lineages import Lineage, find
from alexnet.lineages.spec import Linear
from alexnet.model import AlexNet
from alexnet.parallel.choose import Options, make_scheme
from alexnet.parallel.pieces import Part
from alexnet.parallel.scheme import Scheme
from alexnet.parallel.team import ALONE, Team
from alexnet.train.engine import fused_part
from alexnet.train.fused import FusedStep
from alexnet.train.initial import fresh_network
from alexnet.train.settings import resolve_training
from alexnet.train.stage import Examples
from parallel.lessons import distance
from parallel.processes import together

pytest.importorskip("triton")
BATCH_SIZE = 8
TINY = find("tiny")
Kind = Literal["ddp", "towers", "hybrid"]
State = Mapping[str, Tensor]


def fused(net: AlexNet) -> FastNet:
    stages = plan(net.lineage, net)
    assert stages is not None
    return FastNet(net, stages, torch.float32, net.lineage)


def in_float32(part: Part) -> FastNet | None:
    return fused_part(part, torch.float32)


def begin(
    team: Team,
    place: torch.device,
    kind: Kind,
    is_overlapped: bool,
    weights: State | None = None,
    saved: State = MappingProxyType({}),
    lineage: Lineage = TINY,
) -> tuple[Scheme, FusedStep]:
    """A scheme and its step, from the start or from a checkpoint, which is read when the scheme is there already."""
    recipe = resolve_training({"lineage": "tiny", "batch_size": BATCH_SIZE, "clip": 0.5}, TINY)
    net = fresh_network(lineage, recipe).to(place)
    options = Options(kind, wire="float32")
    scheme, _ = make_scheme(net, team, options, BATCH_SIZE, fused, in_float32)
    assert isinstance(scheme.module, FastNet)
    if weights is not None:
        net.load_state_dict(weights)
    scheme.module.train()
    return scheme, FusedStep(scheme, frozenset(), recipe, BATCH_SIZE, saved, is_overlapped=is_overlapped)


def learn(
    team: Team,
    device: str,
    batches: list[int],
    kind: Kind = "ddp",
    lr: float = 0.02,
    is_overlapped: bool = True,
    stop_after: int = 0,
    lineage: Lineage = TINY,
) -> dict[str, Tensor]:
    """Weights and velocities after a step for each batch of so many pictures, with dropout and clipping.

    After `stop_after` batches the run ends and goes on from what it would have written.
    """
    place = torch.device(device, team.rank) if device == "cuda" else torch.device(device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    scheme, step = begin(team, place, kind, is_overlapped, lineage=lineage)
    noise = torch.Generator().manual_seed(1)
    for number, count in enumerate(batches):
        if stop_after and number == stop_after:
            weights, velocities = written(scheme, step)
            scheme, step = begin(team, place, kind, is_overlapped, weights, velocities, lineage)
        images, labels = torch.randn(count, 3, 67, 67, generator=noise), torch.randint(0, 10, (count,), generator=noise)
        mine = share_of_batch(count, *scheme.part)
        slots = torch.arange(mine.start, mine.stop)
        step(Examples(images[mine].to(place), labels[mine].to(place), count, slots, count, count), lr, number)
    weights, velocities = written(scheme, step)
    return weights | {f"velocity of {name}": tensor for name, tensor in velocities.items()}


def written(scheme: Scheme, step: FusedStep) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Whole weights and velocities, as a checkpoint has them."""
    scheme.assemble()
    whole = scheme.net.state_dict(), step.velocities()
    weights, velocities = ({name: tensor.detach().cpu().clone() for name, tensor in each.items()} for each in whole)
    return weights, velocities


def with_units(name: str, units: int) -> Lineage:
    """The small network with so many units in one fully connected layer."""
    rows = TINY.layers
    changed = (
        replace(row, out_features=units) if isinstance(row, Linear) and row.name == name else row for row in rows
    )
    return replace(TINY, layers=tuple(changed))


@pytest.mark.parametrize(("name", "is_fused"), [("fc6", True), ("fc7", False), ("fc8", True)])
def test_towers_that_cannot_be_halved_stay_on_plain_kernels(name: str, is_fused: bool) -> None:
    """The first and the third fully connected layer are cut by what they read."""
    net = AlexNet(with_units(name, 5))
    scheme, _ = make_scheme(net, Team(0, 2), Options("towers"), BATCH_SIZE, fused, in_float32)
    assert isinstance(scheme.module, FastNet) == is_fused


def test_a_tower_sends_what_it_must() -> None:
    """Kernels in place of the first layer's channels, maps beside the convolution that reads them, sums of features."""
    scheme, _ = make_scheme(AlexNet("bvlc"), Team(0, 2), Options("towers"), BATCH_SIZE, fused, in_float32)
    assert isinstance(scheme.module, FastNet)
    kinds = [type(stage).__name__ for stage in scheme.module.stages]
    assert kinds == [
        "FirstOfTower", "Convolution", "BorderTail", "BothHalves", "ActiveConvolution", "Convolution", "FusedTail",
        "Inputs", "OwnUnits", "Inputs",
    ]  # fmt: skip
    assert scheme.module.blocks == fused(AlexNet("bvlc")).blocks


def test_hybrid_is_not_chosen_for_batches_that_cannot_be_shared_equally() -> None:
    net = AlexNet("bvlc")
    chosen = [make_scheme(net, Team(0, 2), Options(), size, fused, in_float32)[0].name for size in (256, 254)]
    assert chosen == ["hybrid", "ddp"]


@pytest.mark.parametrize("kind", ["ddp", "towers", "hybrid"])
def test_a_step_is_gone_with_its_last_reference(kind: Kind) -> None:
    """NCCL's processes do not end while a graph with a message lives, and this one lives as long as its step."""
    _, step = begin(Team(0, 2), torch.device("cpu"), kind, is_overlapped=True)
    inner = ref(step._step)
    gc.disable()
    try:
        del step
        assert inner() is None
    finally:
        gc.enable()


@pytest.mark.skipif(torch.cuda.is_available(), reason="the kernels run on the GPU here")
@pytest.mark.parametrize(("kind", "size"), [("ddp", 2), ("towers", 2), ("hybrid", 4)])
def test_interpreted_steps_end_where_one_process_does(kind: Kind, size: int) -> None:
    batches = [8, 3]  # the second has fewer pictures than there may be processes, and comes after a stop
    (expected,) = together(1, learn, "cpu", batches)
    for found in together(size, learn, "cpu", batches, kind, 0.02, True, 1):
        assert distance(found, expected) < 2e-5


@pytest.mark.skipif(torch.cuda.is_available(), reason="the kernels run on the GPU here")
def test_towers_whose_norms_come_behind_their_pools() -> None:
    """As in caffenet: such a norm has no convolution's bias before it."""
    conv1, norm1, pool1, conv2, norm2, pool2, *rest = TINY.layers
    lineage = replace(TINY, layers=(conv1, pool1, norm1, conv2, pool2, norm2, *rest))
    (expected,) = together(1, learn, "cpu", [8], lineage=lineage)
    for found in together(2, learn, "cpu", [8], "towers", lineage=lineage):
        assert distance(found, expected) < 2e-5


@pytest.mark.gpu
@pytest.mark.parametrize("is_overlapped", [True, False], ids=["inside the graph", "between two graphs"])
@pytest.mark.parametrize("kind", ["ddp", "towers", "hybrid"])
def test_captured_steps_end_where_one_process_does(kind: Kind, is_overlapped: bool) -> None:
    """At a rate at which an input that another order of sums lets lose a pool's maximum changes one gradient only."""
    if torch.cuda.device_count() < 2:
        pytest.skip("two GPUs needed")
    batches = [8, 8, 8, 6, 8, 1, 8, 8]
    expected = learn(ALONE, "cuda", batches, lr=1e-5)
    for found in together(2, learn, "cuda", batches, kind, 1e-5, is_overlapped, on_gpus=True):
        assert distance(found, expected) < 5e-3
