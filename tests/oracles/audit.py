"""What the interpreter itself says that it does: an audit hook that is deaf but inside `listening`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Whatever runs code, starts a process, opens a connection or changes files.
WATCHED = (
    "compile", "exec", "import", "os.", "subprocess.", "socket.", "shutil.", "ctypes.", "pty.", "code.", "marshal.",
    "tempfile.", "urllib.", "builtins.input", "builtins.breakpoint",
)  # fmt: skip
_heard: list[str] = []
_is_on = [False]


def _hook(event: str, arguments: object) -> None:
    if _is_on[0] and event.startswith(WATCHED):
        _heard.append(f"{event}{arguments}"[:300])


sys.addaudithook(_hook)  # stays for the life of the process


@contextmanager
def listening() -> Iterator[list[str]]:
    """Yield a list that grows by every event of `WATCHED` inside the block."""
    _heard.clear()
    _is_on[0] = True
    try:
        yield _heard
    finally:
        _is_on[0] = False
