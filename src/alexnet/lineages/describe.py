"""A row of a lineage's table in words and numbers, for programs."""

from typing import Any

from alexnet.lineages.spec import Activation, AdaptivePool, Conv, Dropout, Layer, Linear, Local, Norm, Pool, SpatialNorm
from alexnet.lineages.trace import Row

WORDS: dict[type[Layer], str] = {
    Conv: "conv", Local: "local", Norm: "LRN", SpatialNorm: "spatial LRN", Pool: "pool", AdaptivePool: "avg pool",
    Activation: "activation", Linear: "fc", Dropout: "dropout",
}  # fmt: skip
SETTINGS = ("kernel_size", "stride", "padding", "groups")


def layer_facts(row: Row) -> dict[str, Any]:
    """One row at work as JSON: name, kind, shapes without the batch axis, counts, and the settings that it has."""
    settings = {name: getattr(row.layer, name) for name in SETTINGS if hasattr(row.layer, name)}
    return {
        "name": row.layer.name,
        "kind": WORDS[type(row.layer)],
        "in_shape": list(row.in_shape),
        "out_shape": list(row.out_shape),
        "params": row.params,
        "macs": row.macs,
        **settings,
    }
