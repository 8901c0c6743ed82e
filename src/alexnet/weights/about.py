"""What a file of weights is, as far as it or anybody can tell: facts with their sources, layers, size, checksum."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from alexnet.errors import UsageError
from alexnet.lineages import Lineage
from alexnet.weights.compact import CODES, LEFT
from alexnet.weights.durable import sha256
from alexnet.weights.foreign import read_raw
from alexnet.weights.identity import FILE, as_json
from alexnet.weights.load import locate
from alexnet.weights.means import MeanSource
from alexnet.weights.opened import Opened, open_weights
from alexnet.weights.raw import Fact, Raw
from alexnet.weights.registry import KnownFile, told_by_checksum
from alexnet.weights.structure import expected_layers

# What people ask first; whatever else is known follows.
ORDER = (
    "format", "name", "lineage", "changes", "classes", "labels", "order", "range", "mean", "mean_image",
    "mean_alignment", "std", "size", "resize", "fit", "detail", "flatten",
)  # fmt: skip


@dataclass(frozen=True)
class Array:
    """An array as it lies in a file; `axes` name its dimensions, slowest first."""

    shape: tuple[int, ...]
    dtype: str
    axes: str


@dataclass(frozen=True)
class LayerInFile:
    """A layer with weights: our name for it, "" where nobody can tell, and the file's."""

    name: str
    name_in_file: str
    weight: Array
    bias: Array | None


@dataclass(frozen=True)
class About:
    """All that is known of a file.

    Attributes:
        facts: each with its source, what people ask first in front.
        published: the published file that it is a copy of, to the last bit; None for any other.
        open_question: what must be said before it can be loaded; "" where nothing.
    """

    path: Path
    size_bytes: int
    sha256: str
    facts: Mapping[str, Fact]
    layers: tuple[LayerInFile, ...]
    published: KnownFile | None
    open_question: str = ""

    @property
    def params(self) -> int:
        """Numbers in all arrays of its layers."""
        arrays = [array for layer in self.layers for array in (layer.weight, layer.bias) if array is not None]
        return sum(_count(array.shape) for array in arrays)

    def to_dict(self) -> dict[str, Any]:
        """The same as `weights info --json` prints it."""
        return {
            "file": str(self.path),
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "published_as": self.published.name if self.published else None,
            "params": self.params,
            "facts": {
                name: {"value": as_json(value), "source": source} for name, (value, source) in self.facts.items()
            },
            "layers": [_layer_dict(layer) for layer in self.layers],
            "open_question": self.open_question,
        }


def about(
    source: str | Path, lineage: str | None = None, *, mean: MeanSource | None = None, external: Path | None = None
) -> About:
    """Say what the file is that `source` names.

    A file that cannot tell its lineage is described as far as it can be: `open_question` says what is missing.

    Args:
        lineage: what the user says that it is.
        mean: what is subtracted, for a foreign file, see `read_mean`.
        external: folder where an ONNX file may keep its weights.

    Raises:
        UsageError: nothing is called so.
        WeightsError: it is no file of weights, is damaged, or is no AlexNet that we know.
    """
    path = locate(source)
    question = ""
    try:
        opened = open_weights(source, lineage, mean=mean, external=external)
        facts, layers = dict(opened.facts), tuple(_layers(opened))
        kind = opened.raw.format if opened.raw else opened.kind
    except UsageError as error:
        if lineage is not None or mean is not None:
            raise
        raw = read_raw(path, external)
        question, kind = str(error), raw.format
        facts = {"format": Fact(f"{raw.format} ({raw.detail})" if raw.detail else raw.format, FILE)}
        facts |= {name: fact for name, fact in raw.facts.items() if name != "labels"}
        layers = tuple(_foreign_layers(raw, None))
    published = told_by_checksum(path, kind)
    return About(path, path.stat().st_size, sha256(path), _ordered(facts), layers, published, question)


def _ordered(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    names = [name for name in ORDER if name in facts]
    return {name: facts[name] for name in (*names, *sorted(facts.keys() - set(names)))}


def _layers(opened: Opened) -> Iterator[LayerInFile]:
    if opened.raw is not None:
        return _foreign_layers(opened.raw, opened.weights.lineage)
    return _own_layers(opened.path, opened.weights.lineage)


def _foreign_layers(raw: Raw, lineage: Lineage | None) -> Iterator[LayerInFile]:
    names = [expected.name for expected in expected_layers(lineage)] if lineage else [""] * len(raw.layers)
    for layer, name in zip(raw.layers, names, strict=True):
        bias = layer.bias
        yield LayerInFile(
            name,
            layer.name,
            Array(layer.weight.shape, str(layer.weight.dtype), layer.axes),
            None if bias is None else Array(bias.shape, str(bias.dtype), "PO" if bias.ndim == 2 else "O"),
        )


def _own_layers(path: Path, lineage: Lineage) -> Iterator[LayerInFile]:
    """The layers of a file of ours as they are stored: loaded they are all float32."""
    with safe_open(path, framework="pt") as file:
        stored = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        held = {
            name: (DTYPES.get(part.get_dtype(), part.get_dtype()), part.get_shape()) for name, part in stored.items()
        }
    for expected in expected_layers(lineage):
        axes = {4: "OIHW", 3: "POI", 2: "OI"}[len(expected.weight)]
        weight = Array(expected.weight, _how_stored(f"{expected.name}.weight", held), axes)
        bias = Array(
            expected.bias, _how_stored(f"{expected.name}.bias", held), "PO" if len(expected.bias) == 2 else "O"
        )
        yield LayerInFile(expected.name, expected.name, weight, bias)


def _how_stored(name: str, held: Mapping[str, tuple[str, list[int]]]) -> str:
    """The numbers that a tensor is stored in, and the rank of a product of two (see `compact`)."""
    left = next((held[key] for key in (name + LEFT, name + LEFT + CODES) if key in held), None)
    if left is not None:
        return f"{left[0]}, rank {left[1][1]}"
    return next(held[key][0] for key in (name, name + CODES) if key in held)


DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I8": "int8", "U8": "uint8"}


def _layer_dict(layer: LayerInFile) -> dict[str, Any]:
    return {
        "name": layer.name or None,
        "name_in_file": layer.name_in_file,
        "weight": _array_dict(layer.weight),
        "bias": None if layer.bias is None else _array_dict(layer.bias),
    }


def _array_dict(array: Array) -> dict[str, Any]:
    return {"shape": list(array.shape), "dtype": array.dtype, "axes": array.axes}


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
