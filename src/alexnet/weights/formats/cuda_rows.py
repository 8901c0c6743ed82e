"""cuda-convnet's layers without weights in the words of our tables."""

from collections.abc import Iterator
from typing import Any

from alexnet.lineages.spec import Activation, Dropout, Layer, Norm, Pool, SpatialNorm
from alexnet.weights.raw import Damaged, NotAlexNet

DROPOUT = "hs"  # "hidden sex": keeps half of the units as they are, where ours keeps them doubled
DROPPED = ("data", "softmax", "concat")


def plain_row(layer: dict[str, Any], towers: int) -> Iterator[Layer]:
    """The row of a layer that has no weights; none for data, softmax and costs.

    Args:
        towers: into how many of these layers the channels are split.
    """
    kind, name = str(layer.get("type", "")), layer["name"]
    if kind in DROPPED or kind.startswith("cost"):
        return
    match kind:
        case "pool":
            method = "max" if layer.get("pool") == "max" else "avg"
            if layer.get("start", 0) != 0:
                raise NotAlexNet(f"{name[:80]!r} starts outside the picture")
            yield Pool(name, _number(layer, "sizeX"), _number(layer, "stride"), method)  # type: ignore[arg-type]
        case "cmrnorm":
            size = _number(layer, "size")
            # The scale in the file is divided by the size already; ours is what is divided.
            yield Norm(
                name, size, _float(layer, "minDiv", 1.0), _float(layer, "scale") * size, _float(layer, "pow"), towers
            )
        case "rnorm":
            size = _number(layer, "size")
            yield SpatialNorm(name, size, _float(layer, "scale") * size**2, _float(layer, "pow"))
        case "neuron":
            yield from _neuron(name, layer.get("neuron"))
        case "hs":
            yield Dropout(name)
        case _:
            raise NotAlexNet(f"a layer of type {kind[:80]!r}")


def _neuron(name: str, neuron: Any) -> Iterator[Layer]:
    kind = neuron.get("type") if isinstance(neuron, dict) else neuron
    if kind == "relu":
        yield Activation(name)
    elif kind == "dropout":  # DeCAF's, which rescales in training as ours does
        yield Dropout(name)
    elif kind not in ("ident", None):
        raise NotAlexNet(f"a neuron of type {str(kind)[:80]!r}")


def _float(layer: dict[str, Any], key: str, default: float | None = None) -> float:
    value = layer.get(key, default)
    if not isinstance(value, int | float):
        raise Damaged(f"{layer['name'][:80]!r} has no {key}")
    return float(value)


def _number(layer: dict[str, Any], key: str) -> int:
    value = layer.get(key)
    if not isinstance(value, int | float) or not 0 < value < 1000:
        raise Damaged(f"{layer['name'][:80]!r} has no {key}")
    return int(value)
