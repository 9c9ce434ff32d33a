"""The kill switch and the audit log over the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from middlewatch.auditing import LOOKED_AT, Entry, page
from middlewatch.frontends.web.api.answers import answers, json_of
from middlewatch.frontends.web.api.approvals import Because
from middlewatch.frontends.web.api.callers import FACE, Calling, KeyedOnce
from middlewatch.frontends.web.api.investigations import AT_MOST
from middlewatch.records import Halt, Identifier, Record, UtcDatetime

router = APIRouter(tags=["control"])


class Switch(Record):
    """The kill switch."""

    halt: Halt | None = Field(description="who set it, when and why; null where nothing is halted")
    now: UtcDatetime = Field(description="by the store's clock")


class Entries(Record):
    """A page of the audit log, the newest event first."""

    entries: tuple[Entry, ...]
    next: int | None = Field(description="give it as `before` for the page that follows; null on the last one")
    partial: bool = Field(
        default=False,
        description=f"with `about`: {LOOKED_AT:,} events were looked at, and the page is not full; `next` goes on from there",
    )


class EntriesQuery(Record):
    """Which events."""

    about: Identifier | None = Field(default=None, description="only those about this request, investigation or principal")
    before: int | None = Field(default=None, ge=0, le=10**12, description="`next` of the page before: only older ones")
    limit: int = Field(default=50, ge=1, le=AT_MOST, description="rows of a page, at most")


@router.get("/halt", response_model=Switch, responses=answers())
def halted(caller: Calling) -> Response:
    """Whether everything is halted."""
    return json_of(_switch(caller))


@router.post("/halt", response_model=Switch, responses=answers(409))
def halt(body: Because, caller: Calling, once: KeyedOnce) -> Response:
    """Halt everything: nothing begins until a manager resumes it. Anybody whom policy knows may."""

    def do() -> Switch:
        caller.app.approvals.halt(caller.principal, body.reason, face=FACE)
        return _switch(caller)

    return once(lambda _: do())


@router.post("/resume", response_model=Switch, responses=answers(409))
def resume(body: Because, caller: Calling, once: KeyedOnce) -> Response:
    """Lift the halt; takes a manager. What was approved meanwhile begins if its time is not over."""

    def do() -> Switch:
        caller.app.approvals.lift(caller.principal, body.reason, face=FACE)
        return _switch(caller)

    return once(lambda _: do())


def _switch(caller: Calling) -> Switch:
    return Switch(halt=caller.app.approvals.halted(), now=caller.app.approvals.now())


@router.get("/audit", response_model=Entries, responses=answers())
def audit(caller: Calling, query: Annotated[EntriesQuery, Query()]) -> Response:
    """The audit log, newest first. `middlewatch audit export` and `verify` are for whoever wants proof."""
    app = caller.app
    found = page(
        app.store.server, app.settings.tenant, limit=query.limit, about={query.about} if query.about else (), before=query.before
    )
    partial = found.older is not None and len(found.entries) < query.limit
    return json_of(Entries(entries=found.entries, next=found.older, partial=partial))
