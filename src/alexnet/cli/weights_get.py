"""`alexnet weights get NAME`: a published file onto this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alexnet.cli.options import DryRun, Json, flag
from alexnet.cli.output import say, show
from alexnet.cli.screen import Screen
from alexnet.cli.settings import command

if TYPE_CHECKING:
    from alexnet.weights.registry import KnownFile
    from alexnet.weights.transfer import Watcher


def get(
    name: Annotated[
        str, typer.Argument(help="A name of `alexnet weights list`, or hf://owner/name.", show_default=False)
    ],
    url: Annotated[str | None, flag(help="Fetch it from here; the checksum stays the published one.")] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Print where a published file is on this machine; it is fetched and checked where it is not here.

    What an earlier download left is gone on with. The caches of torch hub and of the Hugging Face hub are looked into
    first.
    """
    from alexnet.weights.caches import find_here
    from alexnet.weights.fetch import at, fetch
    from alexnet.weights.hub import HUB
    from alexnet.weights.load import is_name, locate
    from alexnet.weights.registry import FILES, known_file

    if is_name(name) and name not in FILES and url is None:  # on the hub, or in the package
        path = None if dry_run and name.startswith(HUB) else locate(name, say)
        if path is None:
            say(f"The hub would be asked for {name}.")
        where = None if path is None else str(path)
        show(
            json,
            {"name": name, "file": path and path.name, "path": where, "fetched": None, "url": name},
            [where] if where else [],
        )
        return
    file = known_file(name) if url is None else at(known_file(name), url)
    if dry_run:
        found = find_here(file)
        say(f"{file.file} is here." if found else would_fetch(file))
        show(json, document(file, found, False), [str(found)] if found else [])
        return
    with Screen("MB") as screen:
        fetched = fetch(file, watcher(file, screen), notice=screen.warn)
    say(f"{file.file}: {'fetched' if fetched.is_new else 'already here'}, {proof(file)}.")
    show(json, document(file, *fetched), [str(fetched.path)])


app = command(get)


def watcher(file: "KnownFile", screen: Screen) -> "Watcher":
    """Shows the size before the first byte, then a bar."""
    from alexnet.weights.caches import place_of
    from alexnet.weights.transfer import MB, Watcher

    here = 0  # of an earlier download: no part of the rate

    def begin(total: int | None, done: int) -> None:
        nonlocal here
        here = done
        size = f"{total:,} bytes" if total is not None else "an unknown number of bytes"
        there = f", {done:,} of them already here" if done else ""
        screen.say(f"{file.file}: {size}{there}, from {file.url} to {place_of(file)}")

    def progress(done: int, total: int | None) -> None:
        whole = max(total or file.least_bytes or 0, done)
        if done < whole:
            screen.progress(f"fetching {file.name}", max(0, done - here) // MB, -(-(whole - here) // MB))

    return Watcher(begin, progress)


def would_fetch(file: "KnownFile") -> str:
    from alexnet.cli.weights_list import size
    from alexnet.weights.caches import place_of

    return f"{file.file} ({size(file)}) would be fetched from {file.url or file.page} to {place_of(file)}."


def proof(file: "KnownFile") -> str:
    """Why the file may be believed."""
    if file.checksum is not None and file.checksum.is_whole:
        return f"{file.checksum.algorithm} as published"
    return "read through, as no whole checksum is published"


def document(file: "KnownFile", path: Path | None, is_new: bool) -> dict[str, object]:
    """The result as `--json` prints it."""
    return {"name": file.name, "file": file.file, "path": path and str(path), "fetched": is_new, "url": file.url}
