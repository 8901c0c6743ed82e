"""From one kind of file to another, read back before anybody relies on it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from alexnet.errors import UsageError, WeightsError
from alexnet.lineages import weighted
from alexnet.weights.durable import sha256
from alexnet.weights.export import SUFFIXES, Format, write_weights, written_files
from alexnet.weights.opened import Opened, open_weights
from alexnet.weights.proof.record import KEY, has_record, record
from alexnet.weights.save import MODEL, save
from alexnet.weights.weights import Weights

Target = Literal[Format, "folder"]
TARGETS: tuple[Target, ...] = (*get_args(Format), "folder")
DESCRIBED: tuple[Target, ...] = ("safetensors", "onnx", "folder")  # that say of themselves what they are
SINGLE = 4  # bytes of the numbers that we hold
COLOURS = 3  # planes that a picture has


@dataclass(frozen=True)
class Converted:
    """What `convert` did.

    Attributes:
        path: the file that was written, or the folder.
        files: all that was written.
        lost: what the new file cannot hold, a line each.
        changed: what became of the numbers of the source when it was read, a line each.
        turned: whether the planes of the first layer were reversed, because users of the format feed the other order.
    """

    path: Path
    format: Target
    files: tuple[Path, ...]
    lost: tuple[str, ...]
    changed: tuple[str, ...]
    turned: bool


def convert(opened: Opened, target: Path, format: str | None = None, *, force: bool = False) -> Converted:
    """Write what was opened to another file, whole or not at all, read it back and compare every bit.

    Args:
        target: the new file; with the format `folder` a folder in the layout of the Hugging Face hub.
        format: one of `TARGETS`; None: as the suffix of `target` says.
        force: replace what is there.

    Raises:
        UsageError: no such format, something is there already, or the format cannot hold this lineage.
        WeightsError: it cannot be written, or what was read back is not what was written.
    """
    chosen = target_format(target, format)
    files = files_of(target, chosen)
    there = [path for path in files if path.exists()]
    if there and not force:
        raise UsageError(f"{there[0]} exists already. Name another file, or replace it with --force.")
    weights = with_source(opened, chosen)
    if chosen == "folder":
        save(weights, target)
        lost: list[str] = []
    else:
        lost = write_weights(weights, target, chosen)
    turned = read_back(weights, files[0])
    return Converted(target, chosen, files, tuple(lost), tuple(changes(opened)), turned)


def target_format(target: Path, format: str | None) -> Target:
    """The format that was named, or that the suffix of a file names.

    Raises:
        UsageError: there is no such format, or neither says which.
    """
    if format is None and target.suffix.lower() in SUFFIXES:
        return SUFFIXES[target.suffix.lower()]
    if format is None:
        raise UsageError(
            f"{target} names no format that can be written. Choose a suffix of {', '.join(SUFFIXES)}, "
            f"or say --format {'|'.join(TARGETS)}."
        )
    for known in TARGETS:
        if format == known:
            return known
    raise UsageError(f"{format!r} is no format that can be written. Choose one of {', '.join(TARGETS)}.")


def files_of(target: Path, format: Target) -> tuple[Path, ...]:
    """The files that a conversion writes, that with the tensors first."""
    if format == "folder":
        return (target / MODEL, target / "config.json", target / "README.md")
    return written_files(target, format)


def with_source(opened: Opened, format: Target) -> Weights:
    """The weights, their provenance naming the file that they were read from, and what its own engine makes of it.

    Only what the format can hold; what an earlier conversion wrote is kept.
    """
    weights = opened.weights
    added: dict[str, Any] = {}
    if format not in DESCRIBED:
        return weights
    if opened.raw is not None and "source_sha256" not in weights.provenance:
        added["source_sha256"] = sha256(opened.path)
    loses_image = format == "onnx" and weights.preprocessing.mean_image is not None
    if loses_image:  # what is recorded is what the file will be fed
        opened = replace(
            opened, weights=replace(weights, preprocessing=replace(weights.preprocessing, mean_image=None))
        )
    if (loses_image or not has_record(weights)) and weights.lineage.in_channels == COLOURS:
        added[KEY] = record(opened)
    return replace(weights, provenance=weights.provenance | added)


def changes(opened: Opened) -> Iterator[str]:
    """What reading made of the numbers of a foreign file, so that torch computes what its program did."""
    if opened.raw is None:
        return
    layers = list(zip(weighted(opened.weights.lineage), opened.raw.layers, strict=True))
    scaled = {layer.scale for _, layer in layers if layer.scale != 1}
    for scale in sorted(scaled):
        names = ", ".join(f"{name}.weight" for name, layer in layers if layer.scale == scale)
        yield f"{names} times {scale:g}, since dropout did not rescale where it was trained"
    if opened.raw.upside_down:
        yield "all kernels, and the inputs of the first full matrix, turned upright: it was trained upside down"
    kinds = sorted({str(layer.weight.dtype) for _, layer in layers if layer.weight.dtype.itemsize > SINGLE})
    if kinds:
        yield f"{', '.join(kinds)} rounded to float32"


def read_back(weights: Weights, path: Path) -> bool:
    """Compare a file with what was written to it, bit by bit; return whether the planes of the first layer are turned.

    Raises:
        WeightsError: it holds something else; names the tensor.
    """
    found = open_weights(path, weights.lineage.name).weights
    first = f"{weighted(weights.lineage)[0]}.weight"
    turned = False
    for name, tensor in weights.tensors.items():
        same = torch.equal(found.tensors[name], tensor.float())
        if not same and name == first and torch.equal(found.tensors[name], tensor.float().flip(1)):
            same = turned = True
        if not same:
            raise WeightsError(
                f"{path}: {name} read back is not what was written. The disk or the memory of this machine may be "
                "failing: convert again, elsewhere."
            )
    return turned


def summary(converted: Converted, opened: Opened) -> dict[str, Any]:
    """What was done, as `weights convert --json` prints it."""
    return {
        "source": str(opened.path),
        "path": str(converted.path),
        "format": converted.format,
        "lineage": opened.weights.lineage.name,
        "files": [str(path) for path in converted.files],
        "lost": list(converted.lost),
        "changed": list(converted.changed),
        "turned": converted.turned,
    }


def sentences(converted: Converted) -> Sequence[str]:
    """The same for people."""
    lines = [f"{path}" for path in converted.files]
    lines += [f"Changed: {line}." for line in converted.changed]
    lines += [f"Not held: {line}." for line in converted.lost]
    same = "the same bits, the planes of the first layer turned" if converted.turned else "the same bits"
    return [*lines, f"Read back: {same}."]
