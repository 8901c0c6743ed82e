"""Files and folders that are whole or absent, whatever ends the process while they are written.

Written aside, forced to the disk, renamed: a rename is the only step that another process, or the next boot, can see.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from alexnet.data.durable import flush
from alexnet.errors import AlexNetError

ASIDE = ".tmp"
OLD = ".old"


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then put that in the place of `path`."""
    aside = path.with_name(f"{path.name}.{os.getpid()}{ASIDE}")
    try:
        write(aside)
        flush(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    flush(path.parent)


def replace_folder(folder: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a folder beside `folder`, then put that in the place of `folder`.

    No rename replaces a folder that has contents: the old one steps aside as `NAME.old` first and goes last, so that
    at every moment one of the two is whole.
    """
    aside, old = folder.with_name(folder.name + ASIDE), folder.with_name(folder.name + OLD)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    write(aside)
    for file in aside.iterdir():
        flush(file)
    flush(aside)
    if folder.exists():
        remove_folder(old)
        folder.rename(old)
    aside.rename(folder)
    flush(folder.parent)
    remove_folder(old)


def remove_folder(folder: Path) -> None:
    """Remove a folder so that no half of it keeps the name."""
    doomed = folder.with_name(folder.name + ASIDE)
    if folder.exists():
        shutil.rmtree(doomed, ignore_errors=True)
        folder.rename(doomed)
        shutil.rmtree(doomed)


def sha256(path: Path) -> str:
    """Digest of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def writing(path: Path, error: type[AlexNetError]) -> Iterator[None]:
    """Turn what the system says against writing `path` into `error`: no permission, a full disk, a file in the way."""
    try:
        yield
    except (OSError, SafetensorError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise error(
            f"{path} cannot be written: {reason}. What was there before is unharmed; "
            "free some space or name a folder that you may write to."
        ) from cause
