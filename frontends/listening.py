"""Listening for HTTP: where it is allowed to, until somebody asks it to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from middlewatch.records.errors import BadInput, Misconfigured
from middlewatch.records.loopback import is_loopback
from middlewatch.settings import Settings

SHUTDOWN_SECONDS = 3
"""For what is being answered when it is asked to stop; streams end at once. Chosen, not derived."""
REQUEST_SECONDS = 15.0
"""In which the head of a request has come whole. Chosen, not derived."""
CONNECTIONS = 1000
"""At once; beyond them it answers 503. Five times the viewers that it is made for."""


def refuse_exposure(settings: Settings) -> None:
    """Off loopback there must be a name to be reached by, and somebody who can sign in.

    Raises:
        Misconfigured: there is not.
    """
    if is_loopback(settings.host):
        return
    if settings.public_url is None:
        raise Misconfigured(
            f"Nothing is served at {settings.host}: nobody said by which name it is reached.",
            remedy="Set MIDDLEWATCH_PUBLIC_URL to its https address, or listen on 127.0.0.1.",
        )
    if not settings.policy_path.exists():
        raise Misconfigured(
            f"Nothing is served at {settings.host}: without a policy nobody can show who they are.",
            remedy="Write one with `middlewatch policy init`, or listen on 127.0.0.1.",
        )


def listen(settings: Settings) -> tuple[socket.socket, Settings]:
    """Take the port, and say which it is.

    Raises:
        BadInput: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        made = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise BadInput(
            f"{settings.host}:{settings.port} cannot be listened at: {error.strerror or error}.",
            remedy="Choose another with --port.",
        ) from error
    # asyncio sends without delay only over what says that it is TCP; otherwise every answer takes 40 ms longer.
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=made.detach())
    return taken, settings.model_copy(update={"port": taken.getsockname()[1]})


def address_of(settings: Settings) -> str:
    """Where people reach it: without a slash at its end."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return str(settings.public_url or f"http://{host}:{settings.port}").rstrip("/")


class Impatient(H11Protocol):
    """A connection that is closed when no request comes over it: whoever sends one byte a minute holds nothing up."""

    _next_look: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the library has it
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._next_look.cancel()  # until it is due it would hold the connection, with all that came over it
        super().connection_lost(exc)

    def _watch(self) -> None:
        self._next_look = self.loop.call_later(REQUEST_SECONDS, self._look, self.cycle)

    def _look(self, before: object) -> None:
        if self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE and self.cycle is before:  # no head of a request has come whole since
            self.transport.close()
        else:
            self._watch()


class Listener(uvicorn.Server):
    """Answers until it is told to stop. Signals are its caller's."""

    def __init__(
        self, app: ASGIApp, settings: Settings, stopped: Callable[[], bool], *, on_started: Callable[[], None] = lambda: None
    ) -> None:
        """Nothing is answered yet: await `serve(sockets=[...])`.

        Args:
            app: what answers.
            settings: which proxies are trusted.
            stopped: asked ten times a second.
            on_started: told when it answers.
        """
        super().__init__(
            uvicorn.Config(
                app,
                http=Impatient,
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                forwarded_allow_ips=[str(network) for network in settings.trusted_proxies],
                limit_concurrency=CONNECTIONS,
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
        )
        self._stopped = stopped
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    async def on_tick(self, counter: int) -> bool:
        self.should_exit = self.should_exit or self._stopped()
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone: the library would raise them once more after the end, past all that is to be closed in good order."""
        yield
