"""One connection: a deadline for the head of each request, and time to read a refusal before it ends.

A socket that is closed while bytes lie unread in it sends a reset, and a client that still sends its pictures may never
see why. So after a refusal what follows is thrown away for a while, without being looked at.
"""

import asyncio
import socket
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from alexnet.serve.limits import Limits

FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Type: application/json\r\n"
    b'Content-Length: 45\r\n\r\n{"detail":"Too many connections. Try again."}'
)


class Connection(H11Protocol):
    """uvicorn's, in pure Python, with bounds."""

    limits = Limits()
    timer: asyncio.TimerHandle | None = None
    lingering = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(cast("asyncio.Transport", Lingering(transport, self)))
        # asyncio does it for sockets of protocol TCP only, and those of `socket.create_server` are of protocol 0.
        # Without it the body of an answer waits 40 ms for the client's delayed acknowledgement of the head.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.connections) > self.limits.connections:
            transport.write(FULL)
            self._linger()
        else:
            self._arm()

    def data_received(self, data: bytes) -> None:
        if self.lingering:
            return
        if self.timer is None and (self.cycle is None or self.cycle.response_complete):
            self._arm()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer is not None:
            self.timer.cancel()
        super().connection_lost(exc)

    def is_owed_more(self) -> bool:
        """Whether the client is in the middle of a body, as far as it has said."""
        return self.conn.their_state is h11.SEND_BODY and not self.conn.they_are_waiting_for_100_continue

    def close_unless_owed(self, transport: asyncio.Transport) -> None:
        """End the connection now, or soon."""
        if self.lingering or not self.is_owed_more():
            transport.close()
        else:
            self._linger()

    def _linger(self) -> None:
        self.lingering = True
        if self.timer is not None:
            self.timer.cancel()
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.timer = self.loop.call_later(self.limits.linger_s, self.transport.close)

    def _arm(self) -> None:
        self.timer = self.loop.call_later(self.limits.receive_s, self._close_unless_newer, self.cycle)

    def _close_unless_newer(self, cycle: Any) -> None:
        self.timer = None
        if self.cycle is cycle:
            self.transport.close()


class Lingering:
    """A transport that asks its connection before it closes."""

    def __init__(self, transport: asyncio.Transport, connection: Connection) -> None:
        self._transport, self._connection = transport, connection

    def close(self) -> None:
        self._connection.close_unless_owed(self._transport)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
