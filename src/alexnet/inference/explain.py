"""What a network does, as figures: its kernels, the maps of a layer, where it looks, what it guesses."""

from collections.abc import Callable, Mapping
from typing import Any

from alexnet.errors import UsageError
from alexnet.inference.classifier import Classifier
from alexnet.inference.explain_layers import explain_filters, explain_maps
from alexnet.inference.explain_pictures import explain_guesses, explain_heatmap, explain_occlusion
from alexnet.inference.explanation import Explanation, Kind

EXPLAINERS: Mapping[Kind, Callable[..., Explanation]] = {
    "filters": explain_filters,
    "maps": explain_maps,
    "heatmap": explain_heatmap,
    "occlusion": explain_occlusion,
    "guesses": explain_guesses,
}


def explain(classifier: Classifier, kind: Kind, *arguments: Any, **options: Any) -> Explanation:
    """Draw one kind of explanation; what follows is passed on to its function.

    Raises:
        UsageError: there is no such kind.
        MissingExtra: matplotlib or captum is not installed.
    """
    if kind not in EXPLAINERS:
        raise UsageError(f"there is no explanation {kind!r}. Known: {', '.join(EXPLAINERS)}.")
    return EXPLAINERS[kind](classifier, *arguments, **options)
