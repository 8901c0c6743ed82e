"""A picture of a request, decoded within bounds; what is wrong with it is the client's to mend."""

import numpy as np
from fastapi import HTTPException
from PIL import Image

from alexnet.data.picture import open_picture, read_picture, to_square
from alexnet.errors import UnreadablePicture
from alexnet.inference import Classifier
from alexnet.serve.limits import Limits


def image_of(name: str, data: bytes, limits: Limits) -> Image.Image:
    """A picture, upright and RGB.

    Raises:
        HTTPException: 413 for too many pixels, 422 for what is no picture.
    """
    try:
        opened = open_picture(data, name)
        if opened.width * opened.height > limits.pixels:
            raise HTTPException(413, f"{name}: a picture may have {limits.pixels} pixels. Make it smaller.")
        return read_picture(data, name)
    except UnreadablePicture as error:
        raise HTTPException(422, str(error)) from None


def square_of(classifier: Classifier, name: str, data: bytes, limits: Limits) -> np.ndarray:
    """A picture as the square that views are cut from: (S, S, 3) uint8; raises as `image_of`."""
    return to_square(image_of(name, data, limits), classifier.preprocessing.side, classifier.preprocessing.fit)
