"""Strangers' pickles as plain data: numbers, text, lists, dicts and numpy arrays; nothing that they name is run.

Two gates. First the opcodes are walked without being obeyed: unknown ones, sizes beyond the file and memo slots that
would fill the memory are refused, and every large run of bytes is lifted out, so that a pickle of 244 MB becomes one
of a few kB beside views of the file. Then an `Unpickler` obeys what is left. It finds the names in `ALLOWED` and no
others, and finds stand-ins of ours under them: not one function of numpy's is within its reach.
"""

import io
import pickle
import pickletools
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.errors import UnreadableWeights
from alexnet.weights.raw import Damaged, reading

LARGE = 1024  # bytes; a shorter run stays in the pickle
MAX_OPCODES = 300_000
MAX_TUPLES = 20_000  # CPython hashes nested tuples by recursion in C: 200,000 of them end the process
MAX_DIMENSIONS = 8

OPCODES = {opcode.code.encode("latin1"): opcode for opcode in pickletools.opcodes}
# Everything that can bring in, or call, more than a name in ALLOWED; and references to the outside.
REFUSED = {b"P", b"Q", b"i", b"\x81", b"\x92", b"\x82", b"\x83", b"\x84", b"\x97", b"\x98"}
RUNS = {b"T", b"B", b"\x8e", b"\x96"}  # BINSTRING, BINBYTES, BINBYTES8, BYTEARRAY8
LENGTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: "<B",
    pickletools.TAKEN_FROM_ARGUMENT4: "<i",
    pickletools.TAKEN_FROM_ARGUMENT4U: "<I",
    pickletools.TAKEN_FROM_ARGUMENT8U: "<Q",
}
TUPLES = {b"t", b"\x85", b"\x86", b"\x87"}
PUTS = {b"p", b"q", b"r"}
FRAME, STOP = b"\x95", b"."


class PickledArray:
    """A numpy array in a pickle: shape and type checked against its bytes, which stay where they are."""

    __slots__ = ("value",)

    def __init__(self, *_: object) -> None:
        self.value: Any = None

    def __setstate__(self, state: tuple[object, tuple[int, ...], "PickledType", object, Any]) -> None:
        _, shape, kind, is_fortran, raw = state
        self.value = _array(shape, kind, "F" if is_fortran else "C", raw)


class PickledType:
    """A numpy dtype in a pickle."""

    __slots__ = ("order", "text")

    def __init__(self, text: str | bytes, *_: object) -> None:
        self.text = _plain(text)
        self.order = "|"

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.order = _plain(state[1])

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """The numeric dtype; None for Python objects."""
        if re.fullmatch(r"[|=<>]?O[48]?|object", self.text):
            return None
        if not re.fullmatch(r"[|=<>]?(?:[biuf][1248]|float(?:16|32|64)|u?int(?:8|16|32|64)|bool)", self.text):
            raise Damaged(f"an array of type {self.text[:20]!r}, which no weights are of")
        dtype = np.dtype(self.text)
        return dtype.newbyteorder(">" if self.order == ">" else "<") if self.order in ("<", ">") else dtype


class Ignored:
    """An object of a class that weights do not need."""

    __slots__ = ()

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


class _Name:
    """What a pickle finds under an allowed name: may be called with what the pickle has read, and nothing else.

    An object of its own each time, so that a pickle which writes attributes to what it found spoils nothing.
    """

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __call__(self, *arguments: object) -> Any:
        return self._make(*arguments)

    def __setstate__(self, _: object) -> None:
        raise Damaged("it writes to a name")


def unwrap(value: Any) -> Any:
    """What a `PickledArray` holds: the array, or the one object of an array of objects; else the value itself."""
    return value.value if isinstance(value, PickledArray) else value


def read_pickle(data: memoryview, path: Path) -> Any:
    """Return what a pickle holds; text of Python 2 comes as str, arrays as `PickledArray` (see `unwrap`).

    Args:
        data: the pickle, from its first byte; what follows it is not looked at. Arrays are views of it.
        path: named in errors.

    Raises:
        UnreadableWeights: it is damaged, or asks for something that is no part of weights.
    """
    with reading(path):
        try:
            slim, runs = lift(data)
            return _Unpickler(slim, runs, path).load()
        except (UnreadableWeights, Damaged):
            raise
        except Exception as error:  # whatever a stranger's bytes bring the unpickler to say: they are wrong
            raise Damaged(f"its pickle makes no sense ({type(error).__name__}: {str(error)[:200]})") from error


def lift(data: memoryview) -> tuple[bytes, list[memoryview]]:
    """Split a pickle into its structure and its large runs of bytes, each replaced by a reference to the outside.

    Raises:
        Damaged: an opcode that no weights need, or a size that the file does not have.
    """
    slim = io.BytesIO()
    runs: list[memoryview] = []
    tuples = count = 0
    for opcode, start, argument, end in opcodes(data):
        count, tuples = count + 1, tuples + (opcode in TUPLES)
        if tuples > MAX_TUPLES:
            raise Damaged(f"more than {MAX_TUPLES} tuples")
        if opcode in PUTS and _slot(data[argument:end], opcode) > count:
            raise Damaged("a memo slot out of order")
        if opcode in RUNS and end - argument > LARGE:
            slim.write(b"J" + struct.pack("<i", len(runs)) + b"Q")
            runs.append(data[argument:end])
        elif opcode != FRAME:  # a frame says how many bytes follow, which is no longer so
            slim.write(data[start:end])
    return slim.getvalue(), runs


def opcodes(data: memoryview) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield each opcode up to STOP, with where it starts, where its argument starts and where both end.

    Raises:
        Damaged: as `lift` says.
    """
    at = 0
    for _ in range(MAX_OPCODES):
        opcode = bytes(data[at : at + 1])
        if opcode not in OPCODES or opcode in REFUSED:
            what = OPCODES[opcode].name if opcode in OPCODES else opcode.hex() or "nothing"
            raise Damaged(f"opcode {what} at byte {at} of the pickle")
        argument, end = _extent(data, at + 1, OPCODES[opcode].arg)
        if end > len(data):
            raise Damaged(f"{end - len(data)} bytes are missing at its end")
        yield opcode, at, argument, end
        if opcode == STOP:
            return
        at = end
    raise Damaged(f"more than {MAX_OPCODES} opcodes")


def _extent(data: memoryview, at: int, kind: pickletools.ArgumentDescriptor | None) -> tuple[int, int]:
    """Where the argument of an opcode starts, behind its length, and where it ends."""
    if kind is None:
        return at, at
    if kind.n in LENGTHS:
        start = at + struct.calcsize(LENGTHS[kind.n])
        if start > len(data):
            return at, start  # for the caller to find too long
        (length,) = struct.unpack(LENGTHS[kind.n], data[at:start])
        if length < 0:
            raise Damaged("a negative length")
        return start, start + length
    if kind.n == pickletools.UP_TO_NEWLINE:
        lines = 2 if kind is pickletools.stringnl_noescape_pair else 1
        return at, _after_lines(data, at, lines)
    return at, at + kind.n


def _after_lines(data: memoryview, at: int, lines: int) -> int:
    for _ in range(lines):
        step = 256  # lines are short; a text array of protocol 0 is one long line
        while (found := bytes(data[at : at + step]).find(b"\n")) < 0:
            if at + step >= len(data):
                return len(data) + 1
            step *= 2
        at += found + 1
    return at


def _slot(argument: memoryview, opcode: bytes) -> int:
    return int(bytes(argument)) if opcode == b"p" else int.from_bytes(argument, "little")


class _Unpickler(pickle.Unpickler):
    def __init__(self, slim: bytes, runs: list[memoryview], path: Path) -> None:
        super().__init__(io.BytesIO(slim), encoding="latin1")
        self._runs, self._path = runs, path

    def persistent_load(self, pid: int) -> memoryview:
        return self._runs[pid]

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in ALLOWED:
            raise UnreadableWeights(
                f"{self._path} asks for {module_name}.{global_name}, which is no part of weights, so the file is "
                "refused; nothing of it was run. Get the weights from a source you trust, best as safetensors."
            )
        return _Name(ALLOWED[module_name, global_name])


def _plain(text: object) -> str:
    return str(text, "latin1") if isinstance(text, bytes | memoryview) else str(text)


def _array(shape: Any, kind: PickledType, order: Any, raw: Any) -> Any:
    """The array of a shape over its bytes; for one Python object, as `np.save` wraps a dict, that object."""
    dtype = kind.dtype
    if dtype is None:
        if shape != () or not isinstance(raw, list) or len(raw) != 1:
            raise Damaged(f"an array of Python objects of shape {shape}")
        return raw[0]
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    if not isinstance(shape, tuple) or len(shape) > MAX_DIMENSIONS or min(shape, default=0) < 0:
        raise Damaged("a shape that is none")
    return np.frombuffer(raw, dtype).reshape(shape, order=order) if len(raw) else np.empty(0, dtype).reshape(shape)


def _scalar(kind: PickledType, raw: Any) -> Any:
    return _array((), kind, "C", raw).item()


def _from_buffer(raw: Any, kind: PickledType, shape: Any, order: Any) -> PickledArray:
    array = PickledArray()
    array.value = _array(shape, kind, "F" if order == "F" else "C", raw)
    return array


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """`_codecs.encode`, how Python 3 writes bytes in protocol 2."""
    if encoding not in ("latin1", "latin-1"):
        raise Damaged(f"bytes in {encoding!r}")
    return text.encode("latin1")


NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")  # before and since numpy 2
# Python 2's cuda-convnet stores its command line with the network.
CUDA_CONVNET_OPTIONS = (
    "OptionsParser", "Option", "OptionParser", "OptionExpression", "BooleanOptionParser", "StringOptionParser",
    "IntegerOptionParser", "FloatOptionParser", "RangeOptionParser", "ListOptionParser",
)  # fmt: skip
ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    **{(module, "_reconstruct"): PickledArray for module in NUMPY},
    **{(module, "scalar"): _scalar for module in NUMPY},
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("numpy", "ndarray"): Ignored,  # an argument of _reconstruct
    ("numpy", "dtype"): PickledType,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): dict,
    **{(module, name): Ignored for module in ("options", "python_util.options") for name in CUDA_CONVNET_OPTIONS},
}
