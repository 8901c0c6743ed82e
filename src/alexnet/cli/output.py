"""What a command prints: results on stdout, everything else on stderr, and only from rank 0.

`rich` is imported inside, so that `--help` does not wait for it.
"""

import json as jsonlib
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

WIDTH_OF_FILES = 160  # a file or a pipe has no width; rows stay whole, so that grep finds them


def speaks() -> bool:
    """Whether this process prints: of several that train together, the first."""
    return os.environ.get("RANK", "0") == "0"


def say(message: str) -> None:
    """Print a line for the person at the keyboard, on stderr."""
    if speaks():
        print(message, file=sys.stderr, flush=True)


def show(json: bool, document: Any, parts: Iterable["RenderableType"]) -> None:
    """Print a result: the document for programs, or the parts for people."""
    if json:
        write_json(document)
    else:
        write(*parts)


def write_json(document: Any) -> None:
    """Print the one document of `--json`."""
    if speaks():
        print(jsonlib.dumps(document, indent=2, ensure_ascii=False))


def write(*parts: "RenderableType") -> None:
    """Print text and tables, one below the other."""
    if speaks():
        screen = console(sys.stdout)
        for part in parts:
            screen.print(part, soft_wrap=isinstance(part, str))


def console(stream: Any) -> "Console":
    """A console that prints names as they are; colours only on a terminal and without NO_COLOR."""
    from rich.console import Console

    width = None if stream.isatty() else WIDTH_OF_FILES
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> "Table":
    """Aligned columns without lines; those named in `right` hold numbers."""
    from rich.table import Table

    result = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in header:
        result.add_column(name, justify="right" if name in right else "left")
    for row in rows:
        result.add_row(*row)
    return result


def bar(share: float, width: int = 20) -> str:
    """A bar of `share` (0..1) of `width` characters, to an eighth of one where the terminal can draw it."""
    eighths = round(share * width * 8)
    if not draws_blocks():
        return "#" * round(eighths / 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def draws_blocks() -> bool:
    """Whether stdout can encode block characters."""
    try:
        "█▏".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def percent(share: float) -> str:
    """A share of 0..1 as people read it: 3.83 %."""
    return f"{100 * share:.2f} %"
