"""What kind of file something is, by its bytes and never by its name."""

import zipfile
from codecs import getincrementaldecoder
from pathlib import Path

from alexnet.errors import UnreadableWeights
from alexnet.weights.formats import npy, theano
from alexnet.weights.formats.wire import Decoder, Span
from alexnet.weights.mapped import mapped
from alexnet.weights.raw import Damaged, reading

# What people hand over in place of weights: how it begins (from a byte on), what it is, what to do.
STRANGERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file it points to: run `git lfs pull`"),
    (0, b"<", "a web page or XML, perhaps saved in place of the file: download it again"),
    (0, b"\x1f\x8b", "a gzip archive: unpack it (`gunzip`, or `tar xzf`) and name the file inside"),
    (0, b"BZh", "a bzip2 archive: unpack it and name the file inside"),
    (0, b"\xfd7zXZ", "an xz archive: unpack it and name the file inside"),
    (0, b"7z\xbc\xaf", "a 7z archive: unpack it and name the file inside"),
    (0, b"Rar!", "a RAR archive: unpack it and name the file inside"),
    (257, b"ustar", "a tar archive: unpack it (`tar xf`) and name the file inside"),
    (
        0,
        b"\x89HDF",
        "an HDF5 file, as Keras and MATLAB -v7.3 write; alexnet_weights.h5 was made from theano_alexnet: read that",
    ),
    (0, b"MATLAB 7.3", "a MATLAB file of version 7.3: open it there and `save -v6`"),
    (0, b"B\0C\0N\0", "a CNTK model: export it to ONNX with CNTK"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
)
NO_WEIGHTS = (
    "Expected a file of weights: safetensors, .pth, .caffemodel, .npy, .mat, .onnx, a cuda-convnet pickle, Caffe2's "
    "init_net.pb, or the tensors of theano_alexnet, in a folder or zipped."
)
# The number that torch.save put before everything until 2020, as Python pickles it.
TORCH_MAGIC = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
PICKLE_PROTOCOLS = 5
TEXT_PICKLES = (b"(dp", b"(lp")  # a dict or a list in protocol 0, what Python 2 wrote unless told
PROTOBUF_FIELDS = 64  # looked at; the fields that tell come early


def recognize(path: Path) -> str:
    """Name the kind of a file: safetensors, pth, npy, caffemodel, onnx, mat, cuda-convnet, theano or caffe2.

    Raises:
        UnreadableWeights: it is none of these; says what it is instead, where that can be seen, and what to do.
    """
    data = mapped(path)
    beginning = bytes(data[:512])
    for at, start, name in STRANGERS:
        if (beginning.lstrip() if at == 0 else beginning[at:]).startswith(start):
            raise _stranger(path, name)
    kind = _by_magic(path, data, beginning)
    if kind is not None:
        return kind
    kind = _protobuf(path, data)
    if kind is None:
        raise _stranger(path, _text(beginning) or "something damaged, cut short, or of another format")
    return kind


def _stranger(path: Path, name: str) -> UnreadableWeights:
    return UnreadableWeights(f"{path} is not a file of weights: it looks like {name}. {NO_WEIGHTS}")


def _by_magic(path: Path, data: memoryview, beginning: bytes) -> str | None:
    if beginning.startswith(b"\x93NUMPY"):
        return "theano" if _is_tensor(path, data) else "npy"
    if beginning.startswith(b"MATLAB 5.0"):
        return "mat"
    if beginning.startswith(b"PK\x03\x04"):
        return _zip(path)
    if len(data) > 2 and beginning[:1] == b"\x80" and beginning[1] <= PICKLE_PROTOCOLS:
        return "pth" if beginning[2:].startswith(TORCH_MAGIC) else "cuda-convnet"
    if beginning.startswith(TEXT_PICKLES):
        return "cuda-convnet"
    if len(data) > 8 and beginning[8:9] == b"{" and int.from_bytes(beginning[:8], "little") <= len(data):
        return "safetensors"
    return None


def _zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # a directory that zipfile stumbles over in one of many ways
        raise _stranger(path, "a zip archive, as torch.save writes, but damaged or cut short: get it again") from None
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return "pth"
    if theano.is_archive(names):
        return "theano"
    if names and all(name.endswith(".npy") for name in names):
        raise _stranger(path, "numpy's .npz, an archive of single arrays: save a dict of layers with np.save")
    raise _stranger(path, "a zip archive: unpack it and name the file inside")


def _is_tensor(path: Path, data: memoryview) -> bool:
    """Whether a NumPy file is one plain array of a net that has a file for each."""
    if theano.part_of(path.name) is None:
        return False
    with reading(path):
        return npy.header(data).dtype.kind != "O"


def _protobuf(path: Path, data: memoryview) -> str | None:
    """Tell Caffe's and ONNX's messages apart by the numbers of their fields; None for other bytes."""
    spans: list[Span] = []
    try:
        for span in Decoder().spans(data):
            spans.append(span)
            if len(spans) == PROTOBUF_FIELDS:
                break
    except Damaged as error:
        if _looks_like_protobuf(spans):
            raise UnreadableWeights(
                f"{path} is damaged or cut short: {error}. Get an undamaged copy of the file."
            ) from error
        return None
    numbers = {span.number: span for span in spans}
    wires = {span.number: span.wire for span in spans}
    if wires.get(7) == 2 and wires.get(1) == 0:
        return "onnx"
    if wires.get(1) == 0 and wires.get(3) == 2 and 5 not in wires:
        raise _stranger(path, "a Caffe solver state; the weights are in the .caffemodel beside it")
    if wires.get(5) in (2, 5) and not {2, 100} & {number for number, wire in wires.items() if wire == 2}:
        raise _stranger(path, "one array of Caffe's, perhaps a mean image: give it beside the weights")
    if wires.get(100) == 2:
        return "caffemodel"
    if wires.get(2) == 2:
        if _is_caffe2(data, numbers[2]):
            return "caffe2"
        if wires.get(1) == 0 and _is_cntk(data, numbers[2]):
            raise _stranger(path, "a CNTK model: export it to ONNX with CNTK")
        return "caffemodel"
    return None


def _looks_like_protobuf(spans: list[Span]) -> bool:
    """Whether a file that ends badly began as one of the messages that we know."""
    return any(span.number in (2, 7, 100) and span.wire == 2 and span.end - span.start > 8 for span in spans)


def _is_caffe2(data: memoryview, span: Span) -> bool:
    """Whether field 2 is an operator (field 4 its type, field 5 arguments) and not a layer of Caffe."""
    try:
        wires = {inner.number: inner.wire for inner in Decoder().spans(data[span.start : span.end])}
    except Damaged:
        return False
    return wires.get(4) == wires.get(2) == 2 and wires.get(5) in (2, None) and 6 not in wires


def _is_cntk(data: memoryview, span: Span) -> bool:
    """Whether field 2 is an entry of a dictionary, as CNTK 2 writes its models."""
    return any(word in bytes(data[span.start : span.start + 200]) for word in (b"root_uid", b"primitive_functions"))


def _text(beginning: bytes) -> str:
    """What a text file seems to be."""
    try:
        text = getincrementaldecoder("utf-8")().decode(beginning)  # which may end within a character
    except UnicodeDecodeError:
        return ""
    if not text or not all(char.isprintable() or char.isspace() for char in text):
        return ""
    if "layer" in text and "{" in text:
        return "a prototxt, which describes a net and holds no weights: name the .caffemodel"
    return "a text file"
