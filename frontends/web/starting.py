"""Start an investigation from a page: of a service that somebody noticed, or of an incident of an imported recording."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from middlewatch.alerts import recorded_alert, service_alert
from middlewatch.app import App
from middlewatch.frontends.web.pages import render
from middlewatch.frontends.web.problems import kind_of
from middlewatch.frontends.web.visitors import FACE, Acting, Application, SignedIn
from middlewatch.records import Investigation
from middlewatch.records.errors import BadInput, MiddlewatchError

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=1024)]


@router.get("/investigate")
def start_page(request: Request, app: Application, _visitor: SignedIn) -> Response:
    """The form."""
    return _page(request, app, {})


@router.post("/investigate")
def start(
    request: Request,
    app: Application,
    _visitor: Acting,
    service: Text = "",
    metric: Text = "",
    at: Text = "",
    incident: Text = "",
) -> Response:
    """Start it, and go to its page. What cannot be started is explained with what was typed still there."""
    try:
        made = _started(app, service.strip(), metric.strip(), at.strip(), incident)
    except BadInput as error:
        return _page(request, app, {"service": service, "metric": metric, "at": at, "incident": incident}, error)
    return RedirectResponse(f"/investigations/{made.id}", 303)


def _started(app: App, service: str, metric: str, at: str, incident: str) -> Investigation:
    tenant, now = app.settings.tenant, datetime.now(UTC)
    if bool(service) == bool(incident):
        raise BadInput("Give either a service, or an incident of a recording.")
    if incident:
        recording, _, name = incident.partition("/")
        return app.investigate(recorded_alert(tenant, app.recordings(), recording, name), recording=recording)
    return app.investigate(service_alert(tenant, service, metric or None, _time(at) or now, now, source=FACE))


def _time(text: str) -> datetime | None:
    """UTC where it names no zone; None where nothing was typed."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the latter for a time that is in another year in UTC, before 1 or after 9999
        raise BadInput(f"{text!r} is not a time.", remedy="Write it like 2026-11-21T01:56, in UTC.") from None


def _page(request: Request, app: App, typed: dict[str, str], error: MiddlewatchError | None = None) -> Response:
    status = kind_of(error).status if error else 200
    return render(
        request, "investigate.html", status=status, page="investigate", recordings=app.recordings(), typed=typed, error=error
    )
