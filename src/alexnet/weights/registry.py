"""The published files of weights that are known by name: where they are, how they are told, what they hold.

The one table of them: `--weights NAME`, `alexnet weights list` and `get`, and the recognition by checksum all read it.
What nobody has published (a size, a checksum, a licence) is None and never a guess.
"""

import hashlib
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from alexnet.errors import UsageError
from alexnet.lineages import find, totals, trace, vary

Kind = Literal["weights", "mean", "names and mean", "packaged"]


@dataclass(frozen=True)
class Checksum:
    """A digest that a file's publisher gives, whole or how it begins."""

    algorithm: Literal["sha256", "sha1", "md5"]
    digest: str

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole digest."""
        return len(self.digest) == 2 * hashlib.new(self.algorithm, usedforsecurity=False).digest_size

    def matches(self, digest: str) -> bool:
        """Whether a whole digest is this one, as far as this one is known."""
        return digest.startswith(self.digest)

    def __str__(self) -> str:
        return f"{self.algorithm} {self.digest}{'' if self.is_whole else '...'}"


@dataclass(frozen=True)
class KnownFile:
    """A file that people publish.

    Attributes:
        name: what `--weights` and `weights get` call it.
        file: what its publisher calls it.
        format: as `Raw.format` says it.
        lineage: of the network; "" for a mean image.
        url: where it can be fetched; "" where only a person can.
        page: where a person finds it.
        checksum: None where none is published.
        size_bytes: None where nobody says.
        licence: as the publisher words it; None where nothing is said.
        top1_error: of ILSVRC-2012's validation pictures, centre view, as published: a fraction; None where not.
        top5_error: likewise.
        input: what the network expects to be fed, in words.
        classes: outputs of the network; 0 for a mean image.
        trained_on: what these are.
        note: what else to know before using it.
        kind: weights; what goes with them: a mean image, or an archive with that and the names of the classes; or a
            network that comes with the package.
    """

    name: str
    file: str
    format: str
    lineage: str
    url: str
    page: str
    checksum: Checksum | None = None
    size_bytes: int | None = None
    licence: str | None = None
    top1_error: float | None = None
    top5_error: float | None = None
    input: str = ""
    classes: int = 1000
    trained_on: str = "ILSVRC-2012"
    note: str = ""
    kind: Kind = "weights"

    @property
    def params(self) -> int | None:
        """Parameters of the network, counted from its lineage; None for a mean image."""
        if not self.lineage:
            return None
        table = find(self.lineage)
        sized = table if table.num_classes == self.classes else vary(table, num_classes=self.classes)
        return totals(trace(sized)).params

    @property
    def least_bytes(self) -> int | None:
        """The size, or where nobody says it that of the numbers in the file; None where that is unknown, too."""
        return self.size_bytes or (4 * self.params if self.params else None)

    def to_dict(self) -> dict[str, Any]:
        """The entry as `weights list --json` prints it."""
        values = asdict(self) | {"params": self.params}
        return values | {"checksum": None if self.checksum is None else asdict(self.checksum)}


CAFFE, PLACES365 = "http://dl.caffe.berkeleyvision.org", "http://places2.csail.mit.edu/models_places365"
VLFEAT, ZOO = "https://www.vlfeat.org/matconvnet/models", "https://github.com/onnx/models/raw/main/validated/vision"
CAFFE_PAGE, PLACES365_PAGE = (
    "https://github.com/BVLC/caffe/tree/master/models",
    "https://github.com/CSAILVision/places365",
)
VLFEAT_PAGE = "https://www.vlfeat.org/matconvnet/pretrained/"
ZOO_PAGE = "https://github.com/onnx/models/tree/main/validated/vision/classification"
CAFFE_INPUT = "BGR 0..255 minus a mean image, 227 of pictures warped to 256"
ZOO_INPUT = "BGR 0..255 minus a mean, 224"
MAT_INPUT = "RGB 0..255 minus the file's mean image, 227 of pictures warped to 256"
TORCH_INPUT = "RGB 0..1 standardised, 224 of short side 256"
UNRESTRICTED, BSD = "unrestricted use, by its readme", "BSD-3-Clause, by its readme"

# Source: the publishers' readmes and file names. sha256 and size of the ONNX files are their Git LFS pointers'; the
# name of torchvision's file holds the first eight digits of its sha256, the others are as several projects pin them.
_TABLE = (
    KnownFile(
        "bvlc", "bvlc_alexnet.caffemodel", "caffemodel", "bvlc",
        f"{CAFFE}/bvlc_alexnet.caffemodel", f"{CAFFE_PAGE}/bvlc_alexnet",
        Checksum("sha1", "9116a64c0fbe4459d18f4bb6b56d647b63920377"),
        licence=UNRESTRICTED, top1_error=0.429, top5_error=0.198, input=CAFFE_INPUT,
    ),
    KnownFile(
        "caffenet", "bvlc_reference_caffenet.caffemodel", "caffemodel", "caffenet",
        f"{CAFFE}/bvlc_reference_caffenet.caffemodel", f"{CAFFE_PAGE}/bvlc_reference_caffenet",
        Checksum("sha1", "4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46"),
        licence=UNRESTRICTED, top1_error=0.426, top5_error=0.196, input=CAFFE_INPUT,
    ),
    KnownFile(
        "torchvision", "alexnet-owt-7be5be79.pth", "pth", "torchvision",
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", "https://github.com/pytorch/vision",
        Checksum("sha256", "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02"), 244_408_911,
        licence="BSD-3-Clause, the library's", top1_error=0.43478, top5_error=0.20934, input=TORCH_INPUT,
    ),
    KnownFile(
        "torchvision-old", "alexnet-owt-4df8aa71.pth", "pth", "torchvision",
        "https://download.pytorch.org/models/alexnet-owt-4df8aa71.pth", "https://github.com/pytorch/vision",
        Checksum("sha256", "4df8aa71"),
        licence="BSD-3-Clause, the library's", input=TORCH_INPUT, note="came before alexnet-owt-7be5be79.pth",
    ),
    KnownFile(
        "flickr-style", "finetune_flickr_style.caffemodel", "caffemodel", "caffenet",
        f"{CAFFE}/finetune_flickr_style.caffemodel", f"{CAFFE_PAGE}/finetune_flickr_style",
        Checksum("sha1", "b61b5cef7d771b53b0c488e78d35ccadc073e9cf"),
        licence="non-commercial, by its readme",
        input=CAFFE_INPUT, classes=20, trained_on="Flickr style", note="caffenet, fine-tuned",
    ),
    KnownFile(
        "bvlc-npy", "bvlc_alexnet.npy", "npy", "bvlc",
        "https://www.cs.toronto.edu/~guerzhoy/tf_alexnet/bvlc_alexnet.npy",
        "https://www.cs.toronto.edu/~guerzhoy/tf_alexnet/",
        input=CAFFE_INPUT, note="bvlc as caffe-tensorflow writes it",
    ),
    KnownFile(
        "bvlc-caffe2", "init_net.pb", "caffe2", "bvlc",
        "https://s3.amazonaws.com/caffe2/models/bvlc_alexnet/init_net.pb", "https://caffe2.ai/docs/zoo.html",
        input=CAFFE_INPUT, note="bvlc as Caffe2's translator writes it",
    ),
    KnownFile(
        "bvlc-onnx", "bvlcalexnet-12.onnx", "onnx", "bvlc",
        f"{ZOO}/classification/alexnet/model/bvlcalexnet-12.onnx", f"{ZOO_PAGE}/alexnet",
        Checksum("sha256", "6b0da9510f27f234ee96a85dc3809dd210150fdefad87f6850f9788513216945"), 243_863_787,
        licence=BSD, top1_error=0.4520, top5_error=0.2177, input=ZOO_INPUT, note="bvlc by way of Caffe2, for 224",
    ),
    KnownFile(
        "bvlc-onnx-9", "bvlcalexnet-9.onnx", "onnx", "bvlc",
        f"{ZOO}/classification/alexnet/model/bvlcalexnet-9.onnx", f"{ZOO_PAGE}/alexnet",
        Checksum("sha256", "ef3c82dad5c512f969dbf701fe35c0b3feb1585687d541f765eb68730c0a8af7"), 243_863_542,
        licence=BSD, input=ZOO_INPUT, note="bvlc by way of Caffe2, for 224",
    ),
    KnownFile(
        "bvlc-onnx-8", "bvlcalexnet-8.onnx", "onnx", "bvlc",
        f"{ZOO}/classification/alexnet/model/bvlcalexnet-8.onnx", f"{ZOO_PAGE}/alexnet",
        Checksum("sha256", "9a4dc22fd706a19462aaec3b08e027e0ef89daf63d123824f20b59b6de9a727b"), 243_863_542,
        licence=BSD, input=ZOO_INPUT, note="bvlc by way of Caffe2, for 224",
    ),
    KnownFile(
        "bvlc-onnx-6", "bvlcalexnet-6.onnx", "onnx", "bvlc",
        f"{ZOO}/classification/alexnet/model/bvlcalexnet-6.onnx", f"{ZOO_PAGE}/alexnet",
        Checksum("sha256", "f1ae53b93d83dd74731c84337ae64035288ce336794a46e2b17b56e7566feaab"), 243_863_628,
        licence=BSD, input=ZOO_INPUT, note="bvlc by way of Caffe2, for 224",
    ),
    KnownFile(
        "caffenet-onnx", "caffenet-9.onnx", "onnx", "caffenet",
        f"{ZOO}/classification/caffenet/model/caffenet-9.onnx", f"{ZOO_PAGE}/caffenet",
        Checksum("sha256", "802138332cf3e423c82a9a80c76e4f9227dd4effb3aba55413601fa4345cfd36"), 243_863_553,
        licence=BSD, input=ZOO_INPUT, note="caffenet by way of Caffe2, for 224",
    ),
    KnownFile(
        "matconvnet-alex", "imagenet-caffe-alex.mat", "mat", "bvlc",
        f"{VLFEAT}/imagenet-caffe-alex.mat", VLFEAT_PAGE, Checksum("md5", "ed49ef44caf18496291ce0c3257b0596"),
        top1_error=0.426, top5_error=0.196, input=MAT_INPUT,
    ),
    KnownFile(
        "matconvnet-ref", "imagenet-caffe-ref.mat", "mat", "caffenet",
        f"{VLFEAT}/imagenet-caffe-ref.mat", VLFEAT_PAGE, Checksum("md5", "6d69dfa6e549012c94546658737c5885"),
        top1_error=0.426, top5_error=0.197, input=MAT_INPUT,
    ),
    KnownFile(
        "places365", "alexnet_places365.pth.tar", "pth", "torchvision",
        f"{PLACES365}/alexnet_places365.pth.tar", PLACES365_PAGE,
        licence="CC BY, by its readme", input=TORCH_INPUT, classes=365, trained_on="Places365", note="no tar",
    ),
    KnownFile(
        "places365-caffe", "alexnet_places365.caffemodel", "caffemodel", "caffenet",
        f"{PLACES365}/alexnet_places365.caffemodel", PLACES365_PAGE,
        licence="CC BY, by its readme", input=CAFFE_INPUT, classes=365, trained_on="Places365",
    ),
    KnownFile(
        "places205", "places205CNN_iter_300000_upgraded.caffemodel", "caffemodel", "caffenet",
        "", "http://places.csail.mit.edu/downloadCNN.html",
        input=CAFFE_INPUT, classes=205, trained_on="Places205", note="in placesCNN_upgraded.tar.gz",
    ),
    KnownFile(
        "hybrid-cnn", "hybridCNN_iter_700000.caffemodel", "caffemodel", "caffenet",
        "", "http://places.csail.mit.edu/downloadCNN.html",
        input=CAFFE_INPUT, classes=1183, trained_on="Places205 and ILSVRC-2012",
    ),
    KnownFile(
        "theano", "parameters_releasing.zip", "theano", "theano",
        "", "http://hdl.handle.net/10864/10911", Checksum("sha1", "58950804f50f8d1a76705e1b28d3546e12ea8a81"),
        licence=UNRESTRICTED, top1_error=0.4266, top5_error=0.1988,
        input="RGB 0..255 minus a mean image, 227 of pictures warped to 256", note="read as it is, zipped or unpacked",
    ),
    KnownFile(
        "decaf", "imagenet.decafnet.epoch90", "cuda-convnet", "",
        "", "https://github.com/UCB-ICSI-Vision-Group/decaf-release",
        input="RGB 0..255 minus the mean in imagenet.decafnet.meta, 227 of 256",
        note="trained upside down; turned upright here",
    ),
    KnownFile(
        "decaf-meta", "imagenet.decafnet.meta", "pickle", "",
        "", "https://github.com/UCB-ICSI-Vision-Group/decaf-release",
        input="256x256, RGB 0..255, upside down", trained_on="ILSVRC-2012, by name",
        note="goes with decaf: --classes decaf-meta --mean decaf-meta", kind="names and mean",
    ),
    KnownFile(
        "imagenet-mean", "ilsvrc_2012_mean.npy", "npy", "",
        "https://raw.githubusercontent.com/BVLC/caffe/master/python/caffe/imagenet/ilsvrc_2012_mean.npy",
        "https://github.com/BVLC/caffe/tree/master/python/caffe/imagenet",
        Checksum("sha1", "8284f7ac12f5b0f6d5069c1fac00d8e0ba647b2f"),
        input="3x256x256, BGR 0..255", classes=0, note="what bvlc and caffenet subtract: --mean imagenet-mean",
        kind="mean",
    ),
    KnownFile(
        "caffe-ilsvrc12", "caffe_ilsvrc12.tar.gz", "tar.gz", "",
        f"{CAFFE}/caffe_ilsvrc12.tar.gz", "https://github.com/BVLC/caffe/tree/master/data/ilsvrc12",
        input="3x256x256, BGR 0..255", trained_on="ILSVRC-2012, by name",
        note="--classes caffe-ilsvrc12 names the classes, --mean caffe-ilsvrc12 is the mean image",
        kind="names and mean",
    ),
)  # fmt: skip
FILES = {file.name: file for file in _TABLE}


def known_file(name: str) -> KnownFile:
    """Return the file that is registered under a name.

    Raises:
        UsageError: none is; names the nearest.
    """
    if name in FILES:
        return FILES[name]
    close = get_close_matches(name, FILES, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"Known are {', '.join(FILES)}."
    raise UsageError(f"no file of weights is known as {name!r}. {hint} `alexnet weights list` says what each is.")


def not_here(file: KnownFile) -> UsageError:
    """The error for a known file that is in no cache of this machine: nothing is fetched unless it was asked for."""
    size = f"{file.least_bytes / 1e6:,.0f} MB" if file.least_bytes else "size unknown"
    return UsageError(
        f"{file.name} is known and not on this machine ({file.file}, {size}). "
        f"Fetch it with `alexnet weights get {file.name}`, which says where to put a copy from elsewhere."
    )


def told_by_checksum(path: Path, format: str) -> KnownFile | None:
    """The published weights that `path` is a copy of, whatever it is called; reads all of it if there may be any."""
    files = [file for file in FILES.values() if file.format == format and file.kind == "weights"]
    candidates = [(file, file.checksum) for file in files if file.checksum is not None]
    digests = {algorithm: digest_of(path, algorithm) for algorithm in {sum.algorithm for _, sum in candidates}}
    return next((file for file, sum in candidates if sum.matches(digests[sum.algorithm])), None)


def digest_of(path: Path, algorithm: str) -> str:
    """The digest of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
