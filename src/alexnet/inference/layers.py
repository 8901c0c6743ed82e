"""What any layer of a network makes of pictures.

B images, S stored side, D features: all numbers of a layer's output, channel by channel, row by row.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from alexnet.data.views import center_view
from alexnet.errors import UsageError
from alexnet.lineages import trace

if TYPE_CHECKING:
    from alexnet.inference.classifier import Classifier


def layer_shapes(classifier: "Classifier", layers: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The shape of each layer's output for one picture, in the order of `layers`.

    Raises:
        UsageError: no layer is called so, one is named twice, or none is named.
    """
    if not layers or len(set(layers)) < len(layers):
        raise UsageError(f"layers are {', '.join(layers) or 'missing'}; name each once, and at least one.")
    shapes = {row.layer.name: row.out_shape for row in trace(classifier.lineage, classifier.preprocessing.size)}
    for name in layers:
        classifier.model.tap(name)  # lists the names where it has none called so
    return {name: shapes[name] for name in layers}


@torch.inference_mode()
def layer_outputs(classifier: "Classifier", images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """The outputs of `layers` for the centre view of square pictures, in one pass that ends at the deepest.

    A layer's output is taken behind its activation: fc7 is the rectified one. fc8, the last, has none: its logits.

    Args:
        classifier: see `load`.
        images: (B, 3, S, S) uint8 RGB.
        layers: names of rows of the lineage's table, such as conv5, pool5, fc7.

    Returns:
        (B, C, H, W) of layers that have maps, (B, F) of the others, in the order of `layers`.

    Raises:
        UsageError: no layer is called so; lists the names.
    """
    size = classifier.preprocessing.size
    x = classifier.preprocessing.views(images.to(classifier.device), lambda pictures: center_view(pictures, size))
    taps = {name: classifier.model.tap(name) for name in layers}
    children = list(classifier.model.named_children())
    last = max(index for index, (child, _) in enumerate(children) if child in taps.values())
    found: dict[str, Tensor] = {}
    with at_rest(classifier.model):
        for child, module in islice(children, last + 1):
            x = module(x)
            if child in taps.values():
                found[child] = x
    return {name: found[child] for name, child in taps.items()}


@contextmanager
def at_rest(model: nn.Module) -> Iterator[None]:
    """Put every layer into evaluation mode for a while, and each back into the mode that it had."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
