"""`alexnet serve`: a network behind HTTP."""

from typing import Annotated

from alexnet.cli.imports import importing
from alexnet.cli.options import Classes, Device, LineageName, Mean, Weights, flag
from alexnet.cli.output import say
from alexnet.cli.settings import command
from alexnet.errors import MissingExtra


def serve(
    weights: Weights = None,
    lineage: LineageName = None,
    classes: Classes = None,
    mean: Mean = None,
    host: Annotated[str, flag(help="Address to listen on; others than this machine need 0.0.0.0.")] = "127.0.0.1",
    port: Annotated[int, flag(help="Port to listen on.", metavar="N")] = 8000,
    device: Device = "auto",
) -> None:
    """Answer POST /v1/predict, /v1/model, /healthz, /metrics and /openapi.json until Ctrl-C."""
    with importing():
        from alexnet.inference import load

        try:
            from alexnet.serve.app import application
            from alexnet.serve.server import server
        except ModuleNotFoundError as error:
            raise MissingExtra(error.name or "fastapi", "serve") from None
    app = application(load(weights, device, lineage, classes, mean))
    say(f"http://{host}:{port}/v1/predict answers; Ctrl-C ends it.")
    server(app, host, port).run()


app = command(serve)
