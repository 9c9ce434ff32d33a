"""Takes telemetry in over HTTP and gRPC until told to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

from middlewatch.frontends.listening import Listener, listen
from middlewatch.frontends.otlp.doors import Door, at, port_taken, refuse_open_door
from middlewatch.frontends.otlp.over_grpc import otlp_grpc
from middlewatch.frontends.otlp.over_http import otlp_http
from middlewatch.frontends.otlp.reception import Reception
from middlewatch.receiving import OpenIntake, open_intake
from middlewatch.records import Record
from middlewatch.records.errors import BadInput
from middlewatch.settings import Settings

DECODING_THREADS: Final = 2
"""One builds columns while the other unpacks, or reads JSON, which may take seconds."""
FINISH_SECONDS: Final = 5.0
"""For calls under way when it is asked to stop. Chosen."""


class Receiving(Record):
    """What somebody is told who starts it."""

    http: str
    grpc: str
    store: str
    owner: bool
    """Whether this process owns the data directory; others attach to it."""
    token: bool
    """Whether senders have to show one."""


def receive(settings: Settings, *, stopped: Callable[[], bool], told: Callable[[Receiving], None]) -> None:
    """Take telemetry in until told to stop; what was taken then is stored.

    Where the process ends that owns the data directory, this one takes it over, or attaches to whoever was quicker.

    Args:
        settings: where, and by whom.
        stopped: whether to stop; asked ten times a second.
        told: where it is taken, as soon as it is; once more when it is stored by another process.

    Raises:
        Misconfigured: it would be taken from anybody.
        BadInput: a port is taken.
        Unavailable: the store does not answer.
    """
    refuse_open_door(settings)
    while not stopped():
        settings = _receive(settings, stopped, told)


def _receive(settings: Settings, stopped: Callable[[], bool], told: Callable[[Receiving], None]) -> Settings:
    """Take telemetry in until told to stop, or until the owner of the data directory has ended.

    Returns:
        The settings with the ports that were taken: whoever comes next owns the directory, and is found where this one was.
    """
    with ExitStack() as stack:
        try:
            taken, http = listen(settings.model_copy(update={"host": settings.otlp_host, "port": settings.otlp_http_port}))
        except BadInput:
            raise port_taken(settings.otlp_host, settings.otlp_http_port, "MIDDLEWATCH_OTLP_HTTP_PORT") from None
        stack.enter_context(taken)
        opened = stack.enter_context(open_intake(settings))
        ports = {"otlp_http_port": http.port}

        def tell(where: Receiving) -> None:
            ports["otlp_grpc_port"] = int(where.grpc.rpartition(":")[2])
            told(where)

        asyncio.run(take_in(opened, http, taken, stopped=lambda: stopped() or opened.deserted(), told=tell))
    return settings.model_copy(update=ports)


async def take_in(
    opened: OpenIntake, settings: Settings, taken: socket.socket, *, stopped: Callable[[], bool], told: Callable[[Receiving], None]
) -> None:
    """Answer over HTTP and gRPC.

    Args:
        opened: where rows are handed in.
        settings: whose `port` is that of `taken`.
        taken: the port of OTLP over HTTP.
        stopped: as in `receive`.
        told: likewise.

    Raises:
        BadInput: the port of gRPC is taken.
    """
    reception = Reception(opened.intake, settings.tenant, settings.correlation_keys)
    door = Door(settings.otlp_token_sha256)
    with ThreadPoolExecutor(DECODING_THREADS, thread_name_prefix="otlp-decoding") as decoding:
        grpc = otlp_grpc(reception, door, decoding)
        try:
            port = grpc.add_insecure_port(at(settings.otlp_host, settings.otlp_grpc_port))
        except RuntimeError:
            raise port_taken(settings.otlp_host, settings.otlp_grpc_port, "MIDDLEWATCH_OTLP_GRPC_PORT") from None
        await grpc.start()
        where = Receiving(
            http=f"http://{at(settings.otlp_host, settings.port)}",
            grpc=at(settings.otlp_host, port),
            store=opened.where,
            owner=opened.owner,
            token=bool(settings.otlp_token_sha256),
        )
        listener = Listener(otlp_http(reception, door, decoding), settings, stopped, on_started=lambda: told(where))
        try:
            await listener.serve(sockets=[taken])
        finally:
            await grpc.stop(FINISH_SECONDS)
