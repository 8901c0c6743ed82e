"""Names of classes from a file of their own, as foreign weights need them: read as text, never executed."""

import ast
import re
from pathlib import Path

from alexnet.errors import UsageError
from alexnet.weights import decaf_meta
from alexnet.weights.caches import find_here
from alexnet.weights.caffe_extras import NAMES, is_gzip, member
from alexnet.weights.registry import FILES, not_here

WNID = re.compile(r"n\d{8}\s+")
LARGEST_FILE = 16 * 2**20


def read_class_names(path: Path, count: int) -> tuple[str, ...]:
    """Return the `count` names that a file holds, in the order of the head's rows.

    Args:
        path: a text of one name per line (Caffe's `synset_words.txt` loses its wnids), the archive that this came in
            (or its registered name, caffe-ilsvrc12), DeCAF's `imagenet.decafnet.meta`, or a Python file that assigns
            a list of names or one text of lines, such as the `caffe_classes.py` of 2017.
        count: classes of the network.

    Raises:
        UsageError: no such file, not a text, or another number of names; a registered one that is not here.
        UnreadableWeights: an archive without them.
    """
    path = _registered(path)
    names = tuple(decaf_meta.read_names(path)) if decaf_meta.is_pickle(path) else _names(_text(path))
    if len(names) != count:
        raise UsageError(
            f"{path} names {len(names)} classes, but the network has {count}. "
            "Expected one name per line, in the order of the network's classes."
        )
    return names


def _registered(path: Path) -> Path:
    """The archive behind a registered name; any other path as it is."""
    file = FILES.get(str(path))
    if file is None or file.kind != "names and mean":
        return path
    found = find_here(file)
    if found is None:
        raise not_here(file)
    return found


def _text(path: Path) -> str:
    if is_gzip(path):
        return str(member(path, NAMES), "utf-8", "replace")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UsageError(f"{path} has {path.stat().st_size:,} bytes: too many for a list of class names.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as cause:
        raise UsageError(f"{path} cannot be read: {cause.strerror}. Name a file with one class per line.") from cause
    except UnicodeDecodeError as cause:
        raise UsageError(f"{path} is not a text in UTF-8. Expected one class name per line.") from cause


def _names(text: str) -> tuple[str, ...]:
    assigned = _assigned(text)
    names = [line.strip() for line in text.splitlines() if line.strip()] if assigned is None else assigned
    if names and all(map(WNID.match, names)):
        names = [WNID.sub("", name, count=1) for name in names]
    return tuple(names)


def _assigned(text: str) -> list[str] | None:
    """The names that Python source assigns; None where the text is no such source."""
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    values = [statement.value for statement in statements if isinstance(statement, ast.Assign)]
    return _listed(values[0]) if values else None


def _listed(value: ast.expr) -> list[str]:
    """The texts in an expression: those of a list, or the lines of one text, whatever is called on it."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        value = value.func.value  # '''...'''.split("\n")
    if isinstance(value, ast.List | ast.Tuple):
        return [str(item.value) for item in value.elts if isinstance(item, ast.Constant)]
    if isinstance(value, ast.Dict):
        return [str(item.value) for item in value.values if isinstance(item, ast.Constant)]
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return [line.strip() for line in value.value.splitlines() if line.strip()]
    return []
