"""Redis, as the services use it: every command in a span and measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import redis
from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind
from redis.backoff import NoBackoff
from redis.retry import Retry

_Answer = TypeVar("_Answer")


class RedisStore:
    """A client of one Redis server, without second tries."""

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(url, decode_responses=True, socket_timeout=2.0, retry=Retry(NoBackoff(), 0))
        self._tracer = trace.get_tracer(__name__)
        self._duration = metrics.get_meter(__name__).create_histogram("db.client.operation.duration", unit="s")

    def close(self) -> None:
        self.client.close()

    def run(self, operation: str, command: Callable[[], _Answer]) -> _Answer:
        """What a command answers, under its name in telemetry."""
        with self._observed(operation):
            return command()

    @contextmanager
    def _observed(self, operation: str) -> Iterator[None]:
        described = {"db.system.name": "redis", "db.operation.name": operation}
        started = time.perf_counter()
        try:
            with self._tracer.start_as_current_span(operation, kind=SpanKind.CLIENT, attributes=described):
                yield
        except redis.RedisError as error:
            described["error.type"] = type(error).__name__
            raise
        finally:
            self._duration.record(time.perf_counter() - started, described)
