# mypy: disable-error-code="import-untyped, no-untyped-call, arg-type, misc"
"""Compiles every kernel of a training step and of a prediction for a Hopper GPU, without one: nothing is run.

    python tests/fast/compiling.py bvlc

Prints a line for each form of a kernel that was compiled. The interpreter, which other tests use where there is no GPU,
takes for granted what the compiler does not: a name that is a constant, the type of a loop's variable.
"""

import sys
from typing import Any

import torch
import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction

from alexnet.fast import FastNet, border, lrn_pool
from alexnet.fast.graph import TrainStep
from alexnet.fast.optimizer import Update
from alexnet.fast.stages import plan
from alexnet.lineages.spec import Norm, Pool
from alexnet.model import AlexNet

HOPPER = GPUTarget("cuda", 90, 32)
TYPES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.int64: "i64", torch.uint8: "u8", torch.float16: "fp16"}
compiled: set[tuple[Any, ...]] = set()


def compile_only(kernel: Any, *args: Any, grid: Any, warmup: bool, **settings: Any) -> None:
    """Stands for JITFunction.run."""
    options = {name: settings.pop(name) for name in ("num_warps",) if name in settings}
    given = dict(zip(kernel.arg_names, args, strict=False)) | settings
    constants = {param.name: given[param.name] for param in kernel.params if param.is_constexpr}
    signature = {name: "constexpr" if name in constants else type_of(value) for name, value in given.items()}
    # As a launch would have it: what is divisible by 16 reads 16 bytes at a time.
    attributes = {
        (place,): [["tt.divisibility", 16]] for place, name in enumerate(given) if signature[name].startswith("*")
    }
    form = (kernel.__name__, *sorted(signature.items()), *sorted(map(str, constants.items())), *options.items())
    if form not in compiled:
        compiled.add(form)
        source = ASTSource(kernel, {name: signature[name] for name in kernel.arg_names}, constants, attributes)
        made = triton.compile(source, target=HOPPER, options=options)
        print(f"{kernel.__name__:18} {len(made.asm['cubin']):8,} bytes")


def type_of(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"*{TYPES[value.dtype]}"
    return "fp32" if isinstance(value, float) else "i32"


def step_and_predict(lineage: str, dtype: torch.dtype) -> None:
    net = AlexNet(lineage)
    stages = plan(net.lineage, net)
    assert stages is not None
    fast = FastNet(net.train(), stages, dtype, net.lineage)
    side = net.lineage.input.size
    images, labels = torch.zeros(2, 3, side, side), torch.zeros(2, dtype=torch.int64)
    updates = {name: Update() for name, _ in net.named_parameters()}
    TrainStep(fast, updates, batch_size=2, clip=1.0, label_smoothing=0.1)(images, labels, 0.1, 0)
    with torch.inference_mode():
        fast.eval()(images)


class Alone:
    """A tower whose neighbour is nobody: it hears what it says."""

    rank, size = 1, 2

    def start_gather(self, everyone: Tensor, mine: Tensor) -> "Alone":
        everyone.zero_()
        return self

    def wait(self) -> None:
        """There is nothing to wait for."""


def main() -> None:
    JITFunction.run = compile_only
    step_and_predict(sys.argv[1], torch.bfloat16)
    maps = torch.zeros(1, 48, 13, 7, dtype=torch.bfloat16).requires_grad_()
    tail = lrn_pool.Tail(48, "first", Norm("norm"), Pool("pool"))
    border.bordered(tail, maps, torch.zeros(48), Alone()).sum().backward()
    wide = torch.zeros(1, 48 + border.CHUNK, 13, 7, dtype=torch.bfloat16).requires_grad_()
    border.cropped(tail, wide, torch.zeros(48 + border.CHUNK), Alone()).sum().backward()
    lrn_pool.MANY_OUTPUTS = 0
    lrn_pool.fused(tail, (maps,), torch.zeros(48))[0].sum().backward()


if __name__ == "__main__":
    main()
