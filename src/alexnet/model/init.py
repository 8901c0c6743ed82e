"""Initial weights, as each lineage's table says."""

from torch import Generator, nn

from alexnet.lineages.spec import Conv, Lineage, Linear, Local
from alexnet.model.layers import LocallyConnected2d

Weighted = nn.Conv2d | nn.Linear | LocallyConnected2d


def initialize(model: nn.Module, lineage: Lineage, generator: Generator | None = None) -> None:
    """Draw every weight of `model` anew: N(0, std) and constant biases per row of the table.

    `model` may be a part of the network; rows without a child of their name are passed over.
    """
    children = dict(model.named_children())
    for row in lineage.layers:
        if isinstance(row, Conv | Local | Linear) and row.name in children:
            initialize_layer(children[row.name], row, generator)


def initialize_layer(module: nn.Module, row: Conv | Local | Linear, generator: Generator | None = None) -> None:
    """Draw the weights of one layer. A row with `std=None` gets torch's own rule, uniform in +-1/sqrt(fan_in)."""
    assert isinstance(module, Weighted), module
    assert module.bias is not None, module
    if row.std is None:
        bound = module.weight[0].numel() ** -0.5
        nn.init.uniform_(module.weight, -bound, bound, generator=generator)
        nn.init.uniform_(module.bias, -bound, bound, generator=generator)
    else:
        nn.init.normal_(module.weight, 0.0, row.std, generator=generator)
        nn.init.constant_(module.bias, row.bias)
