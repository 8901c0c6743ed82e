"""What POST /v1/explain answers, computed from a decoded picture. No figure is drawn: clients do that.

C channels, F features, H rows, W columns, S the side of the centre view.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from PIL import Image

from alexnet.data.picture import to_square
from alexnet.errors import UsageError
from alexnet.inference import Classifier, Guess
from alexnet.inference.explain_layers import as_square, maps_facts
from alexnet.inference.explain_pictures import heat_facts
from alexnet.inference.explanation import asked_about, guesses_of
from alexnet.inference.gradcam import grad_cam, last_maps
from alexnet.inference.layers import layer_outputs, layer_shapes
from alexnet.inference.occlusion import occlusion_map
from alexnet.inference.squares import center_pixels, square_image
from alexnet.inference.view_guesses import guesses_of_views
from alexnet.model import build
from alexnet.serve.jobs import GoOn
from alexnet.serve.pixels import encoded, levels

Kind = Literal["heatmap", "occlusion", "maps", "views"]


@dataclass(frozen=True)
class Question:
    """What is asked of a picture; fields that a kind has no use for are left aside."""

    kind: Kind
    target: str | None
    index: int | None
    layers: tuple[str, ...]
    count: int


def twin(classifier: Classifier) -> Classifier:
    """The same network in modules of its own around the same tensors.

    Grad-CAM hooks into the modules that it asks: a prediction that went through them meanwhile would be mixed in.
    """
    model = build(classifier.model.lineage)
    model.load_state_dict(classifier.model.state_dict(), assign=True)
    return replace(classifier, model=model.eval())


def explained(classifier: Classifier, name: str, image: Image.Image, asked: Question, go_on: GoOn) -> dict[str, Any]:
    """Answer one question.

    Raises:
        UsageError: no such class or layer, or one without maps.
        MissingExtra: captum is not installed.
    """
    match asked.kind:
        case "views":
            answer = _views(classifier, image)
        case "maps":
            answer = _maps(classifier, name, image, asked.layers or (last_maps(classifier),), asked.count)
        case _:
            answer = _heat(classifier, image, asked, go_on)
    return {"kind": asked.kind, "image": name, **answer}


def _heat(classifier: Classifier, image: Image.Image, asked: Question, go_on: GoOn) -> dict[str, Any]:
    """A heat map over the centre view: the facts that the command tells, and (S, S) gray levels up to the hottest."""
    top = guesses_of(classifier, image)
    chosen = _class(classifier, asked, top)
    said: dict[str, Any] = {}
    if asked.kind == "heatmap":
        said["layer"] = asked.layers[0] if asked.layers else last_maps(classifier)
        heat = grad_cam(classifier, image, chosen.index, said["layer"])
    else:
        heat = occlusion_map(classifier, image, batch_size=16, target=chosen.index, progress=go_on)
    return {
        **said,
        **heat_facts(chosen, top, heat),
        "view": encoded(center_pixels(classifier.preprocessing, image)),
        "heat": encoded(levels(heat, 0, max(float(heat.max()), 0))),
    }


def _class(classifier: Classifier, asked: Question, top: Sequence[Guess]) -> Guess:
    """The class that is asked about. Names may be numbers of their own, or not unique: an index is always sure."""
    if asked.index is None:
        return asked_about(classifier, asked.target, top)
    count = classifier.lineage.num_classes
    if asked.index >= count:
        raise UsageError(f"there is no class {asked.index}. Name a number below {count}.")
    return Guess(asked.index, classifier.label(asked.index), float("nan"))


def _maps(
    classifier: Classifier, name: str, image: Image.Image, layers: Sequence[str], count: int
) -> dict[str, list[dict[str, Any]]]:
    """The strongest maps of each layer, one below the other on one scale."""
    layer_shapes(classifier, layers)
    outputs = layer_outputs(classifier, square_image(classifier.preprocessing, image), layers)
    return {
        "layers": [
            _tiles(name, layer, output[0].float().cpu().numpy(), count) for layer, output in outputs.items()
        ]
    }  # fmt: skip


def _tiles(name: str, layer: str, values: np.ndarray, count: int) -> dict[str, Any]:
    facts = maps_facts(name, layer, values, count)
    tiles = values[facts["maps"]] if values.ndim == 3 else as_square(values)[None]  # (count, H, W)
    low, high = float(np.nanmin(tiles)), float(np.nanmax(tiles))
    column = tiles.reshape(-1, tiles.shape[-1])  # (count * H, W)
    del facts["image"]
    return {**facts, "low": low, "high": high, "tiles": encoded(levels(column, low, high))}


def _views(classifier: Classifier, image: Image.Image) -> dict[str, Any]:
    """The square that views are cut from, where each is cut, and what the network thinks of it."""
    preprocessing = classifier.preprocessing
    return {
        "side": preprocessing.resize,
        "size": preprocessing.size,
        "square": encoded(to_square(image, preprocessing.resize, preprocessing.fit)),
        "views": [view.to_json() for view in guesses_of_views(classifier, image)],
    }
