"""The price list, the promotions and the cache of quotes in the catalogue's Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from middlewatch.evals.lab.services.redis_store import RedisStore


class PriceStore:
    """What the catalogue keeps in Redis."""

    def __init__(self, url: str) -> None:
        self._store = RedisStore(url)

    def close(self) -> None:
        self._store.close()

    def cached_quotes(self, skus: Sequence[str]) -> list[int | None]:
        answer = self._store.run("MGET", lambda: self._store.client.mget([f"quote:{sku}" for sku in skus]))
        return [None if value is None else int(value) for value in cast("list[str | None]", answer)]

    def cache_quotes(self, quotes: Mapping[str, int], *, seconds: int) -> None:
        def write() -> None:
            pipeline = self._store.client.pipeline(transaction=False)
            for sku, cents in quotes.items():
                pipeline.set(f"quote:{sku}", cents, ex=seconds)
            pipeline.execute()

        self._store.run("SET", write)

    def prices(self, skus: Sequence[str]) -> list[int]:
        answer = self._store.run("HMGET", lambda: self._store.client.hmget("prices", list(skus)))
        return [int(value) for value in cast("list[str]", answer)]

    def promotions(self) -> list[str]:
        return cast("list[str]", self._store.run("LRANGE", lambda: self._store.client.lrange("promotions", 0, -1)))
