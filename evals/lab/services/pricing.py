"""The prices: quotes from a price list and promotions in Redis, and a cache of quotes beside them."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from middlewatch.evals.lab.data import CATEGORIES
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services.price_store import PriceStore
from middlewatch.evals.lab.services.server import route

_logger = logging.getLogger(__name__)


class Pricing:
    """One instance of the service."""

    def __init__(self, folder: RunFolder, version: str) -> None:
        del version  # its versions do the same
        self._store = PriceStore(folder.address("redis").read_text(encoding="utf-8"))
        self._configuration = _WatchedConfiguration(folder.configuration("pricing"))

    def close(self) -> None:
        self._store.close()

    def routes(self) -> list[BaseRoute]:
        return [route("/quotes", self._quotes)]

    def _quotes(self, request: Request) -> Response:
        skus = request.query_params.getlist("sku")
        cache_seconds = self._configuration.current()["quote_cache_seconds"]
        cached = self._store.cached_quotes(skus) if cache_seconds else [None] * len(skus)
        quotes = {sku: cents for sku, cents in zip(skus, cached, strict=True) if cents is not None}
        missing = [sku for sku in skus if sku not in quotes]
        if missing:
            computed = self._compute(missing)
            if cache_seconds:
                self._store.cache_quotes(computed, seconds=cache_seconds)
            _logger.info("computed %d of %d quotes", len(missing), len(skus))
            quotes |= computed
        return JSONResponse({"quotes": quotes})

    def _compute(self, skus: Sequence[str]) -> dict[str, int]:
        """The lowest price that the promotions make of each list price. Promotions are read anew: they change at any time."""
        prices = self._store.prices(skus)
        promotions = self._store.promotions()
        return {sku: _quote(sku, cents, promotions) for sku, cents in zip(skus, prices, strict=True)}


def _quote(sku: str, cents: int, promotions: Sequence[str]) -> int:
    category = int(sku.removeprefix("SKU-")) % CATEGORIES
    best = cents
    for text in promotions:
        promotion = json.loads(text)
        if promotion["category"] == category and cents >= promotion["minimum_cents"]:
            best = min(best, cents * (100 - promotion["percent"]) // 100)
    return best


class _WatchedConfiguration:
    """A JSON file that is read again when it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen_ns = 0
        self._values: dict[str, int] = {}

    def current(self) -> dict[str, int]:
        changed_ns = self._path.stat().st_mtime_ns
        if changed_ns != self._seen_ns:
            self._values = json.loads(self._path.read_text(encoding="utf-8"))
            self._seen_ns = changed_ns
            _logger.info("configuration read: %s", json.dumps(self._values))
        return self._values
