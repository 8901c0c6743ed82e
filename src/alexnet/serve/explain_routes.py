"""POST /v1/explain, GET /v1/layers, GET /v1/kernels: what goes on inside."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response

from alexnet.errors import MissingExtra, UsageError
from alexnet.inference.explain_layers import COLUMNS_OF_KERNELS, filters_facts
from alexnet.inference.filters import kernel_tones, tile_kernels
from alexnet.lineages import trace
from alexnet.lineages.describe import layer_facts
from alexnet.serve.decode import image_of
from alexnet.serve.desk import Desk
from alexnet.serve.explaining import Kind, Question, explained, twin
from alexnet.serve.jobs import GoOn
from alexnet.serve.pixels import png
from alexnet.serve.receive import BODY, arriving, picture

MOST_MAPS = 256


def explain_routes(desk: Desk) -> APIRouter:
    """Heat maps, feature maps and views of a picture; the layers and kernels of the network."""
    router = APIRouter()
    classifier, apart = desk.classifier, twin(desk.classifier)

    @router.post("/v1/explain", openapi_extra=BODY)
    async def explain(
        request: Request,
        kind: Annotated[Kind, Query()] = "heatmap",
        target: Annotated[str | None, Query(alias="class", max_length=200)] = None,
        index: Annotated[int | None, Query(ge=0)] = None,
        layer: Annotated[list[str] | None, Query(max_length=64)] = None,
        maps: Annotated[int, Query(ge=1, le=MOST_MAPS)] = 24,
    ) -> dict[str, Any]:
        """What the network makes of one picture."""
        asked = Question(kind, target, index, tuple(layer or ()), maps)

        def work(go_on: GoOn) -> dict[str, Any]:
            return explained(apart, name, image_of(name, data, desk.limits), asked, go_on)

        with arriving(request, desk.admission) as held:
            name, data = await picture(request, held)
            try:
                return await desk.jobs.run(request, work)
            except MissingExtra as error:
                raise HTTPException(501, f"The server lacks a package: {error}") from None
            except UsageError as error:
                raise HTTPException(422, str(error)) from None

    @router.get("/v1/layers")
    def layers() -> list[dict[str, Any]]:
        """The rows of the network's table: shapes for one picture, parameters, multiply-adds."""
        return [layer_facts(row) for row in trace(classifier.lineage, classifier.preprocessing.size)]

    @router.get("/v1/kernels")
    def kernels() -> dict[str, Any]:
        """The first layer's towers, and how much of each kernel is colour; /v1/kernels/1.png shows the first."""
        return filters_facts(classifier)

    @router.get("/v1/kernels/{tower}.png", response_class=Response)
    def kernels_png(tower: int, scale: Annotated[int, Query(ge=1, le=8)] = 4) -> Response:
        """The kernels of one tower, counted from 1, in rows of twelve."""
        for each in filters_facts(classifier)["towers"]:
            if each["tower"] == tower:
                tones = kernel_tones(classifier)[each["first_kernel"] :][: each["kernels"]]
                tiles = tile_kernels(tones, min(COLUMNS_OF_KERNELS, len(tones)), scale)
                return Response(png(tiles), media_type="image/png")
        raise HTTPException(404, f"There is no tower {tower}.")

    return router
