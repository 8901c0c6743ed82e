"""The HTTP API: `application` is an ASGI application around one classifier."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from alexnet import __version__
from alexnet.inference import Classifier
from alexnet.inference.index import Index
from alexnet.serve.desk import Desk
from alexnet.serve.explain_routes import explain_routes
from alexnet.serve.hosts import LOOPBACK, Hosts
from alexnet.serve.limits import Limits
from alexnet.serve.page import page_routes
from alexnet.serve.predict_routes import predict_routes
from alexnet.serve.similar_routes import similar_routes
from alexnet.serve.status_routes import status_routes
from alexnet.serve.watch import Watch


def application(
    classifier: Classifier, limits: Limits | None = None, index: Index | None = None, hosts: Iterable[str] = LOOPBACK
) -> FastAPI:
    """An application that answers for `classifier`, and shows it on a page.

    Args:
        classifier: see `load`.
        limits: what may be asked of it.
        index: pictures of yours to search in; every client may see small copies of them.
        hosts: names that the server answers to, see `Hosts`.

    Raises:
        UsageError: another network has made the index.
    """
    desk = Desk(classifier, limits or Limits(), index)

    @asynccontextmanager
    async def working(_: FastAPI) -> AsyncIterator[None]:
        await desk.batches.warm_up()
        task = asyncio.create_task(desk.batches.run())
        yield
        task.cancel()
        desk.jobs.close()

    app = FastAPI(title="alexnet", version=__version__, lifespan=working, docs_url=None, redoc_url=None)
    app.add_middleware(Hosts, names=hosts)
    app.add_middleware(Watch, metrics=desk.metrics)
    app.include_router(predict_routes(desk))
    app.include_router(explain_routes(desk))
    app.include_router(status_routes(desk))
    if index is not None:
        app.include_router(similar_routes(desk, index))
    app.include_router(page_routes())

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "The server failed; its log says why."}, 500)

    return app
