"""Where on a picture the evidence for a class lies: gradients of its logit, by map of a layer.

Source: Selvaraju et al. 2017, by way of captum.
"""

import numpy as np
import torch
from PIL import Image

from alexnet.data.views import center_view
from alexnet.errors import MissingExtra, UsageError
from alexnet.inference.classifier import Classifier
from alexnet.inference.layers import at_rest, layer_shapes
from alexnet.inference.squares import square_image
from alexnet.lineages.spec import Conv, Local


def last_maps(classifier: Classifier) -> str:
    """The deepest layer that still has maps of its own: conv5."""
    return [layer.name for layer in classifier.lineage.layers if isinstance(layer, Conv | Local)][-1]


def grad_cam(classifier: Classifier, picture: Image.Image, target: int, layer: str | None = None) -> np.ndarray:
    """Return how much each place speaks for class `target`: (size, size) float32 in 0..1 over the centre view.

    The largest value is 1; a map of zeros says that nothing speaks for the class.

    Args:
        classifier: see `load`.
        picture: upright and RGB, as `read_picture` gives it.
        target: index of the class.
        layer: one that has maps; None is the last convolution. Taken behind its activation.

    Raises:
        MissingExtra: captum is not installed.
        UsageError: no such layer, or one without maps.
    """
    try:
        from captum.attr import LayerAttribution, LayerGradCam
    except ImportError:
        raise MissingExtra("captum", "explain") from None
    layer = layer or last_maps(classifier)
    require_maps(classifier, layer)
    model, size = classifier.model, classifier.preprocessing.size
    images = square_image(classifier.preprocessing, picture).to(classifier.device)
    views = classifier.preprocessing.views(images, lambda pictures: center_view(pictures, size)).requires_grad_()
    with at_rest(model), torch.enable_grad():
        cam = LayerGradCam(model, model.get_submodule(model.tap(layer)))
        maps = cam.attribute(views, target=target, relu_attributions=True).detach()  # (1, 1, H', W')
    heat = LayerAttribution.interpolate(maps, (size, size), "bilinear")[0, 0].float().cpu().numpy()
    return np.asarray(heat / max(float(heat.max()), np.finfo(np.float32).tiny))


def require_maps(classifier: Classifier, layer: str) -> None:
    """Raise UsageError unless `layer` has maps."""
    (shape,) = layer_shapes(classifier, [layer]).values()
    if len(shape) != 3:
        raise UsageError(
            f"{layer} has {shape[0]} numbers and no maps, so it says nothing about places. "
            f"Take {last_maps(classifier)} or a layer before it."
        )
