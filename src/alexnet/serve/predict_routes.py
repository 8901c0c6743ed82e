"""POST /v1/predict."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from alexnet.inference import Prediction
from alexnet.inference.predict import likeliest
from alexnet.serve.desk import Desk
from alexnet.serve.receive import BODY, arriving, pictures


def predict_routes(desk: Desk) -> APIRouter:
    """Predictions of pictures, several of one request side by side."""
    router = APIRouter()

    @router.post("/v1/predict", openapi_extra=BODY)
    async def predict(
        request: Request, top: Annotated[int, Query(ge=1)] = 5, views: Annotated[Literal["1", "10"], Query()] = "1"
    ) -> list[dict[str, Any]]:
        """The likeliest classes of each picture."""
        with arriving(request, desk.admission) as held:
            with desk.admission.expecting(int(views)):
                found = await pictures(request, held)
            with desk.admission.waiting(len(found), int(views)):
                answers = await asyncio.gather(*[_answer(desk, *each, top, int(views)) for each in found])
        return [each.to_json() for each in answers]

    return router


async def _answer(desk: Desk, name: str, data: bytes, top: int, views: int) -> Prediction:
    probs = await desk.batches.probs(name, data, views)  # (K,)
    (guesses,) = likeliest(desk.classifier, probs[None], top)
    return Prediction(name, guesses)
