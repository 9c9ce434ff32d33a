"""Redis, as pricing uses it: every command in a span and measured."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

import redis
from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind
from redis.backoff import NoBackoff
from redis.retry import Retry


class PriceStore:
    """The price list, the promotions and the cache of quotes."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, decode_responses=True, socket_timeout=2.0, retry=Retry(NoBackoff(), 0))
        self._tracer = trace.get_tracer(__name__)
        self._duration = metrics.get_meter(__name__).create_histogram("db.client.operation.duration", unit="s")

    def close(self) -> None:
        self._redis.close()

    def cached_quotes(self, skus: Sequence[str]) -> list[int | None]:
        with self._command("MGET"):
            values = cast("list[str | None]", self._redis.mget([f"quote:{sku}" for sku in skus]))
        return [None if value is None else int(value) for value in values]

    def cache_quotes(self, quotes: Mapping[str, int], *, seconds: int) -> None:
        with self._command("SET"):
            pipeline = self._redis.pipeline(transaction=False)
            for sku, cents in quotes.items():
                pipeline.set(f"quote:{sku}", cents, ex=seconds)
            pipeline.execute()

    def prices(self, skus: Sequence[str]) -> list[int]:
        with self._command("HMGET"):
            values = cast("list[str]", self._redis.hmget("prices", list(skus)))
        return [int(value) for value in values]

    def promotions(self) -> list[str]:
        with self._command("LRANGE"):
            return cast("list[str]", self._redis.lrange("promotions", 0, -1))

    @contextmanager
    def _command(self, operation: str) -> Iterator[None]:
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
