"""OTLP over HTTP: POST /v1/traces, /v1/metrics and /v1/logs, in protobuf and JSON, packed by gzip or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from middlewatch.frontends.otlp.doors import Door
from middlewatch.frontends.otlp.reception import MOST_BYTES, Reception, Signal, Stored, TooLarge, unpacked
from middlewatch.records.errors import BadInput, IntakeFull, MiddlewatchError

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
BY_POST: Final = "Telemetry is taken by POST."
"""What whoever asks by another method is told, with a token or without; `checks` knows an intake by it."""
AWAY_SECONDS: Final = 5
"""When to come again where the store does not answer. Chosen."""
BODY_SECONDS: Final = 30.0
"""In which a request has arrived whole: it has room here meanwhile, which others need. Chosen: exporters give up after ten."""
REST_SECONDS: Final = 5.0
"""For the rest of a request that is refused. Chosen."""

_TOO_LARGE: Final = HTTPStatus(413)  # its name depends on the release of Python
_BY_PATH: Final = {signal.value.path: signal for signal in Signal}
_CODES: Final = {
    HTTPStatus.BAD_REQUEST: Code.INVALID_ARGUMENT,
    HTTPStatus.UNAUTHORIZED: Code.UNAUTHENTICATED,
    HTTPStatus.NOT_FOUND: Code.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT: Code.DEADLINE_EXCEEDED,
    HTTPStatus.METHOD_NOT_ALLOWED: Code.UNIMPLEMENTED,
    _TOO_LARGE: Code.OUT_OF_RANGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: Code.INVALID_ARGUMENT,
    HTTPStatus.TOO_MANY_REQUESTS: Code.RESOURCE_EXHAUSTED,
    HTTPStatus.SERVICE_UNAVAILABLE: Code.UNAVAILABLE,
    HTTPStatus.INTERNAL_SERVER_ERROR: Code.INTERNAL,
}


class _Gone(Exception):
    """The sender went away in the middle of its request."""


class _Reply(Exception):
    """An answer other than that it is stored."""

    def __init__(self, status: HTTPStatus, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


class _Incoming:
    """A request that comes in."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.whole = False
        """Whether all of it came."""

    async def parts(self) -> AsyncIterator[bytes]:
        """What comes of it, piece by piece.

        Raises:
            _Gone: the sender went away.
        """
        while not self.whole:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            self.whole = not message.get("more_body", False)
            yield message.get("body", b"")

    async def leave(self) -> None:
        """Let the rest come and forget it, where it is not too much: who is cut off while sending does not read the answer."""
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(REST_SECONDS):
                async for part in self.parts():
                    size += len(part)
                    if size > MOST_BYTES:
                        return


def otlp_http(reception: Reception, door: Door, decoding: Executor) -> ASGIApp:
    """What answers.

    Args:
        reception: takes requests.
        door: lets senders in.
        decoding: where requests are decoded.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        headers = Headers(scope=scope)
        incoming, kind = _Incoming(receive), _media_type(headers)
        with suppress(_Gone):
            try:
                signal = _asked(scope, headers, door)
                stored = await _stored(reception, decoding, signal, headers, incoming)
                await asyncio.wrap_future(stored.done)
                await _send(send, HTTPStatus.OK, _written(stored.answer(), kind), kind)
            except (_Reply, MiddlewatchError) as error:
                await incoming.leave()
                reply = error if isinstance(error, _Reply) else _told(error)
                await _refuse(send, reply, kind, last=not incoming.whole)

    return answer


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _asked(scope: Scope, headers: Headers, door: Door) -> Signal:
    """Which signal is sent, by somebody who may, in an encoding that is known."""
    signal = _BY_PATH.get(scope.get("path", ""))
    if scope["type"] != "http" or signal is None:
        raise _Reply(HTTPStatus.NOT_FOUND, f"There is nothing here; telemetry is taken at {', '.join(_BY_PATH)}.")
    if scope["method"] != "POST":
        raise _Reply(HTTPStatus.METHOD_NOT_ALLOWED, BY_POST, ((b"allow", b"POST"),))
    if not door.admits(headers.get("authorization"), headers.get("host")):
        raise _Reply(
            HTTPStatus.UNAUTHORIZED,
            "Telemetry is taken with a token that is known here: Authorization: Bearer TOKEN.",
            ((b"www-authenticate", b"Bearer"),),
        )
    if _media_type(headers) not in {PROTOBUF, JSON}:
        raise _Reply(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Telemetry is taken as {PROTOBUF} or {JSON}.")
    if headers.get("content-encoding", "identity").lower() not in {"identity", "gzip"}:
        raise _Reply(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Telemetry is taken as it is or packed by gzip.")
    return signal


async def _stored(reception: Reception, decoding: Executor, signal: Signal, headers: Headers, incoming: _Incoming) -> Stored:
    """Read and decode a request, and hand in what is in it."""
    packed = headers.get("content-encoding", "identity").lower() == "gzip"
    is_json = _media_type(headers) == JSON
    with reception.room() as take:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(headers, incoming, take)
        except TimeoutError:
            raise _Reply(HTTPStatus.REQUEST_TIMEOUT, f"The request did not arrive within {BODY_SECONDS:g} s.") from None

        def work() -> Stored:
            whole = body
            if packed:
                whole = unpacked(body)
                take(max(0, len(whole) - len(body)))
            return reception.receive(signal, whole, is_json=is_json)

        return await asyncio.get_running_loop().run_in_executor(decoding, work)


async def _body(headers: Headers, incoming: _Incoming, take: Callable[[int], None]) -> bytes:
    """The whole request as it came."""
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > MOST_BYTES:
        raise TooLarge
    parts, size = [], 0
    async for part in incoming.parts():
        size += len(part)
        if size > MOST_BYTES:
            raise TooLarge
        take(len(part))
        parts.append(part)
    return b"".join(parts)


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _told(error: MiddlewatchError) -> _Reply:
    said = f"{error.message} {error.remedy}".strip()
    if isinstance(error, TooLarge):
        return _Reply(_TOO_LARGE, said)
    if isinstance(error, BadInput):
        return _Reply(HTTPStatus.BAD_REQUEST, said)
    if isinstance(error, IntakeFull):
        return _Reply(HTTPStatus.TOO_MANY_REQUESTS, said, _retry_after(error.retry_after_seconds))
    return _Reply(HTTPStatus.SERVICE_UNAVAILABLE, said, _retry_after(AWAY_SECONDS))


def _retry_after(seconds: int) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"retry-after", str(seconds).encode()),)


async def _refuse(send: Send, reply: _Reply, kind: str, *, last: bool) -> None:
    """Say no, as the protocol says it, or in plain text to whoever does not speak it; `last` is whether nothing more can come over
    this connection.
    """
    if kind in {PROTOBUF, JSON}:
        body = _written(Status(code=_CODES[reply.status], message=reply.message), kind)
    else:
        body, kind = f"{reply.message}\n".encode(), TEXT
    headers = (*reply.headers, (b"connection", b"close")) if last else reply.headers
    await _send(send, reply.status, body, kind, headers)


def _written(message: Message, kind: str) -> bytes:
    written: bytes = MessageToJson(message, indent=None).encode() if kind == JSON else message.SerializeToString()
    return written


async def _send(send: Send, status: HTTPStatus, body: bytes, kind: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send(
        {"type": "http.response.start", "status": status.value, "headers": [(b"content-type", kind.encode()), length, *headers]}
    )
    await send({"type": "http.response.body", "body": body})
