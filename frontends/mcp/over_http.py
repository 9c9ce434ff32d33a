"""The server over streamable HTTP: beside the web's pages, or alone."""

from __future__ import annotations

import socket
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import anyio
import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp

from middlewatch.frontends.listening import is_loopback, listen, refuse_exposure
from middlewatch.frontends.mcp.access import PATH, Access
from middlewatch.frontends.mcp.server import create_server
from middlewatch.frontends.web.guards import BODY_BYTES, Guard, allowed_hosts
from middlewatch.local_token import local_token
from middlewatch.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from middlewatch.app import App

MOST_SESSIONS = 500
IDLE_SECONDS = 1800.0
"""Of clients that still speak the older protocol; the newer one has no sessions."""
SHUTDOWN_SECONDS = 3


def mcp_http(app: App) -> tuple[ASGIApp, AbstractAsyncContextManager[None]]:
    """The server as an ASGI application, and what has to be entered around the time in which it answers.

    It answers the paths of `access.PATHS`, wherever it is mounted.

    Raises:
        Misconfigured: it would listen beyond this machine without a name and without anybody who could sign in.
    """
    refuse_exposure(app.settings)
    server = create_server(app)
    hosts = sorted(allowed_hosts(app.settings))
    security = TransportSecuritySettings(
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
    token, _ = own_token(app.settings) or ("", None)
    return Guard(Access(app, sessions.handle_request, local_token=token), app.settings), sessions.run()


def own_token(settings: Settings) -> tuple[str, Path] | None:
    """The token of the data directory's owner with its file, where it is taken: on loopback, beside embedded back ends."""
    own = is_loopback(settings.host) and settings.redis_url is None and settings.public_url is None
    return local_token(settings.data_dir) if own else None


def serve(app: App, taken: socket.socket) -> None:
    """Answer until told to stop."""
    served, lifespan = mcp_http(app)
    config = uvicorn.Config(
        served, lifespan="off", log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=SHUTDOWN_SECONDS
    )

    async def run() -> None:
        async with lifespan:
            await uvicorn.Server(config).serve(sockets=[taken])

    anyio.run(run)


__all__ = ["PATH", "listen", "mcp_http", "own_token", "refuse_exposure", "serve"]
