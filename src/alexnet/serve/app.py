"""The HTTP API: `application` is an ASGI application around one classifier."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse

from alexnet import __version__
from alexnet.data.picture import open_picture, read_picture, to_square
from alexnet.errors import UnreadablePicture
from alexnet.inference import Classifier, Guess, Prediction
from alexnet.serve.batches import Batches
from alexnet.serve.limits import Limits
from alexnet.serve.receive import pictures

BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


def application(classifier: Classifier, limits: Limits | None = None) -> FastAPI:
    """An application that answers for `classifier`: /v1/predict, /v1/model, /healthz, /metrics, /openapi.json."""
    bounds = limits or Limits()
    batches = Batches(classifier, bounds)
    counts: Counter[str] = Counter()

    @asynccontextmanager
    async def working(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(batches.run())
        yield
        task.cancel()

    app = FastAPI(title="alexnet", version=__version__, lifespan=working, docs_url=None, redoc_url=None)

    def admit(more: int) -> None:
        if counts["waiting"] + more > bounds.waiting:
            counts["refused"] += 1
            raise HTTPException(503, "Too many pictures wait. Try again.", {"Retry-After": "1", "Connection": "close"})
        counts["waiting"] += more

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "The server failed; its log says why."}, 500)

    @app.post("/v1/predict", openapi_extra=BODY)
    async def predict(
        request: Request, top: Annotated[int, Query(ge=1)] = 5, views: Annotated[Literal["1", "10"], Query()] = "1"
    ) -> list[dict[str, Any]]:
        """The likeliest classes of each picture."""
        admit(1)
        held = 1
        try:
            found = await pictures(request, bounds)
            admit(len(found) - held)
            held = len(found)
            predictions = [_answer(batches, name, data, top, int(views), bounds) for name, data in found]
            answers = await asyncio.gather(*predictions)
            counts["pictures"] += held
            return [each.to_json() for each in answers]
        finally:
            counts["waiting"] -= held

    @app.get("/v1/model")
    async def model() -> dict[str, Any]:
        """What network this is."""
        lineage = classifier.lineage
        return {
            "lineage": lineage.name, "num_classes": lineage.num_classes, "labels": list(classifier.labels),
            "size": classifier.preprocessing.size,
        }  # fmt: skip

    @app.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> str:
        """Counts in Prometheus' text format."""
        rows = (
            ("pictures_total", "counter", counts["pictures"]), ("refused_total", "counter", counts["refused"]),
            ("passes_total", "counter", batches.passes), ("pictures_waiting", "gauge", counts["waiting"]),
        )  # fmt: skip
        return "".join(f"# TYPE alexnet_{name} {kind}\nalexnet_{name} {value}\n" for name, kind, value in rows)

    return app


async def _answer(batches: Batches, name: str, data: bytes, top: int, views: int, limits: Limits) -> Prediction:
    square = await asyncio.to_thread(_square, batches.classifier, name, data, limits)
    probs = await batches.probs(square, views)  # (K,)
    best = probs.topk(min(top, len(probs)))
    label = batches.classifier.label
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return Prediction(name, tuple(Guess(index, label(index), prob) for index, prob in pairs))


def _square(classifier: Classifier, name: str, data: bytes, limits: Limits) -> np.ndarray:
    try:
        opened = open_picture(data, name)
        if opened.width * opened.height > limits.pixels:
            raise HTTPException(413, f"{name}: a picture may have {limits.pixels} pixels. Make it smaller.")
        return to_square(read_picture(data, name), classifier.preprocessing.side, classifier.preprocessing.fit)
    except UnreadablePicture as error:
        raise HTTPException(422, str(error)) from None
