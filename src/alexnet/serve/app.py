"""The HTTP API: `application` is an ASGI application around one classifier."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from alexnet import __version__
from alexnet.inference import Classifier
from alexnet.serve.desk import Desk
from alexnet.serve.limits import Limits
from alexnet.serve.predict_routes import predict_routes
from alexnet.serve.status_routes import status_routes


def application(classifier: Classifier, limits: Limits | None = None) -> FastAPI:
    """An application that answers for `classifier`: /v1/predict, /v1/model, /healthz, /metrics, /openapi.json."""
    desk = Desk(classifier, limits or Limits())

    @asynccontextmanager
    async def working(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(desk.batches.run())
        yield
        task.cancel()

    app = FastAPI(title="alexnet", version=__version__, lifespan=working, docs_url=None, redoc_url=None)
    app.include_router(predict_routes(desk))
    app.include_router(status_routes(desk))

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "The server failed; its log says why."}, 500)

    return app
