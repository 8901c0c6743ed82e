"""Strangers' pickles as plain data: numbers, text, lists, dicts and numpy arrays; nothing that they name is run.

Two gates. First `opcodes.lift` walks the opcodes without obeying them. Then an `Unpickler` obeys what is left. It finds
the names in `ALLOWED` and no others, and finds stand-ins of ours under them: not one function of numpy's is within its
reach.
"""

import io
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.errors import UnreadableWeights
from alexnet.weights.opcodes import lift
from alexnet.weights.raw import Damaged, reading

MAX_DIMENSIONS = 8


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
