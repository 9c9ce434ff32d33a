"""The server over streamable HTTP: beside the web's pages, or alone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from middlewatch.frontends.listening import Listener, refuse_exposure
from middlewatch.frontends.mcp.access import PATHS, Access
from middlewatch.frontends.mcp.server import create_server
from middlewatch.frontends.web.guards import BODY_BYTES, allowed_hosts, is_local
from middlewatch.local_token import local_token
from middlewatch.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from middlewatch.app import App

MOST_SESSIONS = 500
IDLE_SECONDS = 1800.0
"""Of clients that speak the older protocol; the newer one has no sessions."""


def mcp_http(app: App) -> tuple[ASGIApp, AbstractAsyncContextManager[None]]:
    """The server as an ASGI application, and what has to be entered around the time in which it answers.

    It answers the paths of `access.PATHS`, whatever it stands beside.

    Raises:
        Misconfigured: it would listen beyond this machine without a name and without anybody who could sign in.
    """
    refuse_exposure(app.settings)
    server = create_server(app)
    hosts = sorted(allowed_hosts(app.settings))
    security = TransportSecuritySettings(  # once more behind `Access`, which is stricter about origins
        allowed_hosts=[*hosts, *(f"{host}:*" for host in hosts)],
        allowed_origins=[f"{scheme}://{host}{port}" for scheme in ("http", "https") for host in hosts for port in ("", ":*")],
    )
    server.streamable_http_app(
        transport_security=security,
        max_request_body_size=BODY_BYTES,
        max_sessions=MOST_SESSIONS,
        session_idle_timeout=IDLE_SECONDS,
    )
    sessions = server.session_manager
    own = own_token(app.settings)
    return Access(app, sessions.handle_request, local_token=own[0] if own else ""), sessions.run()


def own_token(settings: Settings) -> tuple[str, Path] | None:
    """The token of the data directory's owner with its file, where it is taken: where nobody but this machine gets to it."""
    return local_token(settings.data_dir) if is_local(settings) and settings.public_url is None else None


def alone(app: App) -> Starlette:
    """The server with nothing beside it."""
    answering, running = mcp_http(app)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with running:
            yield

    return Starlette(routes=[Route(path, answering) for path in PATHS], lifespan=lifespan)


def serve(app: App, taken: socket.socket, *, stopped: Callable[[], bool]) -> None:
    """Answer until told to stop."""
    asyncio.run(Listener(alone(app), app.settings, stopped).serve(sockets=[taken]))
