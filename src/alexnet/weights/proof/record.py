"""What a file says that it computed when it was made: a few numbers of every layer, for one packaged picture.

`weights convert` writes it into files that can hold it, as the original file's own engine computed it, so that years
later, and without the original, a file can be held against what it was made from.
"""

import hashlib
import math
from typing import Any

import numpy as np

from alexnet.errors import UsageError, WeightsError
from alexnet.weights.opened import Opened
from alexnet.weights.proof.engines import ask
from alexnet.weights.proof.feed import PICTURE, fed, square_picture
from alexnet.weights.proof.stages import Witness, sampled
from alexnet.weights.weights import Weights

KEY = "proof"  # in the provenance


def record(opened: Opened) -> dict[str, Any]:
    """What the engine of a file computes from it now, else the formulas, as a file can hold it."""
    square = square_picture(opened.weights.preprocessing.resize)
    images = fed(opened, square)
    try:
        return record_of(ask(opened, images), square)
    except WeightsError:
        return record_of(ask(opened, images, "numpy"), square)


def record_of(witness: Witness, square: np.ndarray) -> dict[str, Any]:
    """A record, as JSON can hold it."""
    layers = {name: [float(f"{value:.8g}") for value in sampled(array)] for name, array in witness.stages.items()}
    return {"picture": PICTURE.name, "pixels_sha256": digest(square), "program": witness.program, "layers": layers}


def has_record(weights: Weights) -> bool:
    """Whether a file says what it computed."""
    return KEY in weights.provenance


def recorded(weights: Weights, square: np.ndarray) -> Witness:
    """What the program that made the record of a file computed then.

    Raises:
        UsageError: there is none, it makes no sense, or it was made from other pixels.
    """
    record = weights.provenance.get(KEY)
    if record is None:
        raise UsageError("the file holds no record of what it computed. `alexnet weights convert` writes one.")
    try:
        pixels, program, layers = record["pixels_sha256"], str(record["program"])[:200], dict(record["layers"])
        stages = {str(name): np.array([float(value) for value in values]) for name, values in layers.items()}
    except (TypeError, ValueError, KeyError) as error:
        raise UsageError(f"the file's record of what it computed makes no sense ({type(error).__name__}).") from error
    if not stages or any(not len(array) or not math.isfinite(float(array.sum())) for array in stages.values()):
        raise UsageError("the file's record of what it computed is empty or not finite.")
    if pixels != digest(square):
        raise UsageError(
            f"the file's record was made from other pixels of {record.get('picture')} (another version of Pillow or "
            "libjpeg decodes it otherwise), so it cannot be compared here."
        )
    return Witness(f"the file's record, of {program}", stages, is_sample=True)


def digest(square: np.ndarray) -> str:
    """Checksum of the pixels that a record is about."""
    return hashlib.sha256(np.ascontiguousarray(square).tobytes()).hexdigest()
