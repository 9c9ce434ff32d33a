"""What language models did and cost, as tables that need no script."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from middlewatch.frontends import model_wording as words
from middlewatch.frontends.web.pages import render
from middlewatch.frontends.web.visitors import Application, SignedIn
from middlewatch.model_costs import MOST_DAYS, USUAL_DAYS, model_costs

router = APIRouter(include_in_schema=False)

OFFERED = (1, 7, 30, 90)
"""Days that the page links to."""


@router.get("/models/costs")
def costs(
    request: Request, app: Application, _visitor: SignedIn, days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = USUAL_DAYS
) -> Response:
    """The last days."""
    return render(
        request, "model_costs.html", page="report", costs=model_costs(app, days), words=words, offered=OFFERED, asked=days
    )
