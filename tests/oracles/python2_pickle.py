"""Pickles as Python 2's cPickle wrote them in protocol 2, opcode by opcode: text is bytes, numpy is of 2012.

`str` becomes unicode, `bytes` becomes Python 2's str, arrays carry their bytes as such a str.
"""

import io
import struct
from typing import Any

import numpy as np

MULTIARRAY = b"cnumpy.core.multiarray\n_reconstruct\n"


def dumps(value: Any) -> bytes:
    """A whole pickle."""
    return b"\x80\x02" + _any(value) + b"."


def npy(value: Any) -> bytes:
    """What `np.save` of a dict was: numpy's header, then the pickle of an array of one object."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    return file.getvalue() + b"\x80\x02" + _array_of((), b"O8", b"|", _any([value])) + b"."


def _any(value: Any) -> bytes:
    match value:
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            if abs(value) >= 1 << 31:
                return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)
            return b"K" + bytes([value]) if 0 <= value < 256 else b"J" + struct.pack("<i", value)
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case bytes():
            short = b"U" + bytes([len(value) % 256])
            return (short if len(value) < 256 else b"T" + struct.pack("<i", len(value))) + value
        case list():
            return b"](" + b"".join(map(_any, value)) + b"e"
        case tuple():
            return b"(" + b"".join(map(_any, value)) + b"t"
        case dict():
            return b"}(" + b"".join(_any(key) + _any(entry) for key, entry in value.items()) + b"u"
        case np.ndarray():
            array = np.asfortranarray(value) if value.flags.f_contiguous else np.ascontiguousarray(value)
            code = array.dtype.str[1:].encode()
            is_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
            return _array_of(array.shape, code, b"<", _any(array.tobytes("A")), is_fortran)
    raise TypeError(type(value))


def _array_of(shape: tuple[int, ...], code: bytes, order: bytes, raw: bytes, is_fortran: bool = False) -> bytes:
    """An array: _reconstruct(ndarray, (0,), 'b'), then its state."""
    made = MULTIARRAY + b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    dtype = b"cnumpy\ndtype\n" + _any(code) + b"K\x00K\x01\x87R"
    dtype += _any((3, order, None, None, None, -1, -1, 0)) + b"b"
    return made + b"(K\x01" + _any(tuple(shape)) + dtype + _any(is_fortran) + raw + b"tb"


def instance(module: bytes, name: bytes, state: dict[Any, Any]) -> bytes:
    """An old-style instance with a state, as cuda-convnet's options were: for pasting into a pickle."""
    return b"(c" + module + b"\n" + name + b"\no" + _any(state) + b"b"
