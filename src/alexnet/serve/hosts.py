"""Answers only those who ask for this server by a name of its own.

A page from elsewhere can let its own name point to 127.0.0.1 (DNS rebinding); the browser would then let it read what
this server says. The header Host still carries the name of that page.
"""

import ipaddress
from collections.abc import Iterable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "::1")
ANY = "*"
MISDIRECTED = 421  # RFC 9110, 15.5.20


class Hosts:
    """Middleware that lets through requests whose Host is one of `names`."""

    def __init__(self, app: ASGIApp, names: Iterable[str] = LOOPBACK) -> None:
        self.app = app
        self.names = frozenset(_normal(name) for name in names)
        self.takes_addresses = any(_is_everywhere(name) for name in self.names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self.knows(dict(scope["headers"]).get(b"host", b"").decode("latin-1")):
            await self.app(scope, receive, send)
            return
        detail = "This server does not answer to that name. Ask for localhost, or start it with --allow-host NAME."
        await JSONResponse({"detail": detail}, MISDIRECTED)(scope, receive, send)

    def knows(self, header: str) -> bool:
        """Whether a Host header, with or without a port, names this server.

        Where it listens on all addresses, any of them will do: a page from elsewhere cannot have an address for a name.
        """
        name = _normal(_without_port(header))
        return name in self.names or ANY in self.names or (self.takes_addresses and _is_address(name))


def _without_port(header: str) -> str:
    name, _, port = header.rpartition(":")
    return name if name and port.isdigit() and (":" not in name or name.endswith("]")) else header


def _normal(name: str) -> str:
    return name.strip().lower().rstrip(".").removeprefix("[").removesuffix("]")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_everywhere(name: str) -> bool:
    return _is_address(name) and ipaddress.ip_address(name).is_unspecified
