"""Neighbours of pictures, by what a layer makes of them and by their pixels: is the class the same?

N pictures, F features.
"""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from alexnet.data.loader import Skips, batches
from alexnet.data.source import Pictures
from alexnet.inference.classifier import Classifier
from alexnet.inference.figures import neighbours_figure, save_figure
from alexnet.inference.layers import layer_outputs
from alexnet.inference.nearest import precision

LAYERS = ("fc7", "fc6", "pool5")
PIXELS = "pixels"
PIXELS_SIDE = 64  # of the pictures of Tiny-ImageNet, before anybody enlarged them
NEAREST = 5
AT_ONCE = 500
QUERIES = 5
WIDTH = 720  # of the drawing, in pixels


def layer_features(classifier: Classifier, pictures: Pictures) -> dict[str, Tensor]:
    """What each of LAYERS makes of all pictures, and their PIXELS: (N, F) each, float32, to be compared where they lie.

    That is on the classifier's device where it has float64.
    """
    home = classifier.device if classifier.device.type == "cuda" else torch.device("cpu")
    found: dict[str, list[Tensor]] = {name: [] for name in (*LAYERS, PIXELS)}
    for batch in batches(pictures, np.arange(len(pictures)), AT_ONCE, skips=Skips()):
        images = batch.images.to(classifier.device)
        outputs = layer_outputs(classifier, images, LAYERS) | {PIXELS: _small(images)}
        for name, parts in found.items():
            parts.append(outputs[name].flatten(1).float().to(home))
    return {name: torch.cat(parts) for name, parts in found.items()}


def _small(images: Tensor) -> Tensor:
    images = images.float()
    return F.interpolate(images, PIXELS_SIDE, mode="area") if images.shape[-1] > PIXELS_SIDE else images


def alike(features: Mapping[str, Tensor], labels: np.ndarray) -> dict[str, float]:
    """Precision at 5 by each kind of features: the share of Euclidean neighbours of the class of the picture.

    Every picture asks all others once.
    """
    classes = torch.from_numpy(labels.astype(np.int64))
    return {name: precision(rows, classes.to(rows.device), NEAREST) for name, rows in features.items()}


def drawn_neighbours(features: Mapping[str, Tensor], pictures: Pictures) -> bytes:
    """Some pictures, the nearest to each by fc7, and below them the nearest by pixels: a JPEG, as figure 4 (right).

    The pictures are the first of classes that lie evenly among all: nobody has chosen them.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    count = len(pictures.classes)
    classes = np.linspace(0, count - 1, min(count, QUERIES)).round().astype(int)
    queries = [int(np.flatnonzero(pictures.labels == label)[0]) for label in classes]
    rows = [
        (f"by {kind}", pictures.read(query), _shown(pictures, query, neighbours_of(features[kind], query)))
        for query in queries
        for kind in (LAYERS[0], PIXELS)
    ]
    with TemporaryDirectory() as folder:
        figure = neighbours_figure("The nearest of the validation pictures", rows)
        return _as_jpeg(save_figure(figure, Path(folder) / "neighbours.png"))


def neighbours_of(rows: Tensor, query: int) -> list[tuple[int, float]]:
    """The NEAREST other rows of one, and how far they are; of rows equally far the first comes first."""
    far = torch.linalg.vector_norm(rows.double() - rows[query].double(), dim=1)  # (N,)
    far[query] = torch.inf
    places = far.argsort(stable=True)[: min(NEAREST, len(rows) - 1)]
    return list(zip(places.tolist(), far[places].tolist(), strict=True))


def _shown(pictures: Pictures, query: int, found: list[tuple[int, float]]) -> list[tuple[str, str, np.ndarray]]:
    """Neighbours as figures have them: whether the class is the same, the distance, the picture."""
    labels = pictures.labels
    return [
        ("same class" if labels[place] == labels[query] else "another class", f"{far:.4g}", pictures.read(place))
        for place, far in found
    ]


def _as_jpeg(file: Path) -> bytes:
    with Image.open(file) as figure:
        size = (WIDTH, round(figure.height * WIDTH / figure.width))
        small = figure.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    written = BytesIO()
    small.save(written, "JPEG", quality=80)
    return written.getvalue()
