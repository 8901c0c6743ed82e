"""The application on a socket."""

import signal
import socket
import threading

import uvicorn
from fastapi import FastAPI

from alexnet.errors import UsageError
from alexnet.serve.limits import Limits
from alexnet.serve.protocol import Connection

ANSWER_S = 10  # for what has been received when the server is told to stop


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 is any free one.

    Raises:
        UsageError: it cannot be had.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"cannot listen on {host} port {port}: {getattr(error, 'strerror', None) or error}. "
            "Another server may be there already: choose another --port, or 0 for any free one."
        ) from None


def server(app: FastAPI, host: str, port: int, limits: Limits | None = None) -> uvicorn.Server:
    """A server that is ready to `run()`; told to stop, it answers first what it has begun to receive."""
    bounds = limits or Limits()
    config = uvicorn.Config(
        app, host, port,
        http=type("Connection", (Connection,), {"limits": bounds}),
        ws="none", log_level="warning", server_header=False, proxy_headers=False,
        timeout_graceful_shutdown=round(bounds.receive_s + ANSWER_S),
    )  # fmt: skip
    return uvicorn.Server(config)


def run(served: uvicorn.Server, door: socket.socket) -> None:
    """Answer at `door` until SIGTERM, which is how a server ends well, or Ctrl-C."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again when all is answered
    served.run(sockets=[door])
