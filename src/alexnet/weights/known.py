"""Published files that are told by their checksum."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Known:
    """A file that people publish.

    Attributes:
        format: as `Raw.format` says it.
        digest: the whole checksum, or how it begins.
    """

    name: str
    format: str
    lineage: str
    algorithm: str
    digest: str


# Source: the files' own readmes and names, as the specification lists them.
KNOWN = (
    Known("bvlc_alexnet.caffemodel", "caffemodel", "bvlc", "sha1", "9116a64c0fbe4459d18f4bb6b56d647b63920377"),
    Known("bvlc_reference_caffenet.caffemodel", "caffemodel", "caffenet", "sha1",
          "4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46"),
    Known("finetune_flickr_style.caffemodel", "caffemodel", "caffenet", "sha1",
          "b61b5cef7d771b53b0c488e78d35ccadc073e9cf"),
    Known("alexnet-owt-7be5be79.pth", "pth", "torchvision", "sha256", "7be5be79"),
    Known("alexnet-owt-4df8aa71.pth", "pth", "torchvision", "sha256", "4df8aa71"),
    Known("imagenet-caffe-alex.mat", "mat", "bvlc", "md5", "ed49ef44caf18496291ce0c3257b0596"),
    Known("imagenet-caffe-ref.mat", "mat", "caffenet", "md5", "6d69dfa6e549012c94546658737c5885"),
)  # fmt: skip


def known(path: Path, format: str) -> Known | None:
    """The published file that `path` is a copy of, whatever it is called; reads the whole file if there may be one."""
    candidates = [file for file in KNOWN if file.format == format]
    digests = {algorithm: _digest(path, algorithm) for algorithm in {file.algorithm for file in candidates}}
    return next((file for file in candidates if digests[file.algorithm].startswith(file.digest)), None)


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
