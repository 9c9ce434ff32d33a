"""Declared services: how they do, what is promised of them, and what is left of that."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from middlewatch.frontends.web.api.answers import answers, json_of
from middlewatch.frontends.web.api.callers import Calling
from middlewatch.records import BudgetStanding, Exhaustion, Record, ServiceHealth

router = APIRouter()


class Objectives(Record):
    """What is promised, and how it stands."""

    objectives: tuple[BudgetStanding, ...] = Field(description="in the order of services.toml")
    exhaustions: tuple[Exhaustion, ...] = Field(description="what fills up steadily, the soonest first")
    problem: str = Field(default="", description="why services.toml cannot be used, so that what it said before counts; else empty")


class Services(Record):
    """How they do."""

    services: tuple[ServiceHealth, ...] = Field(description="those on which most hangs first")


@router.get("/objectives", tags=["services"], response_model=Objectives, responses=answers())
def objectives(caller: Calling) -> Response:
    """Every objective with its error budget, as counted last. What nobody counted is null, and never full."""
    app = caller.app
    found = Objectives(
        objectives=app.objectives.standings(), exhaustions=app.objectives.exhaustions(), problem=app.service_catalogue.problem
    )
    return json_of(found)


@router.get("/services/health", tags=["services"], response_model=Services, responses=answers())
def health(caller: Calling) -> Response:
    """The golden signals of every declared service: rate, errors, latency, saturation. Null where nothing was reported."""
    return json_of(Services(services=caller.app.health.services()))
