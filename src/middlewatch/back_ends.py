"""The concrete back ends, opened as the settings ask: servers by URL, or those of the data directory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from redis import Redis

from middlewatch.context_store.redis_server import RedisServer, connect
from middlewatch.data_directory import DataDirectory
from middlewatch.records.errors import Unavailable
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import ClickHouse, Collector
from middlewatch.telemetry.limits import Limits
from middlewatch.telemetry.shim import Shim

Attached = TypeVar("Attached")

ATTACH_SECONDS = 10.0
"""How long an owner that is just starting may take until its sockets answer."""
MIB = 1024 * 1024


def limits_of(settings: Settings) -> Limits:
    """What one query may cost."""
    return Limits(
        query_seconds=settings.query_seconds,
        rows=settings.query_rows,
        memory_bytes=settings.query_memory_mib * MIB,
        concurrency=settings.query_concurrency,
    )


@contextmanager
def open_redis(settings: Settings, directory: DataDirectory | None) -> Iterator[Redis]:
    """A server by URL; the data directory's own, started here where this process owns it, attached to otherwise."""
    if settings.redis_url is not None:
        with closing(connect(str(settings.redis_url))) as redis:
            yield redis
    elif directory is not None and directory.owned:
        with RedisServer(directory.redis) as server, closing(server.client()) as redis:
            yield redis
    elif directory is not None:
        with closing(_attached(directory, lambda: connect(RedisServer(directory.redis).url))) as redis:
            yield redis


@contextmanager
def open_telemetry(settings: Settings, directory: DataDirectory | None, limits: Limits) -> Iterator[ClickHouse]:
    """The same for ClickHouse."""
    if settings.clickhouse_url is not None:
        collector = None
        if settings.collector_database:
            keys = settings.correlation_keys
            collector = Collector(database=settings.collector_database, tenant=settings.tenant, correlation_keys=keys)
        with ClickHouse.connect(str(settings.clickhouse_url), limits, collector=collector) as telemetry:
            telemetry.migrate()
            yield telemetry
    elif directory is not None and directory.owned:
        with ClickHouse.embedded(directory.clickhouse, limits) as telemetry:
            telemetry.migrate()
            with Shim(telemetry, _clickhouse_socket(directory)):
                yield telemetry
    elif directory is not None:
        with _attached(directory, lambda: ClickHouse.attach(_clickhouse_socket(directory), limits)) as telemetry:
            yield telemetry


def _clickhouse_socket(directory: DataDirectory) -> Path:
    """Beside that of Redis, which is in a short private folder where the directory's path is too long for a socket."""
    return RedisServer.socket_in(directory.redis).with_name("ch.sock")


def _attached(directory: DataDirectory, attach: Callable[[], Attached]) -> Attached:
    """Attach to the owner of the data directory, which may be just starting."""
    deadline = time.monotonic() + ATTACH_SECONDS
    while True:
        try:
            return attach()
        except Unavailable:
            if time.monotonic() > deadline:
                raise directory.locked_error() from None
            time.sleep(0.2)
