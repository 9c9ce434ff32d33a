"""OTLP over gRPC: the Export calls of the trace, metrics and logs services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, Final, NoReturn

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from middlewatch.frontends.otlp.doors import Door
from middlewatch.frontends.otlp.reception import MOST_BYTES, Reception, Signal
from middlewatch.records.errors import BadInput, IntakeFull, MiddlewatchError, Unavailable

WHO: Final = ("server", "middlewatch")
"""At the end of every answer: another intake would answer alike."""
_DETAILS: Final = "grpc-status-details-bin"
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MOST_BYTES),
    ("grpc.max_send_message_length", MOST_BYTES),
    ("grpc.so_reuseport", 0),  # a second one on the port would get every other connection
    ("grpc.max_metadata_size", 16 * 1024),
)

MOST_READ: Final = 16
"""Messages that come in at once: gRPC does not say how large one is before it is whole, and it has no room before. Chosen."""
TURN_SECONDS: Final = 5.0
"""To wait for others' messages to come in; half of what exporters give a call. Chosen."""
BODY_SECONDS: Final = 30.0
"""In which a message has come. Chosen, as over HTTP."""

Export = Callable[[AsyncIterator[bytes], Any], Awaitable[bytes]]


def otlp_grpc(reception: Reception, door: Door, decoding: Executor) -> grpc.aio.Server:
    """What answers; it has no port yet, and is not started. Needs a running loop.

    Args:
        reception: takes requests.
        door: lets senders in.
        decoding: where requests are decoded.
    """
    server = grpc.aio.server(options=_OPTIONS)
    turns = asyncio.Semaphore(MOST_READ)
    server.add_generic_rpc_handlers(
        tuple(
            grpc.method_handlers_generic_handler(
                signal.value.service,
                {"Export": grpc.stream_unary_rpc_method_handler(_export(signal, reception, door, decoding, turns))},
            )
            for signal in Signal
        )
    )
    return server


def _export(signal: Signal, reception: Reception, door: Door, decoding: Executor, turns: asyncio.Semaphore) -> Export:
    """The call; it reads its one message itself, so that nothing comes in of whoever may not send, or when too many do."""

    async def export(messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        context.set_trailing_metadata((WHO,))
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        if not door.admits(metadata.get("authorization"), None):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "Telemetry is taken with a token that is known here.")
        try:
            with reception.room() as take:
                body = await _read(messages, turns)
                take(len(body))
                stored = await asyncio.get_running_loop().run_in_executor(decoding, reception.receive, signal, body)
            await asyncio.wrap_future(stored.done)
            return bytes(stored.answer().SerializeToString())
        except MiddlewatchError as error:
            await _refuse(context, error)

    return export


async def _read(messages: AsyncIterator[bytes], turns: asyncio.Semaphore) -> bytes:
    """The message of a call, when it is its turn.

    Raises:
        BadInput: there is none.
        IntakeFull: too many come in.
        Unavailable: it does not come.
    """
    try:
        async with asyncio.timeout(TURN_SECONDS):
            await turns.acquire()
    except TimeoutError:
        raise IntakeFull from None
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await anext(messages, None)
    except TimeoutError:
        raise Unavailable(f"The message did not come within {BODY_SECONDS:g} s.") from None
    finally:
        turns.release()
    if body is None:
        raise BadInput("There is no message in the call.")
    return body


async def _refuse(context: grpc.aio.ServicerContext[bytes, bytes], error: MiddlewatchError) -> NoReturn:
    said = f"{error.message} {error.remedy}".strip()
    if isinstance(error, BadInput):
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, said)
    if isinstance(error, IntakeFull):
        retry = Packed()
        retry.Pack(RetryInfo(retry_delay=Duration(seconds=error.retry_after_seconds)))
        status = Status(code=grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], message=said, details=[retry])
        # Without a time to come again by, senders take it that what they sent is lost.
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, said, (WHO, (_DETAILS, status.SerializeToString())))
    await context.abort(grpc.StatusCode.UNAVAILABLE, said)
    raise AssertionError  # abort raises
