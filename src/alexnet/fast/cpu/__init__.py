"""The same network on a CPU: weights laid out once for oneDNN, norms without powers, bfloat16 and int8 where asked."""

from alexnet.fast.cpu.net import CpuNet, accelerate_on_cpu

__all__ = ["CpuNet", "accelerate_on_cpu"]
