"""The site: every page and every call of the API, behind the guards."""

from __future__ import annotations

from threading import Event

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from starlette.middleware.gzip import GZipMiddleware

from middlewatch.app import App
from middlewatch.bearers import Bearers
from middlewatch.frontends.alerts import doors as alert_doors
from middlewatch.frontends.changes import doors as change_doors
from middlewatch.frontends.program import program
from middlewatch.frontends.web import (
    alerts,
    api,
    audit,
    decisions,
    errors,
    feedback,
    halting,
    handling,
    health,
    inbox,
    investigation,
    live,
    metrics,
    model_costs,
    nights,
    parts,
    proposals,
    sessions,
    sign_in,
    starting,
    static_files,
)
from middlewatch.frontends.web.attempts import Attempts
from middlewatch.frontends.web.guards import PROBE, Guard, is_local
from middlewatch.frontends.web.oidc import Provider
from middlewatch.frontends.web.streams import Watching
from middlewatch.frontends.web.visitors import PROGRAM_FACE, Application
from middlewatch.records.errors import MiddlewatchError
from middlewatch.vitals import Vitals

ROUTERS = (
    static_files.router,
    sign_in.router,
    sessions.router,
    inbox.router,
    health.router,
    starting.router,
    investigation.router,
    parts.router,
    handling.router,
    alerts.router,
    decisions.router,
    decisions.of_investigations,
    proposals.router,
    halting.router,
    feedback.router,
    live.router,
    audit.router,
    nights.router,
    model_costs.router,
    metrics.router,
    api.router,
    alert_doors.router,
    change_doors.router,
)
"""Of every part of the site."""
GZIP_LEVEL = 5
"""Half the time of level 9 for a few bytes more; a page is packed while somebody waits for it."""


def create_site(app: App) -> FastAPI:
    """Build the site.

    Args:
        app: what it shows; open for as long as the site runs.

    Raises:
        Misconfigured: a setting of the sign-in cannot work.
    """
    site = FastAPI(title="middlewatch", docs_url=None, redoc_url=None, openapi_url=None)
    state = site.state
    state.app = app
    state.secure = app.settings.public_url is not None and app.settings.public_url.scheme == "https"
    state.local = is_local(app.settings)
    here = state.local and app.settings.public_url is None  # where data lies on a server is nobody else's to know
    state.program = " ".join(program(from_anywhere=True)) if here else "middlewatch"
    state.provider = Provider.of(app.settings)
    state.attempts = Attempts()
    state.shared = parts.SharedParts()
    state.stopping = Event()  # streams end when it is set
    state.watching = Watching(app, state.stopping.is_set)
    state.bearers = Bearers(app.approvals, face=PROGRAM_FACE)
    state.vitals = Vitals(app)
    state.alert_door = alert_doors.Door(app)
    for router in ROUTERS:
        site.include_router(router)
    site.add_api_route(PROBE, answering, methods=["GET"], include_in_schema=False)
    errors.install(site)
    site.add_middleware(errors.LastResort)  # the last that is added is the outermost
    site.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=GZIP_LEVEL)
    site.add_middleware(Guard, settings=app.settings)
    return site


def answering(app: Application) -> PlainTextResponse:
    """Whether the store answers, in one word."""
    try:
        app.approvals.now()
    except MiddlewatchError:
        return PlainTextResponse("not ok\n", 503)
    return PlainTextResponse("ok\n")
