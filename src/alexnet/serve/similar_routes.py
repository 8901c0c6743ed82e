"""POST /v1/similar and the pictures it names by their rows: what looks alike in an index of the operator's.

Where the pictures lie is nobody's business: a row has a number, a label and a small copy.
"""

import asyncio
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from PIL import Image

from alexnet.data.picture import read_bytes
from alexnet.errors import DataError
from alexnet.inference.index import Index
from alexnet.inference.nearest import Metric
from alexnet.inference.search import Match, search_trusted
from alexnet.serve.decode import image_of
from alexnet.serve.desk import Desk
from alexnet.serve.jobs import GoOn
from alexnet.serve.pixels import jpeg
from alexnet.serve.receive import BODY, arriving, picture

MOST = 50
SIDE = 192  # pixels of a small copy
OURS = {"Cross-Origin-Resource-Policy": "same-origin"}  # pages from elsewhere cannot show them


def similar_routes(desk: Desk, index: Index) -> APIRouter:
    """Neighbours in `index`, which the desk's network has made.

    Raises:
        UsageError: another one has.
    """
    router = APIRouter()
    index.require(desk.classifier)
    about, has_labels = index.about, index.has_folders
    decoding = asyncio.Semaphore(2)  # a page asks for many at once, and each may be large

    @router.post("/v1/similar", openapi_extra=BODY)
    async def similar(
        request: Request,
        top: Annotated[int, Query(ge=1, le=MOST)] = 6,
        metric: Annotated[Metric, Query()] = "euclidean",
    ) -> dict[str, Any]:
        """The pictures of the index that are nearest to one picture, nearest first."""

        def work(_: GoOn) -> dict[str, Any]:
            image = image_of(name, data, desk.limits)
            (match,) = search_trusted(desk.classifier, index, image, top, metric).matches
            return {"image": name, "layer": about.layer, "metric": metric, "neighbours": _told(match, has_labels)}

        with arriving(request, desk.admission) as held:
            name, data = await picture(request, held)
            return await desk.jobs.run(request, work)

    @router.get("/v1/index/{row}.jpg", response_class=Response)
    async def small(row: int) -> Response:
        """A small copy of one picture of the index."""
        async with decoding:
            return Response(await asyncio.to_thread(_small, desk, index, row), headers=OURS, media_type="image/jpeg")

    return router


def _small(desk: Desk, index: Index, row: int) -> bytes:
    name = index.names([row]).get(row)
    if name is None:
        raise HTTPException(404, f"The index has no row {row}.")
    try:
        copy = image_of(f"row {row}", read_bytes(index.path(name)), desk.limits)
    except (DataError, HTTPException):
        raise HTTPException(404, f"The picture of row {row} is no longer there.") from None
    copy.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return jpeg(copy)


def _told(match: Match, has_labels: bool) -> list[dict[str, Any]]:
    """Neighbours with their ranks from 1; the folder of a picture is its label where the index has several."""
    return [
        {
            "rank": rank,
            "row": each.row,
            "label": Path(each.path).parent.name if has_labels else None,
            "distance": each.distance,
            "picture": f"/v1/index/{each.row}.jpg",
        }
        for rank, each in enumerate(match.neighbours, 1)
    ]
