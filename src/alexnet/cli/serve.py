"""`alexnet serve`: a network behind HTTP."""

from pathlib import Path
from typing import Annotated

from alexnet.cli.imports import importing
from alexnet.cli.options import Classes, Device, Json, LineageName, Mean, Precision, Samples, Weights, flag
from alexnet.cli.output import say, write_json
from alexnet.cli.results import say_precision
from alexnet.cli.settings import command
from alexnet.errors import MissingExtra


def serve(
    weights: Weights = None,
    lineage: LineageName = None,
    classes: Classes = None,
    mean: Mean = None,
    host: Annotated[str, flag(help="Address to listen on; others than this machine need 0.0.0.0.")] = "127.0.0.1",
    port: Annotated[int, flag(help="Port to listen on.", metavar="N")] = 8000,
    allow_host: Annotated[
        list[str],
        flag(
            help="A name that clients on a network call this machine by; again for more, '*' for any.", metavar="NAME"
        ),
    ] = [],  # noqa: B006, typer makes its own list
    index: Annotated[
        Path | None, flag(help="Pictures to find alike ones in: a folder that `alexnet index` made.", metavar="IDX")
    ] = None,
    device: Device = "auto",
    precision: Precision = "float32",
    samples: Samples = None,
    json: Json = False,
) -> None:
    """Answer over HTTP, and show a page for the browser, until Ctrl-C.

    With --index everyone who can reach the server may see small copies of its pictures.
    """
    with importing():
        from alexnet.inference import load
        from alexnet.inference.index import open_index

        try:
            from alexnet.serve.app import application
            from alexnet.serve.hosts import LOOPBACK
            from alexnet.serve.server import listening, run, server
        except ModuleNotFoundError as error:
            raise MissingExtra(error.name or "fastapi", "serve") from None
    opened = open_index(index) if index else None
    classifier = load(
        weights or (opened.weights if opened else None), device, lineage, classes, mean, precision, samples
    )
    say_precision(classifier, precision)
    with listening(host, port) as door:
        place = door.getsockname()[1]
        url = f"http://{f'[{host}]' if ':' in host else host}:{place}"
        say(f"{url} has a page, {url}/v1/predict answers; Ctrl-C ends it.")
        if json:
            write_json({"url": url, "weights": classifier.source, "lineage": classifier.lineage.name})
        names = (*LOOPBACK, host, *allow_host)
        run(server(application(classifier, index=opened, hosts=names), host, place), door)


app = command(serve)
