"""The cost model against figures that were computed or measured elsewhere."""

import pytest

from alexnet.lineages import find
from alexnet.model import AlexNet
from alexnet.parallel.choose import choose
from alexnet.parallel.predict import Work, machine, predictions

BVLC, H100 = find("bvlc"), machine("cuda")


@pytest.mark.parametrize(("batch_size", "images_per_s"), [(1024, 80_810), (128, 49_686)])
def test_one_gpu_takes_what_was_measured(batch_size: int, images_per_s: int) -> None:
    assert Work(BVLC, H100).ddp(batch_size, 1, is_fused=True).images_per_s == pytest.approx(images_per_s, rel=0.01)


@pytest.mark.parametrize(("size", "megabytes"), [(2, 121.9), (4, 182.9), (8, 213.4)])
def test_data_parallel_sends_two_rings_of_gradients(size: int, megabytes: float) -> None:
    assert Work(BVLC, H100).ddp(1024, size, is_fused=True).sent_bytes / 1e6 == pytest.approx(megabytes, rel=0.001)


@pytest.mark.parametrize(("size", "batch_size", "megabytes"), [(2, 128, 9), (2, 1024, 40), (8, 1024, 71)])
def test_hybrid_sends_features_and_few_gradients(size: int, batch_size: int, megabytes: float) -> None:
    # 69.6 kB a picture each way and rank, and the convolutions' gradients; here fc8's outputs come on top.
    assert Work(BVLC, H100).hybrid(batch_size, size).sent_bytes / 1e6 == pytest.approx(megabytes, rel=0.04)


@pytest.mark.parametrize(("size", "batch_size", "megabytes"), [(2, 128, 16.28), (2, 256, 19.69), (4, 1024, 60.2)])
def test_shared_units_send_less(size: int, batch_size: int, megabytes: float) -> None:
    # Counted by `benchmarks/parallel.py` on GPUs: here without slots and the norm of the gradient.
    assert Work(BVLC, H100).shared(batch_size, size).sent_bytes / 1e6 == pytest.approx(megabytes, rel=0.01)


@pytest.mark.parametrize(("size", "batch_size", "scheme", "ms"), [
    (2, 128, "hybrid", 1.832), (2, 128, "ddp", 2.235), (2, 128, "towers", 2.171), (2, 256, "hybrid", 2.590),
    (2, 256, "ddp", 2.849), (4, 1024, "hybrid", 4.125), (4, 1024, "ddp", 4.364), (4, 4096, "ddp", 13.34),
])  # fmt: skip
def test_steps_on_two_and_four_gpus_take_what_was_measured(size: int, batch_size: int, scheme: str, ms: float) -> None:
    found = {each.scheme: each.step_s for each in predictions(BVLC, batch_size, size, H100, is_fused=True)}
    assert 1e3 * found[scheme] == pytest.approx(ms, rel=0.07)  # type: ignore[index]


def test_towers_send_half_of_what_four_layers_see() -> None:
    inside = find("chm")  # conv3, fc6, fc7, fc8 alone: 121 kB a picture, and half of the logits
    sent = Work(inside, H100).towers(128, is_fused=False).sent_bytes / 128
    assert sent == pytest.approx(2 * 2 * (256 * 13 * 13 + 9216 + 4096 + 4096) / 2 + 2 * 500)


def test_towers_are_offered_to_two_processes_and_grouped_networks_only() -> None:
    def offered(lineage: str, size: int) -> set[str]:
        return {each.scheme for each in predictions(find(lineage), 256, size, H100, is_fused=True)}

    assert offered("bvlc", 2) == {"ddp", "ddp, sharded optimizer", "hybrid", "towers"}
    assert "towers" not in offered("bvlc", 4) | offered("owt", 2)
    assert offered("bvlc", 1) == {"one process"}


def test_slow_messages_favour_the_scheme_that_sends_less() -> None:
    from dataclasses import replace

    slow = replace(H100, send=1e9)
    first = predictions(BVLC, 128, 2, slow, is_fused=False)[0]
    assert first.scheme in ("hybrid", "towers")
    assert first.sent_bytes < Work(BVLC, slow).ddp(128, 2, is_fused=False).sent_bytes / 5


def test_the_choice_says_why() -> None:
    net = AlexNet("tiny")
    kind, reason = choose(net, 16, 2, net)
    assert kind in ("ddp", "hybrid", "towers")
    assert reason.startswith(f"predicted {kind}")
    assert "for a batch of 16" in reason


def test_what_was_not_run_is_named() -> None:
    assert "host_send" in H100.not_run
    assert "fused_conv" not in H100.not_run
