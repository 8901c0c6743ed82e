"""A picture of a request, decoded within bounds; what is wrong with it is the client's to mend."""

import numpy as np
from fastapi import HTTPException
from PIL import Image

from alexnet.data.picture import read_picture, to_square
from alexnet.errors import PictureTooLarge, UnreadablePicture
from alexnet.inference import Classifier
from alexnet.serve.limits import Limits


def image_of(name: str, data: bytes, limits: Limits) -> Image.Image:
    """A picture, upright and RGB.

    Raises:
        HTTPException: 413 for too many pixels, 422 for what is no picture.
    """
    try:
        return read_picture(data, name, limits.pixels)
    except PictureTooLarge as error:
        raise HTTPException(413, str(error)) from None
    except UnreadablePicture as error:
        raise HTTPException(422, str(error)) from None


def square_of(classifier: Classifier, name: str, data: bytes, limits: Limits) -> np.ndarray:
    """A picture as the square that views are cut from: (S, S, 3) uint8; raises as `image_of`."""
    return to_square(image_of(name, data, limits), classifier.preprocessing.side, classifier.preprocessing.fit)
