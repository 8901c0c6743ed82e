"""`imagenet.decafnet.meta`: what DeCAF keeps beside its network, the names of the classes and the mean image.

Source: DeCAF's scripts/imagenet.py, which turns a picture upside down before it subtracts the mean of all 256 rows.
"""

from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.weights.mapped import mapped
from alexnet.weights.pickles import read_pickle, unwrap
from alexnet.weights.raw import Damaged, reading

STARTS = (b"\x80", b"(dp", b"}q")  # a pickle, of whatever protocol


def is_pickle(path: Path) -> bool:
    """Whether a file begins as a pickle; False where it cannot be opened."""
    try:
        with path.open("rb") as file:
            return file.read(3).startswith(STARTS)
    except OSError:
        return False


def read_mean(path: Path) -> np.ndarray:
    """The mean image, upright as our pictures are: (S, S, 3), RGB, 0-255.

    Raises:
        UnreadableWeights: there is none.
    """
    with reading(path):
        values = unwrap(_meta(path).get("data_mean"))
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
            raise Damaged("a pickle without a mean image under data_mean")
        side = isqrt(values.size // 3)
        if not side or 3 * side**2 != values.size:
            raise Damaged(f"a mean image of {values.size} values, which are no three square planes")
        upside_down = values.reshape(3, side, side).transpose(1, 2, 0)
        with np.errstate(over="ignore"):  # what float32 cannot hold is found to be infinite
            return np.ascontiguousarray(upside_down[::-1], dtype=np.float32)


def read_names(path: Path) -> list[str]:
    """The names of the classes, in the order of the network's outputs.

    Raises:
        UnreadableWeights: there are none.
    """
    with reading(path):
        names = _meta(path).get("label_names")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise Damaged("a pickle without names of classes under label_names")
        return names


def _meta(path: Path) -> dict[str, Any]:
    tree = read_pickle(mapped(path), path)
    if not isinstance(tree, dict):
        raise Damaged(f"a pickled {type(tree).__name__}; expected DeCAF's imagenet.decafnet.meta")
    return tree
