"""`caffe_ilsvrc12.tar.gz`: ImageNet's mean image and class names, taken out of the archive without unpacking it."""

import gzip
import io
import tarfile
from pathlib import Path

from alexnet.errors import UnreadableWeights

MEAN, NAMES = "imagenet_mean.binaryproto", "synset_words.txt"
GZIP = b"\x1f\x8b"
LARGEST_MEMBER = 16 * 2**20
LARGEST_ARCHIVE = 512 * 2**20  # unpacked


class _Bounded:
    """A stream that ends in an error where an archive swells."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream, self._left = stream, LARGEST_ARCHIVE

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(self._left + 1 if size < 0 else size)
        self._left -= len(content)
        if self._left < 0:
            raise tarfile.TarError("it unpacks to more than any such archive")
        return content


def is_gzip(path: Path) -> bool:
    """Whether a file is packed by gzip; False where it cannot be opened."""
    try:
        with path.open("rb") as file:
            return file.read(2) == GZIP
    except OSError:
        return False


def member(path: Path, name: str) -> bytes:
    """Return the content of the file called `name` in a packed archive, in whatever folder of it.

    Raises:
        UnreadableWeights: there is none, it is larger than such a file is, or the archive is damaged.
    """
    found = None
    try:
        with gzip.open(path) as packed:
            stream = _Bounded(packed)
            with tarfile.open(fileobj=stream, mode="r|") as archive:  # type: ignore[call-overload]
                for entry in archive:
                    if entry.isfile() and entry.name.rpartition("/")[2] == name and entry.size <= LARGEST_MEMBER:
                        content = archive.extractfile(entry)
                        assert content is not None
                        found = bytes(content.read())
            while stream.read(2**20):  # to its end, where gzip's checksum is
                pass
    except (OSError, EOFError, ValueError, tarfile.TarError) as error:
        raise UnreadableWeights(
            f"{path} is no archive that can be read ({type(error).__name__}: {str(error)[:200]}). Download it again."
        ) from error
    if found is None:
        raise UnreadableWeights(f"{path} is an archive without {name}. Expected Caffe's caffe_ilsvrc12.tar.gz.")
    return found
