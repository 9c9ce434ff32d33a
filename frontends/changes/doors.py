"""POST /intake/changes/NAME: who it is, what it says, and that it is kept; only then is it acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from middlewatch.app import App
from middlewatch.change_mapping import service_of
from middlewatch.changes import Recorded
from middlewatch.frontends.changes import argocd, generic, github, gitlab, kubernetes
from middlewatch.frontends.changes.proof import is_proved
from middlewatch.frontends.changes.told import Heard, Json, Told
from middlewatch.frontends.intake.delivery import LONGEST_URL, Delivery, parsed
from middlewatch.frontends.intake.entrance import Proof, believed, carried
from middlewatch.frontends.web.visitors import Application
from middlewatch.records import Change, ReportedChange, digest_of
from middlewatch.records.errors import BadInput
from middlewatch.senders import CHANGE_KINDS

LONGEST_REFERENCE: Final = 256

router = APIRouter(include_in_schema=False)

Decode = Callable[[Json, Delivery], Heard]
PROOFS: Final[Mapping[str, Proof]] = dict.fromkeys(CHANGE_KINDS, is_proved)
DECODERS: Final[Mapping[str, Decode]] = {
    "github": github.decode,
    "gitlab": gitlab.decode,
    "argocd": argocd.decode,
    "kubernetes": kubernetes.decode,
    "changes": generic.decode,
}


def take(app: App, name: str, headers: Mapping[str, str], body: bytes) -> tuple[tuple[Recorded, ...], tuple[str, ...]]:
    """Keep what a sender says.

    Args:
        app: what it is kept in.
        name: of the sender, as the address has it.
        headers: by lower-case name.
        body: as it came.

    Returns:
        The changes, and why the rest of the message is none.

    Raises:
        HTTPException: 401 where nobody of this name is known by what was shown.
        BadInput: it cannot be read.
        Unavailable: a store does not answer; the sender must come again.
        Misconfigured: intake.toml or a secret cannot be used.
    """
    delivery = believed(app, name, headers, body, PROOFS)
    found = parsed(body)
    if not isinstance(found, dict):
        raise BadInput("The body is no JSON object.", remedy="docs/changes.md shows what is sent.")
    heard = DECODERS[delivery.entry.kind](found, delivery)
    named = app.service_catalogue.usable().named
    return app.changes.record([_report(delivery, told, named) for told in heard.changes]), heard.ignored


@router.post("/intake/changes/{sender}")
async def take_changes(request: Request, sender: str, app: Application) -> Response:
    """Keep what a sender says of changes."""
    headers, body = await carried(request, "Changes")
    recorded, ignored = await run_in_threadpool(take, app, sender, headers, body)
    changes = [
        {"id": one.report.id, "service": one.report.change.service, "mapped_by": one.report.mapped_by, "new": one.new}
        for one in recorded
    ]
    return JSONResponse({"changes": changes, "ignored": list(ignored)}, 200)


def _report(delivery: Delivery, told: Told, named: Callable[[str], str]) -> ReportedChange:
    service, why = service_of(delivery.entry, told.called, named)
    reference = told.reference if len(told.reference) <= LONGEST_REFERENCE else f"sha256:{digest_of(told.reference)}"
    change = Change(
        tenant=delivery.tenant,
        time=min(told.time, delivery.now),  # a sender's clock may be ahead
        service=service,
        kind=told.kind,
        version=told.version,
        actor=told.actor,
        description=told.description,
        region=told.region or delivery.entry.region,
        cluster=told.cluster or delivery.entry.cluster,
    )
    url = told.url if len(told.url) <= LONGEST_URL else ""  # half an address leads nowhere
    return ReportedChange(change=change, sender=delivery.sender, reference=reference, mapped_by=why, url=url)
