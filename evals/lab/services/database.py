"""SQLite behind a bounded pool of connections; every wait and every query is measured."""

from __future__ import annotations

import logging
import queue
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.trace import SpanKind

SLOW_QUERY_SECONDS = 0.05
"""A query that takes longer is logged, where the service has no other idea."""

_BUSY_SECONDS = 2.0
"""How long SQLite waits for another connection's write lock."""

_logger = logging.getLogger(__name__)


class PoolTimeout(Exception):
    """No connection became free in time."""


class Pool:
    """At most ``size`` connections to one database, lent to one request each."""

    def __init__(self, path: Path, *, size: int, wait_seconds: float) -> None:
        self._size = size
        self._wait_seconds = wait_seconds
        self._waiting = 0
        self._name = {"db.client.connection.pool.name": path.stem}
        self._connections = [connect(path) for _ in range(size)]
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        for connection in self._connections:
            self._idle.put(connection)
        meter = metrics.get_meter(__name__)
        self._wait_time = meter.create_histogram("db.client.connection.wait_time", unit="s")
        self._timeouts = meter.create_counter("db.client.connection.timeouts", unit="{timeout}")
        meter.create_observable_up_down_counter("db.client.connection.count", callbacks=[self._count], unit="{connection}")
        meter.create_observable_up_down_counter(
            "db.client.connection.pending_requests", callbacks=[self._pending], unit="{request}"
        )
        self._timeouts.add(0, self._name)

    def acquire(self) -> sqlite3.Connection:
        """Borrow a connection; `release` returns it.

        Raises:
            PoolTimeout: all are lent and none came back in time.
        """
        started = time.perf_counter()
        self._waiting += 1
        try:
            return self._idle.get(timeout=self._wait_seconds)
        except queue.Empty:
            self._timeouts.add(1, self._name)
            raise PoolTimeout(f"no database connection became free in {self._wait_seconds:g} s, all {self._size} in use") from None
        finally:
            self._waiting -= 1
            self._wait_time.record(time.perf_counter() - started, self._name)

    def release(self, connection: sqlite3.Connection) -> None:
        self._idle.put(connection)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for the length of a block."""
        borrowed = self.acquire()
        try:
            yield borrowed
        finally:
            self.release(borrowed)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _count(self, options: CallbackOptions) -> Iterable[Observation]:
        del options
        idle = self._idle.qsize()
        yield Observation(idle, {**self._name, "db.client.connection.state": "idle"})
        yield Observation(self._size - idle, {**self._name, "db.client.connection.state": "used"})

    def _pending(self, options: CallbackOptions) -> Iterable[Observation]:
        del options
        yield Observation(self._waiting, self._name)


class Queries:
    """Runs statements, each in a span of its own, and warns of slow ones."""

    def __init__(self, *, slow_seconds: Callable[[], float] = lambda: SLOW_QUERY_SECONDS) -> None:
        self._slow_seconds = slow_seconds
        self._tracer = trace.get_tracer(__name__)
        self._duration = metrics.get_meter(__name__).create_histogram("db.client.operation.duration", unit="s")

    def run(
        self, connection: sqlite3.Connection, statement: str, parameters: Sequence[object], *, table: str
    ) -> list[tuple[Any, ...]]:
        """Run one statement in a transaction of its own and fetch all of its rows."""
        operation = statement.split(maxsplit=1)[0]
        described = {"db.system.name": "sqlite", "db.operation.name": operation, "db.collection.name": table}
        started = time.perf_counter()
        with self._tracer.start_as_current_span(f"{operation} {table}", kind=SpanKind.CLIENT, attributes=described) as span:
            span.set_attribute("db.query.text", statement)
            try:
                return connection.execute(statement, parameters).fetchall()
            except sqlite3.Error as error:
                described["error.type"] = type(error).__name__
                raise
            finally:
                seconds = time.perf_counter() - started
                self._duration.record(seconds, described)
                if seconds > self._slow_seconds():
                    _logger.warning("slow query took %.0f ms: %s", seconds * 1000, statement)


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode that any one thread at a time may use."""
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection
