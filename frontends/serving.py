"""All faces in one process: the web with its API, Slack, MCP over HTTP, and the work itself beside them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.routing import Route

from middlewatch.announcing import announced
from middlewatch.app import App
from middlewatch.frontends.listening import Listener, address_of
from middlewatch.frontends.otlp.doors import otlp_addresses, otlp_hindrance
from middlewatch.frontends.web.guards import is_local
from middlewatch.frontends.web.site import create_site
from middlewatch.receiving import beside_serving
from middlewatch.records import Record
from middlewatch.records.loopback import is_loopback

LINK = "/sign-in/link?key="


@dataclass(frozen=True, slots=True)
class Faces:
    """What is served."""

    work: bool = True
    slack: bool = True
    """Where the settings have it."""
    mcp: bool = True
    otlp: bool = True
    """Take telemetry in, in a process beside this one."""


class Served(Record):
    """What somebody is told who starts it."""

    url: str
    sign_in: str | None
    """A link that signs the system's user in once, within ten minutes; none where that is not allowed."""
    mcp: str | None
    mcp_token_file: str | None = None
    """Where the system's user finds a token of theirs for it; none where only those of the policy count."""
    slack: str | None
    """`http` or `socket`."""
    otlp: str | None = None
    """Where telemetry is taken in over HTTP."""
    otlp_grpc: str | None = None
    """The same over gRPC."""
    working: bool
    owner: bool
    """Whether this process owns the data directory; others attach to it."""
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assembled:
    """All faces, and what is entered around the time in which they answer."""

    site: FastAPI
    mcp: str | None
    """Where it answers."""
    slack: str | None
    """`http` or `socket`."""
    answering: AbstractAsyncContextManager[None]
    posting: AbstractContextManager[None]


def serve(
    app: App,
    taken: socket.socket,
    faces: Faces,
    *,
    stopped: Callable[[], bool],
    told: Callable[[Served], None],
    finishing: Callable[[], None],
) -> None:
    """Serve until told to stop.

    Args:
        app: what is served; its settings name the port that was taken.
        taken: the port.
        faces: which.
        stopped: whether to stop; asked ten times a second.
        told: what is served, as soon as it answers.
        finishing: told when it answers no more, and finishes what is being worked on.

    Raises:
        Misconfigured: a setting of a face cannot work.
        MiddlewatchError: the work in the background cannot go on.
    """
    whole = assembled(app, faces)
    site = whole.site
    with ExitStack() as stack:
        stack.enter_context(whole.posting)
        ended = stack.enter_context(app.working()) if faces.work else None
        hindrance = otlp_hindrance(app.settings) if faces.otlp else ""
        if faces.otlp and not hindrance:
            stack.enter_context(beside_serving(app.settings))
        if is_local(app.settings):
            stack.enter_context(announced(app.settings.data_dir, address_of(app.settings)))
        served = _served(app, faces, whole, hindrance)

        def over() -> bool:
            if not stopped() and not (ended is not None and ended.is_set()):
                return False
            site.state.stopping.set()  # streams look at it
            return True

        listener = Listener(site, app.settings, over, on_started=lambda: told(served))

        async def run() -> None:
            async with whole.answering:
                await listener.serve(sockets=[taken])

        asyncio.run(run())
        finishing()


def _served(app: App, faces: Faces, whole: Assembled, hindrance: str) -> Served:
    """What is told; the hindrance is why no telemetry is taken in, though it was to be."""
    url = address_of(app.settings)
    otlp, otlp_grpc = otlp_addresses(app.settings) if faces.otlp and not hindrance else (None, None)
    return Served(
        url=url,
        sign_in=link(app, url) if is_local(app.settings) else None,
        mcp=whole.mcp,
        mcp_token_file=_mcp_token_file(app) if faces.mcp else None,
        slack=whole.slack,
        otlp=otlp,
        otlp_grpc=otlp_grpc,
        working=faces.work,
        owner=app.owner,
        notices=(*_notices(app), *filter(None, [hindrance])),
    )


def link(app: App, url: str) -> str:
    """A link that signs the system's user in once, where `announced` says that it is taken."""
    return url + LINK + app.sessions.offer_link(app.approvals.unix_identity())


def _mcp_token_file(app: App) -> str | None:
    from middlewatch.frontends.mcp.over_http import own_token  # noqa: PLC0415  half a second that only this face needs

    own = own_token(app.settings)
    return str(own[1]) if own else None


def assembled(app: App, faces: Faces) -> Assembled:
    """The site with whatever else answers beside it. Nothing runs yet.

    Raises:
        Misconfigured: a setting of a face cannot work.
    """
    site = create_site(app)
    mcp = slack = None
    answering: AbstractAsyncContextManager[None] = nullcontext()
    posting: AbstractContextManager[None] = nullcontext()
    if faces.mcp:
        from middlewatch.frontends.mcp.access import PATH, PATHS  # noqa: PLC0415  half a second that only this face needs
        from middlewatch.frontends.mcp.over_http import mcp_http  # noqa: PLC0415  likewise

        server, answering = mcp_http(app)
        site.router.routes.extend(Route(path, server, include_in_schema=False) for path in PATHS)
        mcp = address_of(app.settings) + PATH
    if faces.slack:
        from middlewatch.frontends.slack.face import is_configured, slack_face  # noqa: PLC0415  likewise

        if is_configured(app.settings):
            face = slack_face(app)
            site.include_router(face.router)
            posting = face.running()
            slack = "http" if app.settings.slack_app_token is None else "socket"
    return Assembled(site, mcp, slack, answering, posting)


def _notices(app: App) -> tuple[str, ...]:
    """What whoever starts it should know."""
    settings, found = app.settings, []
    if not settings.policy_path.exists():
        found.append("There is no policy, so nobody can decide anything: middlewatch policy init")
    if not is_loopback(settings.host) and settings.public_url is not None and settings.public_url.scheme != "https":
        found.append("MIDDLEWATCH_PUBLIC_URL is not https: whoever is on the way can read tokens and sessions.")
    return tuple(found)
