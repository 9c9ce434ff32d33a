"""Live pages: server-sent events, of one investigation or of the lists.

A viewer that was cut off goes on after the last id that it has, on any process; a slow one holds up nobody. A stream ends when
whoever watches may no longer read, and when the server stops; browsers then come back by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from middlewatch.app import App
from middlewatch.frontends.web.hub import Follower
from middlewatch.frontends.web.streams import watching
from middlewatch.frontends.web.visitors import Application, Id, NotSignedIn, SignedIn, signed_in
from middlewatch.live import Cursor
from middlewatch.records.errors import MiddlewatchError, Refused, Unavailable

router = APIRouter(include_in_schema=False)

BEAT_SECONDS = 5.0
"""Between two signs of life, and two looks whether the viewer may still read. Chosen: who was signed out sees no more than this."""
RETRY = b"retry: 2000\n\n"
"""When a browser comes back that was cut off, in milliseconds."""
RETRY_LATER = b"retry: 30000\n\n"
OVER = b"event: over\ndata: signed out\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

After = Annotated[str | None, Query(max_length=64)]
LastId = Annotated[str | None, Header(alias="last-event-id", max_length=64)]


@router.get("/investigations/{investigation}/stream")
def investigation_stream(  # what a stream is asked for with
    request: Request, app: Application, _visitor: SignedIn, investigation: Id, after: After = None, last: LastId = None
) -> Response:
    """What happens in it, after a place; from its beginning where there is none."""
    found = app.investigation(investigation)
    place = last or after
    beginning = Cursor() if place or found.opened_at is None else app.live.start(found.opened_at)
    return _stream(_investigation(Viewer(request, app), found.id, Cursor.parse(place) if place else beginning))


@router.get("/stream")
def lists_stream(request: Request, app: Application, _visitor: SignedIn, after: After = None, last: LastId = None) -> Response:
    """Says `changed` whenever an investigation or a request did."""
    return _stream(_lists(Viewer(request, app), last or after))


@dataclass
class Viewer:
    """One connection, in the server's loop."""

    request: Request
    app: App
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None
    _next: float = 0.0

    def begin(self) -> None:
        """Called in the loop that it is written from."""
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.time() + BEAT_SECONDS

    def wake(self) -> None:
        """There is news. Called from any thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._news.set)

    def look(self) -> None:
        """What is found after this call is no news any more."""
        self._news.clear()

    async def wait(self) -> bytes:
        """Wait for news, or for the next sign of life, which is what is returned then.

        Raises:
            NotSignedIn: they may no longer read.
            Unavailable: nobody can tell.
        """
        assert self._loop is not None  # noqa: S101  `begin` was called
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._next):
                await self._news.wait()
        if self._loop.time() < self._next:
            return b""
        self._next = self._loop.time() + BEAT_SECONDS
        await run_in_threadpool(signed_in, self.request, self.app)
        return f"event: beat\ndata: {datetime.now(UTC):%H:%M:%S}\n\n".encode()


def _stream(frames: AsyncGenerator[bytes]) -> Response:
    return StreamingResponse(_until_over(frames), media_type="text/event-stream", headers=_HEADERS)


async def _until_over(frames: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield RETRY
    try:
        async with aclosing(frames):
            async for frame in frames:
                if frame:
                    yield frame
    except (NotSignedIn, Refused):
        yield OVER
    except Unavailable:
        yield RETRY_LATER
    except MiddlewatchError:
        return


async def _investigation(viewer: Viewer, investigation: str, cursor: Cursor) -> AsyncGenerator[bytes]:
    viewer.begin()
    with watching(viewer.request).investigation(investigation, viewer.wake) as hub:
        follower = Follower(hub, cursor)
        while not hub.ended:
            viewer.look()
            news = follower.kept()
            if news is None:
                news = await run_in_threadpool(follower.stored)
            for place, one in news:
                yield f"id: {place}\n".encode() + one.body
            if not news:
                yield await viewer.wait()


async def _lists(viewer: Viewer, seen: str | None) -> AsyncGenerator[bytes]:
    viewer.begin()
    with watching(viewer.request).lists(viewer.wake) as lists:
        while not lists.ended:
            viewer.look()
            if lists.state and lists.state != seen:
                seen = lists.state
                yield f"id: {seen}\nevent: changed\ndata: {{}}\n\n".encode()
            yield await viewer.wait()
