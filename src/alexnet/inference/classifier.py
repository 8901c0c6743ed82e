"""A trained network with all it needs to look at pictures.

B images, V views, C channels, H rows, W columns, K classes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from alexnet import weights
from alexnet.data.preprocess import Preprocessing
from alexnet.data.views import average_views, center_view, ten_views
from alexnet.errors import UnreadablePicture, UsageError
from alexnet.inference.device import resolve_device
from alexnet.inference.features import LAYER, LayerFeatures, features
from alexnet.inference.layers import at_rest
from alexnet.inference.precision import engine
from alexnet.inference.predict import Prediction, Unreadable, predict_stream
from alexnet.inference.sources import Source
from alexnet.lineages import Lineage
from alexnet.model import AlexNet, build
from alexnet.weights import Weights
from alexnet.weights.class_names import read_class_names
from alexnet.weights.means import MeanSource

if TYPE_CHECKING:
    from alexnet.inference.explanation import Explanation, Kind
    from alexnet.inference.export import Export
    from alexnet.inference.index import Index
    from alexnet.inference.search import Match

CUTS = {1: center_view, 10: ten_views}


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network, the names of its classes and what it expects to be fed. `load` makes one from a file.

    Attributes:
        labels: names of the classes; empty where nobody knows them.
        source: the file or run that it came from, as a person would name it.
        provenance: what the weights say of their own making.
        engine: what computes the logits of `model` for predictions, an equal function; None is `model` itself.
    """

    model: AlexNet
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    lineage: Lineage
    device: torch.device
    source: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    engine: nn.Module | None = None

    @classmethod
    def of(cls, weights: Weights, device: torch.device, source: str = "") -> "Classifier":
        """Build the network of `weights` around their tensors, in evaluation mode."""
        model = build(weights.lineage)
        model.load_state_dict(weights.tensors, assign=True)
        return cls(
            model.to(device).eval(), weights.labels, weights.preprocessing, weights.lineage, device, source,
            weights.provenance,
        )  # fmt: skip

    def label(self, index: int) -> str:
        """Name of a class."""
        return self.labels[index] if self.labels else f"class {index}"

    def pictures_per_pass(self, views: int, batch_size: int) -> int:
        """How many pictures of `views` each make a batch of `batch_size` views; at least one.

        Raises:
            UsageError: a number of views that nobody has defined, or no batch at all.
        """
        if views not in CUTS:
            raise UsageError(f"views is {views}; expected 1 (the centre) or 10 (corners, centre and their mirrors).")
        if batch_size < 1:
            raise UsageError(f"batch_size is {batch_size}; at least one view goes through the network at a time.")
        return max(1, batch_size // views)

    @torch.inference_mode()
    def probs(self, images: Tensor, views: int = 1) -> Tensor:
        """Return the probabilities (B, K) of square pictures, with dropout off whatever mode the network is in.

        Args:
            images: (B, 3, S, S) uint8 RGB.
            views: 1 looks at the centre; 10 averages the softmax over corners, centre and their mirrors.
        """
        return average_views(self.logits(images, views), views)

    @torch.inference_mode()
    def logits(self, images: Tensor, views: int = 1) -> Tensor:
        """Return the logits (B*V, K) of each view of square pictures, the views of one side by side; see `probs`."""
        cut = partial(CUTS[views], size=self.preprocessing.size)
        crops = self.preprocessing.views(images.to(self.device), cut)  # (B, C, H, W) or (B, V, C, H, W)
        with at_rest(self.model):
            found: Tensor = (self.engine or self.model)(crops.flatten(0, -4))
        return found

    def predict(
        self, pictures: Source | Iterable[Source], top: int = 5, views: int = 1, batch_size: int = 64
    ) -> list[Prediction]:
        """Return the likeliest classes of each picture, in order.

        Args:
            pictures: files, folders (searched through), globs, PIL images, bytes of a file; one or many.
            top: how many classes of each to name.
            views: 1, or the paper's 10.
            batch_size: views in one pass through the network.

        Raises:
            UnreadablePicture: names the first that cannot be read; `predict_stream` goes on instead.
            UsageError: `top`, `views` or `batch_size` cannot be so.
        """
        predictions = []
        for result in predict_stream(self, pictures, top=top, views=views, batch_size=batch_size):
            if isinstance(result, Unreadable):
                raise UnreadablePicture(f"{result.image}: {result.reason}")
            predictions.append(result)
        return predictions

    def features(
        self, pictures: Source | Iterable[Source], layers: Sequence[str] = (LAYER,), batch_size: int = 64
    ) -> LayerFeatures:
        """What `layers` make of each picture: `features["fc7"]` is (N, D), `features.paths` are the N pictures."""
        return features(self, pictures, layers, batch_size=batch_size)

    def index(self, pictures: Source | Iterable[Source], folder: str | Path, layer: str = LAYER) -> "Index":
        """Keep the features of many pictures in a folder, to search in."""
        from alexnet.inference.index import write_index

        return write_index(self, pictures, folder, layer)

    def search(self, pictures: Source | Iterable[Source], index: str | Path, top: int = 6) -> "tuple[Match, ...]":
        """The pictures of an index that are nearest to each of `pictures`, nearest first."""
        from alexnet.inference.index import open_index
        from alexnet.inference.search import search

        return search(self, open_index(index), pictures, top).matches

    def explain(self, kind: "Kind", *arguments: Any, **options: Any) -> "Explanation":
        """Draw what the network does: filters, maps, heatmap, occlusion or guesses; see `inference.explain`."""
        from alexnet.inference.explain import explain

        return explain(self, kind, *arguments, **options)

    def export(self, path: str | Path, **options: Any) -> "Export":
        """Write the network for other runtimes, and compare what it answers there; see `inference.export.export`."""
        from alexnet.inference.export import export

        return export(self, path, **options)


def load(
    source: str | Path | None = None,
    device: str = "auto",
    lineage: str | None = None,
    classes: str | Path | None = None,
    mean: MeanSource | None = None,
    precision: str = "float32",
    samples: Source | Iterable[Source] | None = None,
) -> Classifier:
    """Return a classifier that is ready to predict.

    Args:
        source: a packaged or registered name, a file, a folder, a run folder or hf://owner/name; None is the packaged
            network.
        device: auto, cpu, cuda, cuda:N or mps.
        lineage: only where the file cannot tell.
        classes: a file of class names, see `read_class_names`; they take the place of those in the weights.
        mean: what is subtracted, where the weights do not say it: a mean image, or three numbers; see `read_mean`.
        precision: of predictions: float32, bfloat16 or int8; where a CPU has no such arithmetic, float32.
        samples: pictures that show int8 how large activations become; None is the packaged photos.

    Raises:
        UsageError: no such weights, device, lineage, class names, mean or precision.
        WeightsError: the file is no file of weights, or does not fit its lineage.
    """
    place = resolve_device(device)
    name = weights.DEFAULT_WEIGHTS if source is None else str(source)
    found = weights.load(source, lineage, mean=mean)
    if classes is not None:
        found = replace(found, labels=read_class_names(Path(classes).expanduser(), found.lineage.num_classes))
    classifier = Classifier.of(found, place, name or "")
    return replace(classifier, engine=engine(classifier.model, found.preprocessing, precision, samples))
