"""The prices: quotes from a price list and promotions in Redis, and a cache of quotes beside them."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from middlewatch.evals.lab.changes import release
from middlewatch.evals.lab.data import CATEGORIES
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services.price_store import PriceStore
from middlewatch.evals.lab.services.server import route
from middlewatch.evals.lab.services.settings import WatchedSettings

_MARKETS = {0: "home", 1: "home", 2: "home", 3: "islands", 4: "islands", 5: "islands"}
"""Which market's taxes are in the price of a category; the table of the release with the fault, two groups short."""
_MARKET_GROUPS = 8

_logger = logging.getLogger(__name__)


class Pricing:
    """One instance of the service."""

    def __init__(self, folder: RunFolder, version: str) -> None:
        self._with_markets = release(version) == "2.0"
        self._store = PriceStore(folder.address("redis").read_text(encoding="utf-8"))
        self._settings = WatchedSettings(folder.settings("pricing"))

    def close(self) -> None:
        self._store.close()

    def routes(self) -> list[BaseRoute]:
        return [route("/quotes", self._quotes)]

    def _quotes(self, request: Request) -> Response:
        skus = request.query_params.getlist("sku")
        cache_seconds = self._settings["quote_cache_seconds"]
        cached = self._store.cached_quotes(skus) if cache_seconds else [None] * len(skus)
        quotes = {sku: cents for sku, cents in zip(skus, cached, strict=True) if cents is not None}
        missing = [sku for sku in skus if sku not in quotes]
        if missing:
            computed = self._compute(missing)
            if cache_seconds:
                self._store.cache_quotes(computed, seconds=cache_seconds)
            _logger.info("computed %d of %d quotes", len(missing), len(skus))
            quotes |= computed
        if self._with_markets:
            return JSONResponse({"quotes": quotes, "markets": {sku: _market(sku) for sku in skus}})
        return JSONResponse({"quotes": quotes})

    def _compute(self, skus: Sequence[str]) -> dict[str, int]:
        """The lowest price that the promotions make of each list price. Promotions are read anew: they change at any time."""
        prices = self._store.prices(skus)
        promotions = self._store.promotions()
        return {sku: _quote(sku, cents, promotions) for sku, cents in zip(skus, prices, strict=True)}


def _category(sku: str) -> int:
    return int(sku.removeprefix("SKU-")) % CATEGORIES


def _market(sku: str) -> str:
    return _MARKETS[_category(sku) % _MARKET_GROUPS]


def _quote(sku: str, cents: int, promotions: Sequence[str]) -> int:
    category = _category(sku)
    best = cents
    for text in promotions:
        promotion = json.loads(text)
        if promotion["category"] == category and cents >= promotion["minimum_cents"]:
            best = min(best, cents * (100 - promotion["percent"]) // 100)
    return best
