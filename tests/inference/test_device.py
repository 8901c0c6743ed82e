from collections.abc import Callable

import pytest
import torch

from alexnet.errors import UsageError
from alexnet.inference import resolve_device
from alexnet.inference.device import visible_gpus

HAS_CUDA = torch.cuda.is_available()


def test_auto_is_a_device_that_computes() -> None:
    assert float(torch.ones(2, device=resolve_device("auto")).sum()) == 2


def test_cpu_is_always_there() -> None:
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "CUDA"])
def test_a_name_that_is_no_device_lists_those_there_are(name: str) -> None:
    with pytest.raises(UsageError, match=r"Expected auto, cpu, cuda, cuda:N"):
        resolve_device(name)


@pytest.mark.skipif(HAS_CUDA, reason="there is a CUDA device")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_cuda_without_a_card_says_why_and_what_to_use(name: str) -> None:
    with pytest.raises(UsageError, match=f"device {name} is not here: .*CUDA.* Use --device cpu or auto"):
        resolve_device(name)


@pytest.mark.parametrize(
    ("named", "gpus"), [("", []), ("1", ["1"]), ("2, 0", ["2", "0"]), ("0,-1,1", ["0"]), ("-1", [])]
)
def test_gpus_are_those_that_the_variable_names(monkeypatch: pytest.MonkeyPatch, named: str, gpus: list[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == gpus


@pytest.mark.parametrize("ask", [visible_gpus, resolve_device], ids=["visible_gpus", "resolve_device"])
def test_a_card_named_twice_is_refused(monkeypatch: pytest.MonkeyPatch, ask: Callable[[], object]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,0")
    with pytest.raises(UsageError, match="'0,1,0' and names a GPU twice"):
        ask()


@pytest.mark.gpu
def test_a_card_beyond_the_last_is_refused_and_the_first_is_given() -> None:
    assert resolve_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(UsageError, match="this machine has cuda:0 to cuda:"):
        resolve_device(f"cuda:{torch.cuda.device_count()}")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is an MPS device")
def test_mps_elsewhere_than_on_a_mac_is_refused() -> None:
    with pytest.raises(UsageError, match="device mps is Apple's"):
        resolve_device("mps")
