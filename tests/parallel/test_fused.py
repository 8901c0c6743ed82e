"""The fused step on several processes: in Triton's interpreter over gloo, on GPUs captured over NCCL."""

from typing import Literal

import pytest
import torch
from torch import Tensor

from alexnet.data.loader import share_of_batch
from alexnet.fast import FastNet
from alexnet.fast.stages import plan
from alexnet.lineages import find
from alexnet.model import AlexNet
from alexnet.parallel.choose import Options, make_scheme
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
Kind = Literal["ddp", "towers", "hybrid"]


def fused(net: AlexNet) -> FastNet:
    stages = plan(net.lineage, net)
    assert stages is not None
    return FastNet(net, stages, torch.float32, net.lineage)


def learn(
    team: Team, device: str, batches: list[int], kind: Kind = "ddp", lr: float = 0.02, is_overlapped: bool = True
) -> dict[str, Tensor]:
    """Weights and velocities after a step for each batch of so many pictures, with dropout and clipping."""
    place = torch.device(device, team.rank) if device == "cuda" else torch.device(device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    recipe = resolve_training({"lineage": "tiny", "batch_size": BATCH_SIZE, "clip": 0.5}, find("tiny"))
    net = fresh_network(find("tiny"), recipe).to(place)
    options = Options(kind, wire="float32")
    scheme, _ = make_scheme(net, team, options, BATCH_SIZE, fused, lambda part: fused_part(part, torch.float32))
    assert isinstance(scheme.module, FastNet)
    scheme.module.train()
    step = FusedStep(scheme, frozenset(), recipe, BATCH_SIZE, {}, is_overlapped=is_overlapped)
    noise = torch.Generator().manual_seed(1)
    for number, count in enumerate(batches):
        images, labels = torch.randn(count, 3, 67, 67, generator=noise), torch.randint(0, 10, (count,), generator=noise)
        mine = share_of_batch(count, *scheme.part)
        slots = torch.arange(mine.start, mine.stop)
        step(Examples(images[mine].to(place), labels[mine].to(place), count, slots, count, count), lr, number)
    scheme.assemble()
    moved = {f"velocity of {name}": tensor.cpu() for name, tensor in step.velocities().items()}
    return {name: tensor.detach().cpu() for name, tensor in net.state_dict().items()} | moved


@pytest.mark.skipif(torch.cuda.is_available(), reason="the kernels run on the GPU here")
@pytest.mark.parametrize(("kind", "size"), [("ddp", 4), ("towers", 2), ("hybrid", 4)])
def test_interpreted_steps_end_where_one_process_does(kind: Kind, size: int) -> None:
    batches = [8, 3]  # the second has fewer pictures than there may be processes
    (expected,) = together(1, learn, "cpu", batches)
    for found in together(size, learn, "cpu", batches, kind):
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
