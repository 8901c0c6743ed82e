"""GET /v1/model, /healthz, /metrics."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from alexnet.serve.desk import Desk


def status_routes(desk: Desk) -> APIRouter:
    """What network this is, whether it answers, and how much."""
    router = APIRouter()

    @router.get("/v1/model")
    async def model() -> dict[str, Any]:
        """What network this is, and what can be searched in."""
        lineage, index = desk.classifier.lineage, desk.index
        return {
            "lineage": lineage.name, "num_classes": lineage.num_classes, "labels": list(desk.classifier.labels),
            "size": desk.classifier.preprocessing.size,
            "index": index and {"pictures": index.about.pictures, "layer": index.about.layer},
        }  # fmt: skip

    @router.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> str:
        """Counts in Prometheus' text format."""
        return desk.metrics.text()

    return router
