"""The first layer's kernels, and what any layer makes of a picture, as figures."""

from typing import Any

import numpy as np

from alexnet.errors import UsageError
from alexnet.inference.classifier import Classifier
from alexnet.inference.colour_share import first_layer_towers
from alexnet.inference.explanation import Explanation, one_picture
from alexnet.inference.figures import kernels_figure, maps_figure
from alexnet.inference.filters import kernel_tones, tile_kernels
from alexnet.inference.gradcam import last_maps
from alexnet.inference.layers import layer_outputs
from alexnet.inference.sources import Source
from alexnet.inference.squares import center_pixels, square_image

MAPS_SHOWN = 24
COLUMNS_OF_KERNELS = 12


def explain_filters(classifier: Classifier) -> Explanation:
    """The first layer's kernels, tower by tower, and how much of them is colour: the paper's figure 3."""
    towers, facts = first_layer_towers(classifier), filters_facts(classifier)
    tones = kernel_tones(classifier)
    columns = min(COLUMNS_OF_KERNELS, len(towers[0].kernels))
    tiles = [tile_kernels(tones[tower.first :][: len(tower.kernels)], columns, scale=4) for tower in towers]
    name, side = facts["layer"], tones.shape[1]
    title = f"{classifier.lineage.name}: the {len(tones)} kernels of {name}, {side}x{side}"
    kernels = np.concatenate([tower.kernels for tower in towers])
    return Explanation("filters", kernels_figure(title, towers, tiles), kernels, facts)


def explain_maps(
    classifier: Classifier, picture: Source, layer: str | None = None, count: int = MAPS_SHOWN
) -> Explanation:
    """What a layer makes of a picture: its strongest maps by mean absolute value, or all its numbers as one square.

    Args:
        classifier: see `load`.
        picture: a file, its bytes, or an opened picture.
        layer: name of a row of the lineage's table; None is the last convolution.
        count: maps to show.

    Raises:
        UsageError: no such layer, or no map is to be shown.
    """
    if count < 1:
        raise UsageError(f"maps is {count}; show at least one.")
    name, image = one_picture(picture)
    layer = layer or last_maps(classifier)
    output = layer_outputs(classifier, square_image(classifier.preprocessing, image), [layer])[layer][0]
    values = output.float().cpu().numpy()
    facts = maps_facts(name, layer, values, count)
    order, zeros = facts["maps"], facts["zeros"]
    if values.ndim == 1:
        maps, names, title = as_square(values)[None], [f"{len(values):,} numbers, row by row"], f"{layer} of {name}"
    else:
        maps, names = values[order], [str(index) for index in order]
        shown = f"the {len(order)} strongest" if len(order) < len(values) else "all"
        title = f"{layer} of {name}: {shown} of {len(values)} maps, {values.shape[1]}x{values.shape[2]}"
    view = center_pixels(classifier.preprocessing, image)
    figure = maps_figure(title, view, maps, names, f"activation ({zeros:.0%} of the layer is 0)")
    return Explanation("maps", figure, values, facts)


def filters_facts(classifier: Classifier) -> dict[str, Any]:
    """What `explain filters --json` tells of the first layer's kernels."""
    towers = [tower.to_json() for tower in first_layer_towers(classifier)]
    return {"layer": classifier.lineage.layers[0].name, "towers": towers}


def maps_facts(image: str, layer: str, values: np.ndarray, count: int) -> dict[str, Any]:
    """What `explain maps --json` tells of a layer's output, (C, H, W) or (F,)."""
    zeros = float((values == 0).mean())
    return {
        "image": image, "layer": layer, "shape": list(values.shape), "maps": strongest(values, count), "zeros": zeros,
    }  # fmt: skip


def strongest(values: np.ndarray, count: int) -> list[int]:
    """The maps (C, H, W) of the largest mean absolute value, that first; none of (F,)."""
    if values.ndim == 1:
        return []
    order: list[int] = np.argsort(-np.abs(values).mean(axis=(1, 2)), kind="stable")[:count].tolist()
    return order


def as_square(values: np.ndarray) -> np.ndarray:
    """Numbers (F,) row by row in the smallest square that holds them; what is left over is NaN, and stays white."""
    side = int(np.ceil(np.sqrt(len(values))))
    square = np.full(side * side, np.nan, np.float32)
    square[: len(values)] = values
    return square.reshape(side, -1)
