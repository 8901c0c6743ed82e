"""What the programs that made a kind of file took for granted, and its files do not say."""

from torch import Tensor

from alexnet.lineages import weighted
from alexnet.lineages.spec import Order
from alexnet.weights.formats.safetensors import plain
from alexnet.weights.raw import Fact
from alexnet.weights.weights import Weights

# Caffe fed OpenCV's planes; its offspring keep to that whatever net they hold.
ORDERS: dict[str, tuple[Order, str]] = {
    "caffemodel": ("BGR", "Caffe's convention"),
    "npy": ("BGR", "caffe-tensorflow's convention"),
    "mat": ("RGB", "MatConvNet's convention"),
}


def convention(format: str) -> dict[str, Fact]:
    """Order and range that files of a format are fed in; {} where that depends on the lineage."""
    if format not in ORDERS:
        return {}
    order, source = ORDERS[format]
    return {"order": Fact(order, source), "range": Fact(255, source)}


def for_convention(weights: Weights, format: str) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors as users of a format will feed them, and what the format cannot say about the rest.

    The input planes of the first layer are reversed where the format, or the lineage, expects the other order of
    colours: the file then computes the same, fed as its users feed it.
    """
    held, lost = plain(weights.tensors), []
    layers = weighted(weights.lineage)
    # In the order of work, whatever order they were loaded in.
    tensors = {f"{layer}.{kind}": held[f"{layer}.{kind}"] for layer in layers for kind in ("weight", "bias")}
    expected = ORDERS[format][0] if format in ORDERS else weights.lineage.input.order
    if expected != weights.preprocessing.order and weights.lineage.in_channels == 3:
        first = f"{layers[0]}.weight"
        tensors[first] = tensors[first].flip(1)
        lost.append(f"the order {weights.preprocessing.order}: the planes of {first} are turned, so feed it {expected}")
    return tensors, lost + lost_facts(weights, format)


def lost_facts(weights: Weights, format: str) -> list[str]:
    """What a file without a description of its own does not hold."""
    lost = []
    if weights.labels:
        lost.append(f"the names of the {len(weights.labels)} classes")
    preprocessing = weights.preprocessing
    if preprocessing.mean_image is not None:
        lost.append("the mean image")
    if not isinstance(weights.lineage.input.mean, tuple):
        lost.append(f"the mean that is subtracted, {tuple(round(value, 3) for value in preprocessing.mean)} (RGB)")
    if preprocessing.range != weights.lineage.input.range or preprocessing.std != weights.lineage.input.std:
        lost.append(f"the range 0..{preprocessing.range} and the spread {preprocessing.std}")
    if preprocessing.detail is not None:
        lost.append(f"that sharper pictures are brought to {preprocessing.detail}x{preprocessing.detail} first")
    if format in ("npy", "pth"):
        changes = ", ".join(f"{key}={value}" for key, value in weights.lineage.changes)
        lost.append(
            f"the lineage: load it with --lineage {weights.lineage.name}" + (f" ({changes})" if changes else "")
        )
    return lost
