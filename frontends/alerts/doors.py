"""POST /intake/alerts/NAME: who it is, what it says, and that it is kept; only then is it acknowledged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from middlewatch.app import App
from middlewatch.frontends.alerts import alertmanager, cloudwatch, datadog, generic, grafana, opsgenie, pagerduty
from middlewatch.frontends.alerts.delivery import Delivery
from middlewatch.frontends.alerts.sns import Signatures
from middlewatch.records import AlertMessage, Occurrence
from middlewatch.senders import CHANGE_KINDS

LOG = logging.getLogger(__name__)

PATH: Final = "/intake/alerts/"
LARGEST_BODY: Final = 1024 * 1024
"""Bytes. Chosen: two thousand alerts of usual length; Alertmanager's `max_alerts` keeps below it."""
_BROWSER: Final = ("origin", "sec-fetch-site", "cookie")
"""What browsers send with a form or a script of any page, and no sender does."""

router = APIRouter(include_in_schema=False)

Authentic = Callable[[Delivery, Sequence[bytes]], bool]
Decode = Callable[[Delivery], Sequence[AlertMessage]]
KINDS: Final[Mapping[str, tuple[Authentic, Decode]]] = {
    "alertmanager": (alertmanager.is_authentic, alertmanager.decode),
    "grafana": (grafana.is_authentic, grafana.decode),
    "pagerduty": (pagerduty.is_authentic, pagerduty.decode),
    "datadog": (datadog.is_authentic, datadog.decode),
    "opsgenie": (opsgenie.is_authentic, opsgenie.decode),
    "generic": (generic.is_authentic, generic.decode),
}
"""All but CloudWatch, whose signatures need a certificate."""


class Door:
    """Takes deliveries of one application."""

    def __init__(self, app: App, signatures: Signatures | None = None) -> None:
        self._app = app
        self._signatures = signatures or Signatures()

    def take(self, sender: str, headers: Mapping[str, str], body: bytes) -> tuple[Occurrence, ...]:
        """Keep what a sender says.

        Args:
            sender: as the address has it.
            headers: by lower-case name.
            body: as it came.

        Raises:
            HTTPException: 401 where nobody of this name is known by what was shown.
            BadInput: it cannot be read.
            StoreFull: memory is short; the sender must come again.
            Unavailable: the store does not answer, likewise.
            Misconfigured: intake.toml or a secret cannot be used.
        """
        entry = self._app.senders.entry(sender)
        if entry is None or entry.kind in CHANGE_KINDS:
            raise _unknown(sender)
        delivery = Delivery(sender, entry, self._app.settings.tenant, headers, body, datetime.now(UTC))
        if entry.kind == "cloudwatch":
            known = cloudwatch.is_authentic(delivery, self._signatures)
        else:
            known = KINDS[entry.kind][0](delivery, self._app.senders.secrets_of(entry))
        if not known:
            raise _unknown(sender)
        if entry.kind == "cloudwatch":
            messages: Sequence[AlertMessage] = cloudwatch.decode(delivery, self._signatures)
        else:
            messages = KINDS[entry.kind][1](delivery)
        return self._app.occurrences.receive(messages) if messages else ()


@router.post(PATH + "{sender}")
async def take_alerts(request: Request, sender: str) -> Response:
    """Keep what a sender says of its alerts."""
    if any(name in request.headers for name in _BROWSER):
        raise HTTPException(403, "Alerts come from servers, not from pages")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "The body must not be packed")
    body = await request.body()
    if len(body) > LARGEST_BODY:
        raise HTTPException(413, f"That is more than {LARGEST_BODY:,} bytes; send fewer alerts at once")
    headers = {name.lower(): value for name, value in request.headers.items()}
    kept = await run_in_threadpool(request.app.state.alert_door.take, sender, headers, body)
    return JSONResponse({"kept": [one.id for one in kept]}, 200)


def _unknown(sender: str) -> HTTPException:
    """The same, whatever is wrong: whoever tries names learns nothing."""
    LOG.info("a delivery for the sender %r was not believed", sender[:64])
    return HTTPException(401, "No sender of this name is known by what was shown")
