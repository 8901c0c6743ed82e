"""A file as memory that the system reads when it is looked at."""

import mmap
from pathlib import Path

from alexnet.errors import UnreadableWeights


def mapped(path: Path) -> memoryview:
    """Return the bytes of a file, private and writable: what is written there does not reach the file.

    Writable only because torch warns of memory that is not; tensors are copied out of it before anybody could write.

    Raises:
        UnreadableWeights: it cannot be opened, or it is empty.
    """
    try:
        with path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    except OSError as error:
        raise UnreadableWeights(
            f"{path} cannot be opened: {error.strerror or error}. Check the name and its permissions."
        ) from error
    except ValueError as error:
        raise UnreadableWeights(f"{path} is not a file of weights: it is empty. Download or copy it again.") from error
