"""POST /intake/alerts/NAME: who it is, what it says, and that it is kept; only then is it acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from middlewatch.app import App
from middlewatch.frontends.alerts import alertmanager, cloudwatch, datadog, generic, grafana, opsgenie, pagerduty
from middlewatch.frontends.alerts.sns import Signatures
from middlewatch.frontends.intake.credentials import shows_token
from middlewatch.frontends.intake.delivery import Delivery
from middlewatch.frontends.intake.entrance import Proof, believed, carried
from middlewatch.records import AlertMessage, Occurrence

PATH: Final = "/intake/alerts/"

router = APIRouter(include_in_schema=False)

Decode = Callable[[Delivery], Sequence[AlertMessage]]
PROOFS: Final[Mapping[str, Proof]] = {
    "alertmanager": shows_token,
    "grafana": grafana.is_authentic,
    "pagerduty": pagerduty.is_authentic,
    "datadog": shows_token,
    "opsgenie": shows_token,
    "generic": generic.is_authentic,
}
DECODERS: Final[Mapping[str, Decode]] = {
    "alertmanager": alertmanager.decode,
    "grafana": alertmanager.decode,  # with more in it
    "pagerduty": pagerduty.decode,
    "datadog": datadog.decode,
    "opsgenie": opsgenie.decode,
    "generic": generic.decode,
}
"""All but CloudWatch, whose signatures need a certificate."""


class Door:
    """Takes deliveries of one application."""

    def __init__(self, app: App, signatures: Signatures | None = None) -> None:
        self._app = app
        known = signatures or Signatures()
        self._proofs: Mapping[str, Proof] = {**PROOFS, "cloudwatch": lambda delivery, _: cloudwatch.is_authentic(delivery, known)}
        self._decoders: Mapping[str, Decode] = {**DECODERS, "cloudwatch": lambda delivery: cloudwatch.decode(delivery, known)}

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
        delivery = believed(self._app, sender, headers, body, self._proofs)
        messages = self._decoders[delivery.entry.kind](delivery)
        return self._app.occurrences.receive(messages) if messages else ()


@router.post(PATH + "{sender}")
async def take_alerts(request: Request, sender: str) -> Response:
    """Keep what a sender says of its alerts."""
    headers, body = await carried(request, "Alerts")
    kept = await run_in_threadpool(request.app.state.alert_door.take, sender, headers, body)
    return JSONResponse({"kept": [one.id for one in kept]}, 200)
