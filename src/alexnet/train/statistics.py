"""Statistics of a run's training pictures, and the preprocessing that they make of a lineage's input."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from alexnet.data.dataset_card import is_prepared, read_statistics
from alexnet.data.preprocess import Preprocessing
from alexnet.data.source import Pictures
from alexnet.data.statistics import Statistics, measure
from alexnet.lineages.spec import Input
from alexnet.train.folder import MEAN_IMAGE, STATISTICS


def training_statistics(data: Path, folder: Path, pictures: Pictures) -> Statistics:
    """The statistics of the training pictures: a prepared set's own, else measured once and kept in the run folder."""
    if is_prepared(data):
        return read_statistics(data)
    file, image = folder / STATISTICS, folder / MEAN_IMAGE
    if not file.exists():
        measured = measure(pictures)
        assert measured.mean_image is not None
        np.save(image, measured.mean_image)
        file.write_text(json.dumps(measured.to_json()), encoding="utf-8")
    return Statistics.from_json(json.loads(file.read_text(encoding="utf-8")), np.load(image))


def preprocessing_of(input: Input, statistics: Statistics, standardize: bool, side: int) -> Preprocessing:
    """The lineage's preprocessing; if asked for, with a spread of 1 where the lineage itself leaves 0-255.

    Inputs of spread 1 let the first layer learn at the pace of the others. The spread is stored with the weights.

    Args:
        side: of the training pictures; if the lineage enlarges them, the network is shown nothing sharper later on.
    """
    preprocessing = Preprocessing.of(input, statistics)
    if side < preprocessing.resize:
        preprocessing = replace(preprocessing, detail=side)
    if not (standardize and input.is_unscaled):
        return preprocessing
    red, green, blue = (max(1.0, math.sqrt(variance)) for variance in np.diag(statistics.covariance))
    return replace(preprocessing, std=(red, green, blue))
