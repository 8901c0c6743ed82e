"""What no version beats: for each layer the slower of its arithmetic and its bytes, one layer after another."""

from math import prod

import torch

from alexnet.lineages import Lineage, totals, trace
from alexnet.lineages.spec import Norm, Pool

# H100 SXM, as measured: an 8192**3 bfloat16 product, and a large copy counting what is read and what is written.
FLOPS_PER_S, BYTES_PER_S = 790e12, 3.0e12
DEVICE = "H100"


def known_floor_ms(device: torch.device, lineage: Lineage, batch_size: int, is_training: bool) -> float | None:
    """The floor of this device; None where it was not computed for such a one."""
    is_known = device.type == "cuda" and DEVICE in torch.cuda.get_device_name(device)
    return floor_ms(lineage, batch_size, is_training) if is_known else None


def floor_ms(lineage: Lineage, batch_size: int, is_training: bool) -> float:
    """Milliseconds of a step, or of a prediction, on an H100.

    Maps and weights in bfloat16, pictures as bytes going in; a convolution with bias and ReLU is one pass, a norm with
    its pool another, which keeps a byte per output for the way back; the update moves 22 bytes a parameter.
    """
    rows, seconds = trace(lineage), 0.0
    for index, row in enumerate(rows):
        inputs, outputs = 2 * batch_size * prod(row.in_shape), 2 * batch_size * prod(row.out_shape)
        flops, weights = 2 * batch_size * row.macs, 2 * row.params
        if row.weights:
            is_first = index == 0
            read = inputs / 2 if is_first else inputs
            seconds += max(flops / FLOPS_PER_S, (read + weights + outputs) / BYTES_PER_S)
            passes = 1 if is_first else 2  # the pictures need no gradient
            moved = passes * (inputs + outputs) + (passes + 1) * weights
            seconds += is_training * max(passes * flops / FLOPS_PER_S, moved / BYTES_PER_S)
        is_alone = isinstance(row.layer, Norm) and not isinstance(rows[index + 1].layer, Pool)
        if is_alone or isinstance(row.layer, Pool):
            seconds += (inputs + outputs) / BYTES_PER_S + is_training * (2 * inputs + 1.5 * outputs) / BYTES_PER_S
    return 1e3 * (seconds + is_training * 22 * totals(rows).params / BYTES_PER_S)
