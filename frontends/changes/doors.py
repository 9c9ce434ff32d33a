"""POST /intake/changes/NAME: who it is, what it says, and that it is kept; only then is it acknowledged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from middlewatch.app import App
from middlewatch.change_mapping import service_of
from middlewatch.changes import Recorded
from middlewatch.frontends.alerts.delivery import Delivery, parsed
from middlewatch.frontends.changes import argocd, generic, github, gitlab, kubernetes
from middlewatch.frontends.changes.proof import is_proved
from middlewatch.frontends.changes.told import Heard, Json, Told
from middlewatch.frontends.web.visitors import Application
from middlewatch.records import Change, ReportedChange, digest_of
from middlewatch.records.errors import BadInput
from middlewatch.senders import CHANGE_KINDS, SenderEntry

LOG = logging.getLogger(__name__)

LARGEST_BODY: Final = 1024 * 1024
LONGEST_REFERENCE: Final = 256
_BROWSER: Final = ("origin", "sec-fetch-site", "cookie")
"""What browsers send with a form or a script of any page, and no sender does."""

router = APIRouter(include_in_schema=False)

Decode = Callable[[Json, Mapping[str, str], SenderEntry, datetime], Heard]
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
    entry = app.senders.entry(name)
    if entry is None or entry.kind not in CHANGE_KINDS:
        raise _unknown(name)
    delivery = Delivery(name, entry, app.settings.tenant, headers, body, datetime.now(UTC))
    if not is_proved(delivery, app.senders.secrets_of(entry)):
        raise _unknown(name)
    found = parsed(body)
    if not isinstance(found, dict):
        raise BadInput("The body is no JSON object.", remedy="docs/changes.md shows what is sent.")
    heard = DECODERS[entry.kind](found, headers, entry, delivery.now)
    named = app.service_catalogue.usable().named
    return app.changes.record([_report(delivery, told, named) for told in heard.changes]), heard.ignored


@router.post("/intake/changes/{sender}")
async def take_changes(request: Request, sender: str, app: Application) -> Response:
    """Keep what a sender says of changes."""
    if any(header in request.headers for header in _BROWSER):
        raise HTTPException(403, "Changes come from servers, not from pages")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "The body must not be packed")
    body = await request.body()
    if len(body) > LARGEST_BODY:
        raise HTTPException(413, f"That is more than {LARGEST_BODY:,} bytes")
    headers = {name.lower(): value for name, value in request.headers.items()}
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
    url = told.url if len(told.url) <= 2048 else ""  # noqa: PLR2004  half an address leads nowhere
    return ReportedChange(change=change, sender=delivery.sender, reference=reference, mapped_by=why, url=url)


def _unknown(sender: str) -> HTTPException:
    """The same, whatever is wrong: whoever tries names learns nothing."""
    LOG.warning("a delivery for the sender %r was not believed", sender[:64])
    return HTTPException(401, "No sender of this name is known by what was shown")
