"""What people do with investigations, over the API: acknowledge, assign, feedback."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from middlewatch.frontends.web.api.answers import answers, json_of
from middlewatch.frontends.web.api.callers import FACE, Calling, KeyedOnce
from middlewatch.frontends.web.api.investigations import Id
from middlewatch.records import LONGEST_CAUSE, LONGEST_NOTE, Handling, Identifier, Record, Verdict

router = APIRouter(prefix="/investigations/{investigation}", tags=["handling"])


class Assign(Record):
    """Give it to somebody, or take it."""

    to: Identifier = Field(description="id of an active principal; GET /api/v1/people lists them", examples=["mia"])
    note: str = Field(default="", max_length=LONGEST_NOTE, description="what they should know")


class Say(Record):
    """Whether the answer was right."""

    verdict: Verdict
    cause: str = Field(default="", max_length=LONGEST_CAUSE, description="what the cause was, where the answer was not it")


@router.get("/handling", response_model=Handling, responses=answers(404))
def handling(investigation: Id, caller: Calling) -> Response:
    """Who has it, and what people said of its answer."""
    caller.app.investigation(investigation)
    return json_of(caller.app.handlings.of(investigation))


@router.post("/acknowledge", response_model=Handling, responses=answers(404, 409))
def acknowledge(investigation: Id, caller: Calling, once: KeyedOnce) -> Response:
    """Say that you have seen it; you have it then, unless somebody does already."""
    return once(lambda _: caller.app.handlings.acknowledge(investigation, caller.principal, face=FACE))


@router.post("/assign", response_model=Handling, responses=answers(404, 409))
def assign(investigation: Id, body: Assign, caller: Calling, once: KeyedOnce) -> Response:
    """Give it to somebody, with a note."""
    return once(lambda _: caller.app.handlings.assign(investigation, body.to, caller.principal, note=body.note, face=FACE))


@router.post("/feedback", response_model=Handling, responses=answers(404, 409))
def feedback(investigation: Id, body: Say, caller: Calling, once: KeyedOnce) -> Response:
    """Say whether the answer was right, once it is closed. Said again, your last word counts."""
    return once(
        lambda _: caller.app.handlings.give_feedback(investigation, body.verdict, caller.principal, cause=body.cause, face=FACE)
    )
