"""What was changed, over the API: record one, list them, and what is watched."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from middlewatch.frontends.web.api.answers import answers, json_of
from middlewatch.frontends.web.api.callers import Calling, KeyedOnce
from middlewatch.idempotency import Turn
from middlewatch.records import Change, ChangeKind, Record, ReportedChange, UtcDatetime, WatchedChange, digest_of
from middlewatch.records.errors import Refused

router = APIRouter(prefix="/changes", tags=["changes"])

SENDER = "api"


class RecordChange(Record):
    """A change that was made."""

    service: str = Field(min_length=1, max_length=256, description="whose, as the telemetry has it")
    kind: ChangeKind = ChangeKind.DEPLOY
    version: str = Field(default="", max_length=256)
    at: UtcDatetime | None = Field(default=None, description="when it was made; now where it is left out")
    actor: str = Field(default="", max_length=256, description="who made it; you where it is left out")
    description: str = Field(default="", max_length=1024)
    region: str = Field(default="", max_length=256)
    cluster: str = Field(default="", max_length=256)
    reference: str = Field(
        default="", max_length=256, description="your own id of it: told again with the same one, it is the same change"
    )


class KeptChange(Record):
    """A change that is kept."""

    id: str
    change: ReportedChange
    new: bool = Field(description="false where it was known before")


class ChangeRows(Record):
    """Changes."""

    changes: tuple[ReportedChange, ...] = Field(description="the newest first")


class WatchRows(Record):
    """Changes that are watched."""

    watched: tuple[WatchedChange, ...] = Field(description="the newest first")


@router.post("", status_code=201, response_model=KeptChange, responses=answers(409))
def record(body: RecordChange, caller: Calling, once: KeyedOnce) -> Response:
    """Record a change. It is on disk when this is answered, and its service is watched for ten minutes."""
    if caller.principal is None:
        raise Refused("Only somebody whom policy knows may record changes.", remedy="Ask to be added: `middlewatch policy init`.")
    principal = caller.principal

    def do(turn: Turn) -> KeptChange:
        at = body.at or turn.at
        own = body.reference or turn.name or digest_of(principal.id, body.kind, body.version, at.isoformat())
        change = Change(
            tenant=caller.app.settings.tenant,
            time=at,
            actor=body.actor or principal.id,
            **body.model_dump(include={"service", "kind", "version", "description", "region", "cluster"}),
        )
        (kept,) = caller.app.changes.record([ReportedChange(change=change, sender=SENDER, reference=own)])
        return KeptChange(id=kept.report.id, change=kept.report, new=kept.new)

    return once(do, status=201)


@router.get("", response_model=ChangeRows, responses=answers())
def changes(
    caller: Calling,
    service: Annotated[str, Query(max_length=256, description="of this one alone")] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """What was changed in live telemetry."""
    return json_of(ChangeRows(changes=caller.app.changes.list(limit=limit, services=[service] if service else ())))


@router.get("/watched", response_model=WatchRows, responses=answers())
def watched(caller: Calling) -> Response:
    """The changes whose services are watched now, looked at anew."""
    return json_of(WatchRows(watched=caller.app.deploy_watch.watched(datetime.now(UTC))))
