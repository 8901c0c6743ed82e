"""A file of weights of any kind with all that is known of it, for commands that look closer than `load`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alexnet.errors import UsageError
from alexnet.weights.foreign import read_foreign
from alexnet.weights.formats.foreign_safetensors import is_ours
from alexnet.weights.load import load, locate, registered_lineage
from alexnet.weights.means import MeanSource
from alexnet.weights.raw import Fact, Raw
from alexnet.weights.recognize import recognize
from alexnet.weights.weights import Weights

FILE = "the file"


@dataclass(frozen=True)
class Opened:
    """A file of weights, read.

    Attributes:
        kind: what `recognize` calls it.
        facts: what is known of it, each with its source.
        raw: what it says in its own words; None for a file of ours.
        external: folder where an ONNX file may keep its weights.
    """

    path: Path
    kind: str
    weights: Weights
    facts: Mapping[str, Fact]
    raw: Raw | None
    external: Path | None = None


def open_weights(
    source: str | Path, lineage: str | None = None, *, mean: MeanSource | None = None, external: Path | None = None
) -> Opened:
    """Read the file that `source` names, as `load` does, and keep what is known of it.

    Args:
        lineage: only where the file cannot tell.
        mean: what is subtracted, for a foreign file, see `read_mean`.
        external: folder where an ONNX file may keep its weights.

    Raises:
        UsageError: nothing is called so, it cannot tell its lineage, or a mean image for a file that has its own.
        WeightsError: it is no file of weights, is damaged, or does not fit its lineage.
    """
    path = locate(source)
    kind = recognize(path)
    if kind == "safetensors" and is_ours(path):
        if mean is not None:
            raise UsageError(f"{path} says itself what is subtracted: leave --mean out.")
        weights = load(path, lineage)
        return Opened(path, kind, weights, own_facts(weights), None)
    known_as = registered_lineage(source)
    found = read_foreign(path, lineage, mean=mean, external=external, known_as=known_as)
    facts = dict(found.identity.facts) | (history(found.weights) if found.raw.provenance else {})
    return Opened(path, kind, found.weights, facts, found.raw, external)


def own_facts(weights: Weights) -> dict[str, Fact]:
    """What a file of ours says of itself, in the words of `identify`."""
    values = {
        "format": "safetensors (of alexnet)",
        "lineage": weights.lineage.name,
        "changes": dict(weights.lineage.changes),
        "classes": weights.lineage.num_classes,
        "labels": len(weights.labels),
        **weights.preprocessing.to_dict(),
        "mean_image": weights.preprocessing.mean_image,
    }
    facts = {name: Fact(value, FILE) for name, value in values.items() if value is not None}
    return facts | {"flatten": Fact("CHW", "torch's convention")} | history(weights)


def history(weights: Weights) -> dict[str, Fact]:
    """Where a file of ours says that it comes from, and whether it says what it computed then."""
    said = weights.provenance
    found = {key: Fact(said[key], FILE) for key in ("source", "source_sha256") if isinstance(said.get(key), str)}
    record = said.get("proof")
    if isinstance(record, dict):
        found["record"] = Fact(f"what {str(record.get('program'))[:100]} computed from it", FILE)
    return found
