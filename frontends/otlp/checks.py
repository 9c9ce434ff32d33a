"""What `middlewatch doctor` says of telemetry that comes in over OTLP: where, and whether anything answers there."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

import grpc

from middlewatch.doctor import Check, Health
from middlewatch.frontends.otlp.doors import at, otlp_addresses, refuse_open_door
from middlewatch.frontends.otlp.over_grpc import WHO
from middlewatch.frontends.otlp.over_http import BY_POST
from middlewatch.frontends.otlp.reception import Signal
from middlewatch.records.errors import Misconfigured
from middlewatch.settings import Settings

WAIT_SECONDS: Final = 2.0
"""For an answer from this machine, or from one that is near. Chosen."""
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where one that listens everywhere is found
MOST_READ: Final = 4096
"""Bytes of an answer over HTTP; an intake's is shorter."""
FOREIGN: Final = "another program answers there"
_START: Final = "To take any in: middlewatch serve (or `middlewatch otlp`, by itself)"


def check_otlp(settings: Settings) -> Iterator[Check]:
    """Whether telemetry is taken in over HTTP and gRPC, or why not. Nothing is sent that would be stored."""
    try:
        refuse_open_door(settings)
    except Misconfigured as error:
        yield Check(name="otlp", health=Health.BROKEN, found=error.message, remedy=error.remedy)
        return
    host = _ANY.get(settings.otlp_host, settings.otlp_host)
    token = ", with a token" if settings.otlp_token_sha256 else ""
    for name, port, address, look, setting in zip(
        ("otlp over HTTP", "otlp over gRPC"),
        (settings.otlp_http_port, settings.otlp_grpc_port),
        otlp_addresses(settings),
        (_over_http, _over_grpc),
        ("MIDDLEWATCH_OTLP_HTTP_PORT", "MIDDLEWATCH_OTLP_GRPC_PORT"),
        strict=True,
    ):
        if not port:
            told = f"at any free port of {settings.otlp_host}, as {setting} says; whoever takes telemetry in says which"
            yield Check(name=name, health=Health.OK, found=told)
        elif why := _problem(host, port, look):
            remedy = f"Stop that program, or choose another port with {setting}." if why == FOREIGN else _START
            yield Check(name=name, health=Health.NOTICE, found=f"nothing is taken in at {address}: {why}", remedy=remedy)
        else:
            yield Check(name=name, health=Health.OK, found=f"telemetry is taken in at {address}{token}")


def _problem(host: str, port: int, look: Callable[[str, int], str]) -> str:
    """Why there is no intake; empty where there is one."""
    try:
        socket.create_connection((host, port), WAIT_SECONDS).close()
        return look(host, port)
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__


def _over_http(host: str, port: int) -> str:
    """An intake is known by how it refuses what it does not take."""
    with closing(http.client.HTTPConnection(host, port, timeout=WAIT_SECONDS)) as connection:
        try:
            connection.request("GET", Signal.TRACES.value.path)
            body = connection.getresponse().read(MOST_READ)
        except http.client.HTTPException:
            return FOREIGN
    return "" if BY_POST.encode() in body else FOREIGN


def _over_grpc(host: str, port: int) -> str:
    """A call with nothing in it is taken, or refused for want of a token or of room; an intake of ours says who it is."""
    with grpc.insecure_channel(at(host, port), [("grpc.enable_http_proxy", 0)]) as channel:
        answer: grpc.Call
        try:
            _, answer = channel.unary_unary(f"/{Signal.TRACES.value.service}/Export").with_call(b"", timeout=WAIT_SECONDS)
        except grpc.RpcError as error:
            answer = error
        if WHO not in (answer.trailing_metadata() or ()):
            return FOREIGN
        return str(answer.details()) if answer.code() is grpc.StatusCode.UNAVAILABLE else ""  # its store is away
