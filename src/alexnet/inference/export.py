"""A network for other runtimes: written, run there on real pictures, compared, and only then put in its place."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch

from alexnet import weights
from alexnet.errors import UsageError, WeightsError
from alexnet.inference.agreement import Agreement, GraphInput, Sample, graph_inputs, onnx_logits, our_logits
from alexnet.inference.classifier import Classifier
from alexnet.inference.export_script import script
from alexnet.inference.quantize import quantize
from alexnet.inference.sources import Source
from alexnet.weights import Weights
from alexnet.weights.durable import replace_file, writing
from alexnet.weights.formats import onnx_writer
from alexnet.weights.formats.onnx_picture import PICTURES
from alexnet.weights.save import CARD, CONFIG, MODEL, replace_text
from alexnet.weights.validate import validate

Format = Literal["onnx", "hf", "script"]
FORMATS: Mapping[str, Format] = {".onnx": "onnx", ".py": "script", "": "hf"}
Tell = Callable[[str], None]
LIMIT = 1e-5  # of the relative error; two orders of the same float32 sums differ by a tenth of it
INT8_LIMIT = 0.25  # where weights and activations have 8 bits; networks that differ by more give other answers


@dataclass(frozen=True)
class Export:
    """What `export` wrote, and how it was checked.

    Attributes:
        path: what was asked for.
        files: all that was written.
        lost: what the format cannot hold, a line each.
        agreement: of the written network, run by its runtime, with ours on the same squares.
        resized: the same on whole pictures, where the graph resizes by itself.
    """

    path: Path
    files: tuple[Path, ...]
    format: Format
    input: GraphInput
    int8: bool
    agreement: Agreement
    resized: Agreement | None = None
    lost: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.stat().st_size for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """Fields as `alexnet export --json` prints them."""
        return {
            "path": str(self.path),
            "files": [str(file) for file in self.files],
            "bytes": self.bytes,
            "format": self.format,
            "input": self.input,
            "int8": self.int8,
            "lost": list(self.lost),
            **self.agreement.to_json(),
            "resized_relative_error": None if self.resized is None else self.resized.relative_error,
        }


def export(
    classifier: Classifier,
    path: str | Path,
    format: Format | None = None,
    *,
    input: GraphInput = "images",
    int8: bool = False,
    check: Source | Iterable[Source] | None = None,
    tell: Tell | None = None,
) -> Export:
    """Write a network for other runtimes and compare what it answers there with what it answers here.

    onnx    one graph with native LRN nodes, any batch; labels and preprocessing in its metadata, under "alexnet"
    script  a program of a few lines and, beside it, a graph that takes pictures
    hf      a folder of model.safetensors, config.json and README.md, as the Hugging Face hub lays it out

    Args:
        classifier: see `load`.
        path: a file or a folder.
        format: None goes by the suffix: .onnx, .py (script), none (hf).
        input: "images", the network's own input (B, 3, S, S); or "picture", `pictures` (B, H, W, 3) uint8 RGB of any
            size, with resizing, cutting and means in the graph. A script's graph always takes pictures.
        int8: weights and activations in 8 bits, whose ranges come from the pictures of `check`.
        check: pictures to compare on; None is the packaged photos.
        tell: is told each step, which of a large network take seconds.

    Raises:
        UsageError: no such format, or one that cannot do what is asked.
        WeightsError: the path cannot be written, or the answers differ; an older file is unharmed then.
        MissingExtra: onnx or onnxruntime is not installed.
    """
    path = Path(path).expanduser()
    format = format or FORMATS.get(path.suffix.lower())
    if format not in FORMATS.values():
        raise UsageError(f"{path} names no format of export. Use .onnx, .py for a script, or a folder for hf.")
    if format == "hf" and (int8 or input == "picture"):
        raise UsageError("a hub folder holds weights alone: int8 and input=picture are for onnx and script.")
    if format == "script" and path.suffix != ".py":
        raise UsageError(f"{path}: a script is called .py, and its network lies beside it as .onnx.")
    ours = Classifier.of(_on_cpu(classifier), torch.device("cpu"), classifier.source)
    sample = Sample.of(ours, check)
    tell = tell or _silence
    with writing(path, WeightsError):
        path.parent.mkdir(parents=True, exist_ok=True)
        if format == "hf":
            return _to_folder(ours, path, sample, tell)
        if format == "script":
            done = _to_onnx(ours, path.with_suffix(".onnx"), "picture", int8, sample, tell)
            replace_text(path, script(ours, path))
            return replace(done, path=path, files=(path, *done.files), format="script")
        return _to_onnx(ours, path, input, int8, sample, tell)


def _silence(message: str) -> None:
    """Tell nobody."""


def _on_cpu(classifier: Classifier) -> Weights:
    tensors = {name: tensor.detach().float().cpu() for name, tensor in classifier.model.state_dict().items()}
    provenance = dict(classifier.provenance)
    return Weights(tensors, classifier.lineage, classifier.labels, classifier.preprocessing, provenance)


def _to_onnx(ours: Classifier, path: Path, input: GraphInput, int8: bool, sample: Sample, tell: Tell) -> Export:
    known = _on_cpu(ours)
    validate(known.tensors, known.lineage, known.labels, path)
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as aside:
        file = Path(aside, "net.onnx")
        tell(f"Writing {path.name}")
        lost = onnx_writer.write(known, file, from_pictures=input == "picture")
        if int8:
            tell(f"Quantising, with the ranges of {len(sample.squares)} pictures")
            file = quantize(
                file, Path(aside, "int8.onnx"), list(graph_inputs(ours, sample.squares, input)), _exact(ours)
            )
        tell(f"Comparing with onnxruntime on {len(sample.squares)} pictures")
        logits = onnx_logits(file, graph_inputs(ours, sample.squares, input))
        found = Agreement.of(logits, our_logits(ours, sample.squares))
        _require(found, INT8_LIMIT if int8 else LIMIT, path)
        resized = _resized(file, ours, sample) if input == "picture" else None
        replace_file(path, file.replace)
    return Export(path, (path,), "onnx", input, int8, found, resized, tuple(lost))


def _exact(ours: Classifier) -> list[str]:
    """Nodes that keep float32 among 8 bits: the first layer with its activation, and the head."""
    first = next(iter(ours.model.named_children()))[0]
    return [first, ours.model.tap(first), ours.lineage.head]


def _resized(file: Path, ours: Classifier, sample: Sample) -> Agreement:
    """How the graph's own resizing agrees with Pillow's, in what comes of it."""
    expected = our_logits(ours, sample.squares[: len(sample.whole)])
    return Agreement.of(onnx_logits(file, ({PICTURES: picture[None]} for picture in sample.whole)), expected)


def _to_folder(ours: Classifier, path: Path, sample: Sample, tell: Tell) -> Export:
    tell(f"Writing {path}")
    weights.save(_on_cpu(ours), path)
    tell(f"Comparing what is loaded from it on {len(sample.squares)} pictures")
    again = Classifier.of(weights.load(path), torch.device("cpu"))
    found = Agreement.of(our_logits(again, sample.squares), our_logits(ours, sample.squares))
    _require(found, LIMIT, path)
    return Export(path, (path / MODEL, path / CONFIG, path / CARD), "hf", "images", False, found)


def _require(found: Agreement, limit: float, path: Path) -> None:
    if found.relative_error <= limit:  # a NaN is no agreement
        return
    hint = "Name more pictures with --check, or keep float32." if limit == INT8_LIMIT else "Please report this."
    raise WeightsError(
        f"{path}: the exported network differs from this one by {found.relative_error:.2g} of the largest logit on "
        f"{found.pictures} pictures, and at most {limit:g} is allowed. {hint}"
    )
