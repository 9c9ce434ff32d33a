"""What language models did, cost and weigh, over the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from middlewatch.frontends.web.api.answers import answers, json_of
from middlewatch.frontends.web.api.callers import Calling
from middlewatch.model_costs import MOST_DAYS, USUAL_DAYS, ModelCosts, model_costs
from middlewatch.model_weights import ModelStanding

router = APIRouter(prefix="/models", tags=["models"])


@router.get("/costs", response_model=ModelCosts, responses=answers())
def costs(
    caller: Calling, days: Annotated[int, Query(ge=1, le=MOST_DAYS, description="how many, today (UTC) included")] = USUAL_DAYS
) -> Response:
    """Calls, tokens, dollars and latency of language models, by day, agent, model and investigation.

    Every single call of an investigation is in its report, under `models`; one that runs still, or was cancelled, counts with the
    calls that are over.
    """
    return json_of(model_costs(caller.app, days))


@router.get("/weights", response_model=ModelStanding, responses=answers())
def weights(caller: Calling) -> Response:
    """What each language model's vote counts for by agent and kind of cause, and why; and what stated confidence is worth.

    A model of which no evaluation was recorded is not in it: it weighs nothing.
    """
    return json_of(caller.app.model_weights.standing())
