"""Files that are whole or absent, whatever ends the process while they are written."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def written_aside(path: Path) -> Iterator[BinaryIO]:
    """A file to write that becomes `path` when the block ends well: flushed to the disk first, then renamed.

    What a killed process left aside is overwritten by the next that makes the same file.
    """
    aside = path.with_name(path.name + ".tmp")
    try:
        with aside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    flush(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write one JSON document, indented and whole."""
    with written_aside(path) as file:
        file.write((json.dumps(value, indent=1, ensure_ascii=True) + "\n").encode("ascii"))


def flush(path: Path) -> None:
    """Force a file, or the names in a folder, to the disk; without the latter a rename can be lost."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
