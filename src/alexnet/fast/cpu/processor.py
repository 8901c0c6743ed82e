"""What this processor and this build of torch can do, asked at run time: one wheel runs on many."""

import platform

import torch

NARROW, WIDE = 63, 127
"""Largest int8 weight. Without VNNI two products are added in 16 bits: 2 * 255 * 63 fits, 2 * 255 * 127 does not."""


def has_onednn() -> bool:
    """Whether layers can keep their weights in oneDNN's own layout."""
    is_built: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return is_built and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


def has_bfloat16() -> bool:
    """Whether bfloat16 is arithmetic here. Elsewhere it is emulated, many times slower than float32."""
    if not has_onednn():
        return False
    if not is_x86():
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return has_avx512() and bool(torch.cpu._is_avx512_bf16_supported())


def has_int8() -> bool:
    """Whether int8 layers are fast here."""
    return has_onednn() and is_x86() and hasattr(torch.ops.onednn, "qconv_pointwise")


def largest_weight() -> int:
    """The largest int8 weight whose products add up without overflow."""
    return WIDE if has_avx512() and torch.cpu._is_vnni_supported() else NARROW


def is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


def has_avx512() -> bool:
    """As torch sees it, so that ATEN_CPU_CAPABILITY counts."""
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512")
