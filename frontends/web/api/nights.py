"""The numbers of the team's own nights over the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from middlewatch.frontends.web.api.answers import answers, json_of
from middlewatch.frontends.web.api.callers import Calling
from middlewatch.looking_back import look_back
from middlewatch.nights import MOST_WEEKS, Nights

router = APIRouter(tags=["nights"])


@router.get("/report", response_model=Nights, responses=answers())
def report(caller: Calling, weeks: Annotated[int, Query(ge=1, le=MOST_WEEKS, description="how many, up to now")] = 4) -> Response:
    """How long each step took, how often an answer was wrong, and pages without an action, by week and by service.

    Times count from the alert's start; null is unknown, never 0.
    """
    return json_of(look_back(caller.app, weeks))
