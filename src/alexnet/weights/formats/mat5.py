"""MATLAB's files of level 5 (`save -v6`, `-v7`): structs, cells, text and arrays, views of the file where they can be.

A reader of our own and not scipy's: one function of a 35 MB package, which takes the memory that a file asks for
before it looks whether the file is as long, and unpacks all of it.

Source: MathWorks, "MAT-File Format", level 5.
"""

import struct
import zlib
from math import prod
from typing import Any, NamedTuple

import numpy as np

from alexnet.weights.raw import Damaged

NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {1: "latin1", 2: "latin1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
MATRIX, COMPRESSED = 14, 15
CELL, STRUCT, CHAR = 1, 2, 4
NUMERIC = range(6, 16)
HEADER = 128
MAX_ELEMENTS = 100_000
MAX_DEPTH = 12
MAX_RATIO, SPARE = 4, 64 << 20  # trained floats pack by a tenth; what unpacks to more is no network
Cell = list[Any]
Struct = list[dict[str, Any]]


class _Element(NamedTuple):
    kind: int
    data: memoryview
    end: int  # of its padding


def read_mat(data: memoryview) -> dict[str, Any]:
    """Return the variables of a file: arrays in MATLAB's shape, text as str, cells as lists, structs as lists of dicts.

    Values of other classes (objects, sparse matrices, functions) are None.

    Raises:
        Damaged: the bytes do not make sense, or unpack to more than numbers can.
    """
    if len(data) < HEADER or bytes(data[126:128]) not in (b"IM", b"MI"):
        raise Damaged("it has no MAT header")
    return _Parser(data, "<" if bytes(data[126:128]) == b"IM" else ">").variables()


class _Parser:
    def __init__(self, data: memoryview, order: str) -> None:
        self._data, self._order = data, order
        self._room = MAX_RATIO * len(data) + SPARE
        self._seen = 0

    def variables(self) -> dict[str, Any]:
        found, at = {}, HEADER
        while at < len(self._data):
            element = self._element(self._data, at)
            if element.kind == COMPRESSED:
                # What is packed is not padded.
                at, element = at + 8 + len(element.data), self._element(self._unpacked(element.data), 0)
            else:
                at = element.end
            if element.kind == MATRIX:
                name, value = self._matrix(element.data, 0)
                found[name] = value
        return found

    def _element(self, data: memoryview, at: int) -> _Element:
        self._seen += 1
        if self._seen > MAX_ELEMENTS:
            raise Damaged(f"more than {MAX_ELEMENTS} elements")
        if at + 8 > len(data):
            raise Damaged("it ends within an element")
        kind, size = struct.unpack(self._order + "II", data[at : at + 8])
        if kind >> 16:  # four bytes or fewer stand in the tag itself
            size, kind = kind >> 16, kind & 0xFFFF
            start, end = at + 4, at + 8
            if size > 4:
                raise Damaged("an element is longer than its place")
        else:
            start = at + 8
            end = start + -(-size // 8) * 8
        if start + size > len(data):
            raise Damaged(f"an element needs {start + size - len(data)} bytes more than there are")
        return _Element(kind, data[start : start + size], end)

    def _unpacked(self, packed: memoryview) -> memoryview:
        """The one element in a compressed one, whose length is looked at before memory is taken."""
        inflate = zlib.decompressobj()
        try:
            tag = inflate.decompress(packed, 8)
            size = struct.unpack(self._order + "II", tag)[1]
            self._room -= size
            if self._room < 0:
                raise Damaged(f"a compressed element would unpack to {size} bytes")
            return memoryview(tag + inflate.decompress(inflate.unconsumed_tail, size + 8) if size else tag)
        except (zlib.error, struct.error) as error:
            raise Damaged(f"a compressed element does not unpack ({error})") from error

    def _matrix(self, data: memoryview, depth: int) -> tuple[str, Any]:
        if not data:
            return "", np.empty((0, 0))  # an empty cell
        if depth > MAX_DEPTH:
            raise Damaged(f"more than {MAX_DEPTH} levels of cells and structs")
        flags, at = self._number(data, 0, "u4")
        kind = int(flags[0]) & 255 if len(flags) else 0
        if kind not in (CELL, STRUCT, CHAR, *NUMERIC):
            return "", None
        dims, at = self._number(data, at, "i4")
        shape = tuple(int(size) for size in dims)
        if len(shape) < 2 or min(shape) < 0:
            raise Damaged(f"an array of shape {shape}")
        name = self._element(data, at)
        at = name.end
        return str(name.data, "latin1"), self._value(kind, data, at, shape, depth)

    def _value(self, kind: int, data: memoryview, at: int, shape: tuple[int, ...], depth: int) -> Any:
        if kind == CELL:
            return self._list(data, at, prod(shape), depth)[0]
        if kind == STRUCT:
            return self._struct(data, at, prod(shape), depth)
        element = self._element(data, at)
        if kind == CHAR:
            return str(element.data, self._encoding(element.kind), "replace").replace("\0", "")
        numbers = self._numbers(element)
        if len(numbers) != prod(shape):
            raise Damaged(f"an array of shape {shape} holds {len(numbers)} numbers")
        return numbers.reshape(shape[::-1]).T  # MATLAB's first axis is the fastest

    def _list(self, data: memoryview, at: int, count: int, depth: int) -> tuple[list[Any], int]:
        values = []
        for _ in range(count):
            element = self._element(data, at)
            values.append(self._matrix(element.data, depth + 1)[1] if element.kind == MATRIX else None)
            at = element.end
        return values, at

    def _struct(self, data: memoryview, at: int, count: int, depth: int) -> Struct:
        lengths, at = self._number(data, at, "i4")
        names = self._element(data, at)
        at, width = names.end, int(lengths[0]) if len(lengths) else 0
        if width < 1 or len(names.data) % width:
            raise Damaged("a struct whose field names have no length")
        fields = [
            bytes(names.data[start : start + width]).split(b"\0")[0].decode("latin1")
            for start in range(0, len(names.data), width)
        ]
        if not fields:
            return []
        structs = []
        for _ in range(count):
            values, at = self._list(data, at, len(fields), depth)
            structs.append(dict(zip(fields, values, strict=True)))
        return structs

    def _number(self, data: memoryview, at: int, dtype: str) -> tuple[np.ndarray, int]:
        element = self._element(data, at)
        numbers = self._numbers(element)
        if numbers.dtype.str[1:] != dtype:
            raise Damaged(f"numbers of type {numbers.dtype} where {dtype} is due")
        return numbers, element.end

    def _numbers(self, element: _Element) -> np.ndarray:
        if element.kind not in NUMBERS:
            raise Damaged(f"an element of type {element.kind} where numbers are due")
        dtype = np.dtype(self._order + NUMBERS[element.kind])
        if len(element.data) % dtype.itemsize:
            raise Damaged("an array is no whole number of values")
        return np.frombuffer(element.data, dtype)

    def _encoding(self, kind: int) -> str:
        encoding = TEXTS.get(kind)
        if encoding is None:
            raise Damaged(f"text of type {kind}")
        return encoding if encoding in ("latin1", "utf-8") else encoding + ("-le" if self._order == "<" else "-be")
