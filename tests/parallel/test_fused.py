"""The fused step on several processes: in Triton's interpreter over gloo, on GPUs captured over NCCL."""

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
from alexnet.train.fused import FusedStep
from alexnet.train.initial import fresh_network
from alexnet.train.settings import resolve_training
from alexnet.train.stage import Examples
from parallel.lessons import distance
from parallel.processes import together

pytest.importorskip("triton")
BATCH_SIZE = 8


def fused(net: AlexNet) -> FastNet:
    stages = plan(net.lineage, net)
    assert stages is not None
    return FastNet(net, stages, torch.float32)


def learn(team: Team, device: str, batches: list[int], is_overlapped: bool) -> dict[str, Tensor]:
    """Weights and velocities after a step for each batch of so many pictures, with dropout and clipping."""
    place = torch.device(device, team.rank) if device == "cuda" else torch.device(device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    recipe = resolve_training({"lineage": "tiny", "batch_size": BATCH_SIZE, "clip": 0.5}, find("tiny"))
    net = fresh_network(find("tiny"), recipe).to(place)
    scheme, _ = make_scheme(net, team, Options("ddp", wire="float32"), BATCH_SIZE, fused)
    scheme.module.train()
    step = FusedStep(scheme, frozenset(), recipe, BATCH_SIZE, {}, is_overlapped=is_overlapped)
    noise = torch.Generator().manual_seed(1)
    for number, count in enumerate(batches):
        images, labels = torch.randn(count, 3, 67, 67, generator=noise), torch.randint(0, 10, (count,), generator=noise)
        mine = share_of_batch(count, *scheme.part)
        slots = torch.arange(mine.start, mine.stop)
        step(Examples(images[mine].to(place), labels[mine].to(place), count, slots, count, count), 0.02, number)
    moved = {f"velocity of {name}": tensor.cpu() for name, tensor in step.velocities().items()}
    return {name: tensor.detach().cpu() for name, tensor in net.state_dict().items()} | moved


@pytest.mark.skipif(torch.cuda.is_available(), reason="the kernels run on the GPU here")
def test_interpreted_steps_end_where_one_process_does() -> None:
    batches = [8, 3]  # the second has fewer pictures than there are processes
    (expected,) = together(1, learn, "cpu", batches, True)
    for found in together(4, learn, "cpu", batches, True):
        assert distance(found, expected) < 2e-5


@pytest.mark.gpu
@pytest.mark.parametrize("is_overlapped", [True, False], ids=["inside the graph", "between two graphs"])
def test_captured_steps_end_where_one_process_does(is_overlapped: bool) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("two GPUs needed")
    batches = [8, 8, 8, 6, 8, 1, 8, 8]
    expected = learn(ALONE, "cuda", batches, True)
    for found in together(2, learn, "cuda", batches, is_overlapped, on_gpus=True):
        assert distance(found, expected) < 1e-3
