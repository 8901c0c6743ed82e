"""Counts every request on its way through: route, status, seconds."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alexnet.serve.metrics import Metrics


class Watch:
    """Middleware around everything else, so that refusals count too."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500  # what the server says if the application does not

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, note)
        finally:
            self.metrics.answered(route_of(scope), status, time.perf_counter() - started)


def route_of(scope: Scope) -> str:
    """The route as the application declares it; all that it does not know are one."""
    return getattr(scope.get("route"), "path", "other")
