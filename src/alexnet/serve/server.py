"""The application on a socket, with a deadline for the head of each request."""

import asyncio
import socket
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from alexnet.errors import UsageError
from alexnet.serve.limits import Limits


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
    """A server that is ready to `run()`."""
    receive_s = (limits or Limits()).receive_s

    class Deadline(H11Protocol):
        timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._arm()

        def data_received(self, data: bytes) -> None:
            if self.timer is None and (self.cycle is None or self.cycle.response_complete):
                self._arm()
            super().data_received(data)

        def _arm(self) -> None:
            self.timer = self.loop.call_later(receive_s, self._close_unless_newer, self.cycle)

        def _close_unless_newer(self, cycle: Any) -> None:
            self.timer = None
            if self.cycle is cycle:
                self.transport.close()

    config = uvicorn.Config(
        app, host, port, http=Deadline, ws="none", log_level="warning", server_header=False, limit_concurrency=256
    )
    return uvicorn.Server(config)
