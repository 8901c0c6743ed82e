"""Drawn pictures as clients send them."""

import io
import struct
import zlib

from oracles.classifiers import draw


def png(seed: int, **size: int) -> bytes:
    return encoded("PNG", seed, **size)


def encoded(format: str, seed: int, **size: int) -> bytes:
    file = io.BytesIO()
    draw(seed, **size).save(file, format)
    return file.getvalue()


def boastful_png(width: int, height: int) -> bytes:
    """A small PNG whose header says that it is large."""
    start, header, rest = png(1)[:12], png(1)[12:29], png(1)[33:]
    header = header[:4] + struct.pack(">II", width, height) + header[12:]
    return start + header + struct.pack(">I", zlib.crc32(header)) + rest


def multipart(*files: tuple[str, bytes]) -> bytes:
    """Fields `file`; the boundary is x."""
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in files
    ]
    return b"".join(parts) + b"--x--\r\n"
