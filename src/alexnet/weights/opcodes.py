"""The opcodes of a pickle, walked and not obeyed: what must not be in it is refused, what is large is lifted out.

Unknown opcodes, sizes beyond the file and memo slots that would fill the memory are refused. Every large run of bytes
becomes a reference, so that a pickle of 244 MB is one of a few kB beside views of the file.
"""

import io
import pickletools
import struct
from collections.abc import Iterator

from alexnet.weights.raw import Damaged

LARGE = 1024  # bytes; a shorter run stays in the pickle
MAX_OPCODES = 300_000
MAX_TUPLES = 20_000  # CPython hashes nested tuples by recursion in C: 200,000 of them end the process

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
