"""The compiled norm and pooling is that of the plain network, and nobody notices where it cannot be compiled."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from alexnet.fast.cpu.compiled import Compiled, compiler, make
from alexnet.fast.cpu.integers import Range
from alexnet.fast.cpu.norm import ResponseNorm
from alexnet.fast.cpu.norm_pool import OPERATOR, MaxPool, NormPool
from alexnet.model.layers import LocalResponseNorm
from oracles.compiler import has_compiler
from oracles.lively import relative_error

needs_compiler = pytest.mark.skipif(not has_compiler(), reason="no C compiler")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path))
    return tmp_path


def maps_of(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    """Maps (B, C, H, W) in channels_last with some zeros, of numbers that make alpha and k matter alike."""
    maps = (torch.randn(shape, generator=torch.Generator().manual_seed(0)) + 0.5).relu() * 100
    return maps.to(dtype, memory_format=torch.channels_last)


def step_of(norm: LocalResponseNorm | None, pool: nn.MaxPool2d | None, first: bool, operator: Compiled) -> NormPool:
    return NormPool(ResponseNorm(norm) if norm else None, MaxPool(pool) if pool else None, first, operator=operator)


def plain(step: NormPool, maps: Tensor) -> Tensor:
    """What the plain network's layers make of the same numbers."""
    layers = [each.layer for each in (step.norm, step.pool) if each]
    result: Tensor = nn.Sequential(*layers[:: -1 if step.pools_first else 1])(maps)
    return result


NORM, POOL = LocalResponseNorm(5, 1e-4, 0.75, 1.0), nn.MaxPool2d(3, 2, ceil_mode=True)
CASES = {
    "norm and pool": (NORM, POOL, False, (2, 96, 13, 13)),
    "pool and norm": (NORM, POOL, True, (2, 96, 13, 13)),
    "norm alone": (NORM, None, False, (2, 96, 5, 7)),
    "pool alone": (None, POOL, False, (2, 96, 13, 13)),
    "a tower each": (LocalResponseNorm(5, 1e-3, 0.75, 2.0, groups=2), POOL, False, (3, 96, 9, 9)),
    "three towers of odd channels": (LocalResponseNorm(3, 1e-3, 0.75, 2.0, groups=3), POOL, True, (1, 21, 9, 9)),
    "a window of 1": (LocalResponseNorm(1, 1e-4, 0.75, 1.0), POOL, False, (1, 5, 9, 9)),
    "a wide window": (LocalResponseNorm(11, 1e-2, 0.75, 0.5), POOL, False, (1, 40, 9, 9)),
    "a window wider than the channels": (LocalResponseNorm(9, 1e-3, 0.75, 1.0), POOL, False, (1, 3, 9, 9)),
    "one channel": (NORM, POOL, False, (2, 1, 9, 9)),
    "sides that windows hang over": (NORM, POOL, False, (2, 7, 12, 10)),
    "the same, rounded down": (NORM, nn.MaxPool2d(3, 2), False, (2, 7, 12, 10)),
    "windows that do not overlap": (NORM, nn.MaxPool2d(2, 2, ceil_mode=True), False, (2, 17, 11, 9)),
    "windows apart": (NORM, nn.MaxPool2d(2, 3, ceil_mode=True), False, (2, 17, 12, 9)),
    "windows side by side": (NORM, nn.MaxPool2d(5, 1), False, (2, 17, 11, 9)),
    "a map of one window": (NORM, POOL, False, (1, 8, 3, 3)),
    "many pictures": (NORM, POOL, False, (33, 4, 5, 5)),
    "no pictures": (NORM, POOL, False, (0, 4, 5, 5)),
}


@needs_compiler
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("threads", [1, 3])
def test_it_is_the_plain_networks(operator: Compiled, case: str, threads: int) -> None:
    norm, pool, first, shape = CASES[case]
    step, before = step_of(norm, pool, first, operator), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for dtype, unit in ((torch.float32, 4e-7), (torch.bfloat16, 2**-8)):  # rounded once: half of the last digit
            maps = maps_of(shape, dtype)
            found, expected = step(maps), plain(step, maps.double())
            assert found.dtype == dtype
            assert found.shape == expected.shape
            assert ((found.double() - expected).abs() <= 1.01 * unit * expected.abs()).all()
    finally:
        torch.set_num_threads(before)


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("first", [False, True])
def test_nan_and_infinity_are_torchs(operator: Compiled, dtype: torch.dtype, first: bool) -> None:
    step, maps = step_of(NORM, POOL, first, operator), maps_of((2, 16, 13, 13), dtype)
    maps[0, 3, 4, 5] = maps[1, 15, 12, 12] = torch.nan
    maps[0, 8, 8, 8] = torch.inf
    maps[1, 0, 0, 0] = -torch.inf
    maps[1, :, 5:8, 5:8] = -torch.inf
    maps[0, 12, 2, 9] = 1e30  # whose square is infinite in float32 only
    expected = plain(step, maps.float())
    assert 8 < expected.isnan().sum() < 300
    torch.testing.assert_close(step(maps).float(), expected, rtol=2**-8, atol=0, equal_nan=True)


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("norm", [NORM, None])
def test_integers_are_the_nearest(operator: Compiled, dtype: torch.dtype, norm: LocalResponseNorm | None) -> None:
    step, maps = step_of(norm, POOL, False, operator), maps_of((2, 19, 13, 13), dtype) - 120
    outputs = Range.of(-40, 80)  # some lie outside
    found, expected = replace(step, outputs=outputs)(maps), plain(step, maps.double()) / outputs.scale + outputs.zero
    assert found.dtype == torch.uint8
    assert ((found - expected.clamp(0, 255)).abs() <= 0.50001).all()
    assert {0, 255} <= set(found.flatten().tolist())


@needs_compiler
def test_maps_in_any_layout_stay_as_they_are(operator: Compiled) -> None:
    step, maps = step_of(NORM, POOL, False, operator), maps_of((2, 6, 9, 9)).contiguous()
    for each in (maps, maps.to(memory_format=torch.channels_last), maps[:, ::2, 1:, ::2]):
        before = each.clone()
        assert relative_error(step(each), plain(step, each.double())) <= 4e-7
        assert torch.equal(each, before)


@needs_compiler
@pytest.mark.parametrize(("norm", "maps"), [
    (LocalResponseNorm(5, 1e-4, 0.5, 1.0), maps_of((1, 8, 9, 9))),  # another power
    (NORM, maps_of((1, 8, 2, 9))),  # lower than a window
    (NORM, maps_of((1, 8, 9, 9), torch.float64)),
])  # fmt: skip
def test_what_it_does_not_know_torch_does(operator: Compiled, norm: LocalResponseNorm, maps: Tensor) -> None:
    step = step_of(norm, POOL, False, operator)
    assert relative_error(step(maps), plain(step, maps.double())) <= 4e-7


# ------------------------------------------------------------------------------------------------ compiling


def test_without_a_compiler_torch_does_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.delenv("CC", raising=False)
    missing = Compiled(OPERATOR.source)
    missing.compile()
    assert missing.function is None
    assert "no C compiler" in missing.reason or sys.platform != "linux"
    step, maps = step_of(NORM, POOL, False, missing), maps_of((2, 16, 13, 13))
    assert relative_error(step(maps), plain(step, maps.double())) <= 4e-7


@needs_compiler
@pytest.mark.parametrize(("words", "said"), [
    ("cc -include nowhere.h", "nowhere.h"), ("false", "false: failed"), ("no-such-compiler", "no-such-compiler"),
    ("cc 'oops", "quotation"),
])  # fmt: skip
def test_a_compiler_that_fails_is_quoted(home: Path, monkeypatch: pytest.MonkeyPatch, words: str, said: str) -> None:
    monkeypatch.setenv("CC", words.replace("cc", compiler()[0], 1) if words.startswith("cc") else words)
    failing = Compiled(OPERATOR.source)
    failing.compile()
    assert failing.function is None
    assert said in failing.reason
    assert not list(home.rglob("*.so"))


@needs_compiler
def test_a_cache_that_cannot_be_written_to_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("ALEXNET_HOME", str(file))
    homeless = Compiled(OPERATOR.source)
    homeless.compile()
    assert homeless.function is None
    assert str(file) in homeless.reason


@needs_compiler
@pytest.mark.parametrize("damage", [
    lambda code: b"", lambda code: code[: len(code) // 2], lambda code: code[:-1], lambda code: b"?" + code[1:],
    lambda code: code[:9000] + b"?" + code[9001:],
])  # fmt: skip
def test_a_damaged_library_is_made_anew_and_never_loaded(home: Path, damage: Callable[[bytes], bytes]) -> None:
    file = Compiled(OPERATOR.source).place()
    make(OPERATOR.source, file)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    again = Compiled(OPERATOR.source)
    assert again.find() is None
    again.compile()
    assert again.function is not None, again.reason
    assert file.read_bytes() == whole


@needs_compiler
def test_a_library_that_others_may_write_to_is_made_anew(home: Path) -> None:
    file = Compiled(OPERATOR.source).place()
    make(OPERATOR.source, file)
    file.chmod(0o722)
    careful = Compiled(OPERATOR.source)
    assert careful.find() is None
    assert str(file) in careful.reason
    careful.compile()
    assert careful.function is not None, careful.reason
    assert not file.stat().st_mode & 0o022


def run_python(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})


@needs_compiler
def test_processes_that_compile_at_once_all_succeed(home: Path) -> None:
    code = "from fast.test_norm_pool import OPERATOR; OPERATOR.compile(); assert OPERATOR.function, OPERATOR.reason"
    processes = [run_python(code) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(list((home / "compiled").iterdir())) == 1


@needs_compiler
def test_its_threads_are_those_of_torch(home: Path) -> None:
    code = """
import torch
from pathlib import Path
from fast.test_norm_pool import *
def threads(): return len(list(Path("/proc/self/task").iterdir()))
OPERATOR.compile()
maps = maps_of((4, 96, 55, 55))
torch.set_num_threads(3)
first = threads()
POOL(maps)
before = threads()
step_of(NORM, POOL, False, OPERATOR)(maps)
assert OPERATOR.function is not None and threads() == before >= first + 2
"""
    assert run_python(code).wait() == 0


@needs_compiler
def test_only_a_process_that_goes_on_compiles(home: Path) -> None:
    code = """
from fast.test_cpu import *
from alexnet.fast.cpu.compiled import WORTH
from alexnet.fast.cpu.norm_pool import OPERATOR
net, images = lively_net("tiny"), pictures(WORTH)
fast, expected = accelerate(net), exact(net, images)
assert relative_error(logits(fast, images), expected) <= 1e-5 and OPERATOR.function is None
assert relative_error(logits(fast, images), expected) <= 1e-5 and OPERATOR.function is not None
"""
    assert run_python(code).wait() == 0
    later = "from alexnet.fast.cpu.operators import OPERATORS; assert all(each.find() for each in OPERATORS)"
    assert run_python(later).wait() == 0
