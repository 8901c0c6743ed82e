"""`alexnet weights verify FILE`: whether a file computes here what it computes elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alexnet.cli.options import External, Json, LineageName, Mean, flag
from alexnet.cli.output import say, show, table
from alexnet.cli.settings import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from alexnet.data.preprocess import Preprocessing
    from alexnet.weights.proof.evidence import Evidence
    from alexnet.weights.proof.verify import Comparison, Verification


def verify(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A file or a folder of weights, of any kind.", show_default=False)
    ],
    against: Annotated[
        str | None,
        flag(
            help="opencv, onnxruntime, torchvision, numpy, record, or another file of the same network.",
            metavar="ENGINE|FILE",
            show_default="the engine of its kind, and its record",
        ),
    ] = None,
    picture: Annotated[
        Path | None, flag(help="What both look at; in colour.", metavar="FILE", show_default="a packaged cat")
    ] = None,
    pictures: Annotated[
        str | None,
        flag(help="Folder or glob of pictures: is the network surer of them as it is fed?", metavar="FOLDER"),
    ] = None,
    lineage: LineageName = None,
    mean: Mean = None,
    external: External = None,
    json: Json = False,
) -> None:
    """Compare what a file computes here with what another program makes of it, layer by layer, on a real picture.

    The other program reads the original file and is fed by its publisher's rules; ours goes through loading and
    preprocessing. Exit code 2, and the likely cause, where they differ.
    """
    from alexnet.errors import VerificationFailed
    from alexnet.weights.opened import open_weights
    from alexnet.weights.proof.engines import ENGINES
    from alexnet.weights.proof.evidence import gather
    from alexnet.weights.proof.report import document, failure
    from alexnet.weights.proof.verify import RECORD, verify

    opened, other = open_weights(file, lineage, mean=mean, external=external), None
    if against is not None and against not in (*ENGINES, RECORD):
        other, against = open_other(against, lineage, mean, external), None
    found = verify(opened, against, other, picture)
    evidence = None if pictures is None else gather(opened.weights, squares(pictures, opened.weights.preprocessing))
    show(json, document(found, evidence), card(found, evidence))
    if found.failed is not None:
        raise VerificationFailed(failure(found))


app = command(verify)


def open_other(source: str, lineage: str | None, mean: str | None, external: Path | None) -> Any:
    """The file to compare with; what was asked of the first holds for it where it cannot tell by itself."""
    from alexnet.errors import UsageError
    from alexnet.weights.load import is_name
    from alexnet.weights.opened import open_weights
    from alexnet.weights.proof.engines import ENGINES

    if not is_name(source) and not Path(source).expanduser().exists():
        raise UsageError(
            f"{source!r} is no file of weights, nor one of {', '.join(ENGINES)}, record. "
            "Name the file that this one was made from, or leave --against out."
        )
    try:
        return open_weights(source, external=external)
    except UsageError:
        return open_weights(source, lineage, mean=mean, external=external)


def squares(pictures: str, preprocessing: "Preprocessing") -> "Iterator[np.ndarray]":
    """The pictures of a folder as squares; those that cannot be read are named."""
    from alexnet.data.picture import read_picture, to_square
    from alexnet.errors import UnreadablePicture
    from alexnet.inference.sources import expand

    for each in expand(pictures):
        try:
            if isinstance(each.content, UnreadablePicture):
                raise each.content
            yield to_square(read_picture(each.content), preprocessing.side, preprocessing.fit)
        except UnreadablePicture as error:
            say(f"Skipped {each.name}: {error}")


def card(found: "Verification", evidence: "Evidence | None" = None) -> list[Any]:
    """The outcome for people."""
    from alexnet.weights.proof.report import control_rows, doubt_rows, not_proved

    facts = found.opened.facts
    lineage, order = facts["lineage"], facts["order"]
    parts: list[Any] = [
        f"{found.opened.path}: {facts['format'].value}",
        f"lineage {lineage.value} ({lineage.source}), fed {order.value} ({order.source})",
    ]
    if found.published is not None:
        parts.append(f"It is the published {found.published.file}, by its {found.published.checksum}.")
    if found.other is not None:
        parts.append(f"Compared with {found.other.path}: {found.other.facts['format'].value}")
    parts += [f"The other program is fed {found.fed_by}. Both look at {found.picture.name}.", ""]
    for comparison in found.comparisons:
        parts += [*comparison_parts(comparison), ""]
    if found.controls:
        header = ("mistake, made on purpose", "largest error", "in the logits", "")
        parts += [table(header, control_rows(found), right=header[1:3]), ""]
    if evidence is not None:
        columns = (f"doubt on {evidence.pictures:,} pictures, nats", "as fed", "with it", "deviations", "")
        parts += [table(columns, doubt_rows(evidence), right=columns[1:4])]
        parts += ["That is evidence and no proof; of an untrained network it is none.", ""]
    return [*parts, *(f"Not proved: {point}." for point in not_proved(found))]


def comparison_parts(comparison: "Comparison") -> list[Any]:
    """One comparison: a line a stage, then the verdict."""
    from alexnet.weights.proof.report import spoken, verdict
    from alexnet.weights.proof.stages import TOLERANCE

    rows = ((name, spoken(error), "" if error <= TOLERANCE else "differs") for name, error in comparison.errors.items())
    header = ("layer", "largest relative error", "")
    return [f"Against {comparison.against}:", table(header, rows, right=header[1:2]), verdict(comparison)]
