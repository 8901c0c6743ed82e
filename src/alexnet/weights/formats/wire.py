"""Protocol buffers, as far as weights need them: messages from tables of field numbers, numbers as views of the file.

Google's parser makes a Python number of every float, and so takes 1.5 s for 244 MB, seven times as long as this, and is
one package more to install. The wire format itself is four ways to say how long a field is, and an array of floats
lies in the file as numpy wants it, so that reading is finding out where. Tests compare with Google's parser and writer.

Source: protobuf.dev, "Encoding".
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, Union

import numpy as np

from alexnet.weights.raw import Damaged

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MAX_FIELDS = 200_000  # of one file: a real one has a few thousand, a hostile one would take minutes
Message = dict[str, Any]
Kind = Union[Literal["int", "ints", "float", "text", "texts", "span", "floats", "doubles"], "Schema"]


class Field(NamedTuple):
    """A field that is wanted: the key under which `decode` gives it, and what it is.

    int, float, text: the last one given, as protobuf rules. ints, texts: a list. floats, doubles: a list of arrays,
    packed or not. span: a list of views. A table: a list of messages.
    """

    name: str
    kind: Kind


Schema = Mapping[int, Field]


class Span(NamedTuple):
    """One field on the wire: its number, how its length was said, and where its value lies."""

    number: int
    wire: int
    tag: int
    start: int
    end: int


class Decoder:
    """Turns the bytes of one file into messages; counts the fields it has seen."""

    def __init__(self) -> None:
        self._seen = 0

    def decode(self, data: memoryview, schema: Schema) -> Message:
        """Return the wanted fields of a message by name; fields that are not in the table are passed over.

        Raises:
            Damaged: the bytes are no message, or a wanted field is not what the table says.
        """
        message: Message = {}
        at = 0
        while at < len(data):
            span, at = self._field(data, at, schema)
            wanted = schema.get(span.number)
            if wanted is not None:
                self._add(message, wanted, span, data)
        return message

    def spans(self, data: memoryview) -> Iterator[Span]:
        """Yield each field of a message, whatever it is."""
        at = 0
        while at < len(data):
            span, at = self._field(data, at, {})
            yield span

    def _field(self, data: memoryview, at: int, schema: Schema) -> tuple[Span, int]:
        self._seen += 1
        if self._seen > MAX_FIELDS:
            raise Damaged(f"more than {MAX_FIELDS} fields")
        key, start = varint(data, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise Damaged(f"a field without a number at byte {at}")
        if wire == LENGTH:
            length, start = varint(data, start)
            end = start + length
        elif wire == VARINT:
            _, end = varint(data, start)
        elif wire in (FIXED32, FIXED64):
            end = start + (4 if wire == FIXED32 else 8)
        else:
            raise Damaged(f"wire type {wire} at byte {at}")
        if end > len(data):
            raise Damaged(f"field {number} needs {end - len(data)} bytes more than there are")
        span = Span(number, wire, at, start, end)
        if number in schema and schema[number].kind in ("floats", "doubles") and wire in (FIXED32, FIXED64):
            span = span._replace(end=_run_end(data, span))  # millions of such fields are one array
        return span, span.end

    def _add(self, message: Message, field: Field, span: Span, data: memoryview) -> None:
        name, kind = field
        if kind == "int":
            _expect(span, VARINT)
            message[name] = _signed(varint(data, span.start)[0])
        elif kind == "float":
            _expect(span, FIXED32)
            message[name] = struct.unpack("<f", data[span.start : span.end])[0]
        elif kind == "ints":
            message.setdefault(name, []).extend(self._ints(data, span))
        elif kind in ("floats", "doubles"):
            message.setdefault(name, []).append(_numbers(data, span, "<f4" if kind == "floats" else "<f8"))
        else:
            _expect(span, LENGTH)
            value = data[span.start : span.end]
            if kind == "text":
                message[name] = _text(value)
            elif kind == "span":
                message.setdefault(name, []).append(value)
            elif kind == "texts":
                message.setdefault(name, []).append(_text(value))
            else:
                assert isinstance(kind, Mapping)
                message.setdefault(name, []).append(self.decode(value, kind))

    def _ints(self, data: memoryview, span: Span) -> list[int]:
        if span.wire == VARINT:
            return [_signed(varint(data, span.start)[0])]
        _expect(span, LENGTH)
        values, at = [], span.start
        while at < span.end:
            value, at = varint(data, at)
            values.append(_signed(value))
            self._seen += 1
            if self._seen > MAX_FIELDS:
                raise Damaged(f"more than {MAX_FIELDS} numbers in lists")
        return values


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first, and where it ends."""
    value = shift = 0
    while shift < 70:
        if at >= len(data):
            raise Damaged("it ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise Damaged(f"a number of more than ten bytes before byte {at}")


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _expect(span: Span, wire: int) -> None:
    if span.wire != wire:
        raise Damaged(f"field {span.number} has wire type {span.wire}, not {wire}")


def _text(value: memoryview) -> str:
    return str(value, "utf-8", "replace")


def _run_end(data: memoryview, span: Span) -> int:
    """Where a run of fields with the tag of `span` ends: unpacked numbers, each with its tag."""
    records = _records(data, span, span.end - span.start, len(data))
    count, step = 0, 64
    while count < len(records):  # in steps, so that many short runs do not each look at the whole file
        other = np.flatnonzero((records["tag"][count : count + step] != records["tag"][0]).any(axis=1))
        if len(other):
            count += int(other[0])
            break
        count, step = min(count + step, len(records)), 2 * step
    return span.tag + count * records.itemsize


def _records(data: memoryview, span: Span, width: int, end: int) -> np.ndarray:
    record = np.dtype([("tag", "u1", (span.start - span.tag,)), ("value", f"<f{width}")])
    return np.frombuffer(data, record, (end - span.tag) // record.itemsize, span.tag)


def _numbers(data: memoryview, span: Span, dtype: str) -> np.ndarray:
    """An array, packed behind one tag (a view) or of fields with a tag each (a copy)."""
    width = int(dtype[-1])
    if span.wire == LENGTH:
        if (span.end - span.start) % width:
            raise Damaged(f"field {span.number} is no whole number of floats")
        return np.frombuffer(data[span.start : span.end], dtype)
    _expect(span, FIXED32 if width == 4 else FIXED64)
    return np.ascontiguousarray(_records(data, span, width, span.end)["value"])


def encode(number: int, value: int | float | str | bytes | np.ndarray) -> bytes:
    """One field on the wire; a nested message is its bytes, an array is packed."""
    if isinstance(value, int):
        return _varint(number << 3 | VARINT) + _varint(value)
    if isinstance(value, float):
        return _varint(number << 3 | FIXED32) + struct.pack("<f", value)
    body = value.encode() if isinstance(value, str) else bytes(value)
    return header(number, len(body)) + body


def header(number: int, length: int) -> bytes:
    """What stands before the `length` bytes of a field."""
    return _varint(number << 3 | LENGTH) + _varint(length)


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])
