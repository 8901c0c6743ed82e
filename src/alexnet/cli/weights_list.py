"""`alexnet weights list [NAME]`: the published files that are known, and all that is known of one."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alexnet.cli.options import Json
from alexnet.cli.output import percent, show, table
from alexnet.cli.settings import command

if TYPE_CHECKING:
    from alexnet.weights.registry import KnownFile

NOBODY_SAYS = "unknown"


def list_weights(
    name: Annotated[str | None, typer.Argument(help="One of them, such as bvlc.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """Print the packaged networks and the published files that are known by name; with NAME, all about one."""
    from alexnet.weights.load import packaged, packaged_file
    from alexnet.weights.registry import FILES, known_file

    if name is None:
        files = [*map(packaged_file, packaged()), *FILES.values()]
        show(json, [facts(file) for file in files], [overview(files), "", HINT])
    else:
        file = packaged_file(name) if name in packaged() else known_file(name)
        show(json, facts(file), [f"{key:<12}{value}" for key, value in card(file)])


app = command(list_weights)

WHERE = {"ALEXNET_HOME": "here", "TORCH_HOME": "torch hub", "HF_HOME": "hf hub"}  # of a copy on this machine
HINT = (
    "Errors: top-1 / top-5, ILSVRC-2012 validation, centre view, as published.\n"
    "Sizes with ~ are those of the numbers alone; nobody has published the file's.\n"
    "`alexnet weights list NAME` says all about one, `weights get NAME` fetches it."
)


def facts(file: "KnownFile") -> dict[str, Any]:
    """An entry as `--json` prints it."""
    found = [{"cache": variable, "path": str(path)} for variable, path in copies(file)]
    return file.to_dict() | {"here": found, "place": str(place(file))}


def copies(file: "KnownFile") -> list[tuple[str, Path]]:
    """Where a file is on this machine, each with what leads there."""
    from alexnet.weights.caches import candidates

    return [("the package", place(file))] if file.kind == "packaged" else list(candidates(file))


def place(file: "KnownFile") -> Path:
    """Where a file lies, or would once it is fetched."""
    from alexnet.weights.caches import place_of
    from alexnet.weights.load import locate

    return locate(file.name) if file.kind == "packaged" else place_of(file)


def overview(files: "Iterable[KnownFile]") -> Any:
    """All files, a line each, within the 80 columns of a small terminal."""
    header = ("name", "network", "classes", "size", "error, %", "where")
    return table(header, (row(file) for file in files), right=("classes", "size", "error, %"))


def row(file: "KnownFile") -> tuple[str, ...]:
    where = next((WHERE.get(name, name) for name, _ in copies(file)), "" if file.url else "by hand")
    errors = "" if file.top1_error is None else f"{100 * file.top1_error:.1f} / {100 * (file.top5_error or 0):.1f}"
    return file.name, file.lineage or "-", str(file.classes or "-"), size(file), errors, where


def card(file: "KnownFile") -> list[tuple[str, str]]:
    """All that is known of one file."""
    about = [("file", file.file), ("kind", file.kind), ("format", file.format)]
    about += [("network", file.lineage), ("parameters", f"{file.params:,}")] if file.params else []
    about += [("classes", f"{file.classes:,} of {file.trained_on}")] if file.classes else []
    about += [("error", spoken_error(file))] if file.kind == "weights" else []
    return [
        ("name", file.name),
        *about,
        ("input", file.input),
        ("size", f"{file.size_bytes:,} bytes" if file.size_bytes else NOBODY_SAYS),
        ("checksum", str(file.checksum) if file.checksum else "none is published"),
        ("licence", file.licence or NOBODY_SAYS),
        *([("address", file.url or "fetched by hand only"), ("page", file.page)] if file.page else []),
        *([("note", file.note)] if file.note else []),
        ("place", str(place(file))),
        *((f"in {variable}", str(path)) for variable, path in copies(file) if path != place(file)),
    ]


def size(file: "KnownFile") -> str:
    """The size in MB of a million bytes; ~ where it is only that of the numbers."""
    if file.least_bytes is None:
        return "?"
    return f"{'' if file.size_bytes else '~'}{file.least_bytes / 1e6:,.0f} MB"


def spoken_error(file: "KnownFile") -> str:
    if file.top1_error is None or file.top5_error is None:
        return NOBODY_SAYS
    return f"top-1 {percent(file.top1_error)}, top-5 {percent(file.top5_error)}"
