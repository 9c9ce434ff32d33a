"""The catalogue: products in SQLite, and quotes from a price list and promotions in Redis, with a cache of quotes beside them."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from middlewatch.evals.lab.data import CATEGORIES
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services.database import Pool, Queries
from middlewatch.evals.lab.services.price_store import PriceStore
from middlewatch.evals.lab.services.server import route
from middlewatch.evals.lab.services.settings import WatchedSettings
from middlewatch.evals.lab.versions import release

_LISTING = "SELECT sku, name FROM products WHERE category = ? LIMIT ?"
_PRODUCT = "SELECT name FROM products WHERE sku = ?"
_RELATED = "SELECT sku FROM products WHERE category = ? AND sku > ? LIMIT 1"
_RELATIONS = 25
"""Of each product, in the release that looks for them one after the other."""

_MARKETS = {0: "home", 1: "home", 2: "home", 3: "islands", 4: "islands", 5: "islands"}
"""Which market's taxes are in the price of a category; the table of the release with the fault, two groups short."""
_MARKET_GROUPS = 8

_logger = logging.getLogger(__name__)


class Catalogue:
    """One instance of the service."""

    def __init__(self, folder: RunFolder, version: str) -> None:
        self._release = release(version)
        self._pool = Pool(folder.catalogue_database, size=10, wait_seconds=1.0)
        self._queries = Queries()
        self._store = PriceStore(folder.address("prices").read_text(encoding="utf-8"))
        self._settings = WatchedSettings(folder.settings("catalogue"))

    def close(self) -> None:
        self._store.close()
        self._pool.close()

    def routes(self) -> list[BaseRoute]:
        return [
            route("/products/{sku}", self._product),
            route("/categories/{category}", self._category),
            route("/quotes", self._quotes),
        ]

    def _product(self, request: Request) -> Response:
        sku = request.path_params["sku"]
        rows = self._rows(_PRODUCT, (sku,))
        return JSONResponse({"sku": sku, "name": rows[0][0] if rows else "", "cents": self._quotes_of([sku])[sku]})

    def _category(self, request: Request) -> Response:
        category = int(request.path_params["category"])
        rows = self._rows(_LISTING, (category, self._settings["page_size"]))
        quotes = self._quotes_of([sku for sku, _ in rows])
        products: list[dict[str, Any]] = [{"sku": sku, "name": name, "cents": quotes[sku]} for sku, name in rows]
        if self._release == "2.1":
            products = [{**product, "related": self._related(category, product["sku"])} for product in products]
        return JSONResponse({"products": products})

    def _related(self, category: int, sku: str) -> list[str]:
        """What the release with the fault shows beside every product: one query for each relation."""
        found = [sku]
        for _ in range(_RELATIONS):
            found += [name for (name,) in self._rows(_RELATED, (category, found[-1]))]
        return found[1:]

    def _quotes(self, request: Request) -> Response:
        return JSONResponse({"quotes": self._quotes_of(request.query_params.getlist("sku"))})

    def _quotes_of(self, skus: Sequence[str]) -> dict[str, int]:
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
        if self._release == "2.0":
            _logger.info("quotes for the markets %s", sorted({_market(sku) for sku in skus}))
        return quotes

    def _compute(self, skus: Sequence[str]) -> dict[str, int]:
        """The lowest price that the promotions make of each list price. Promotions are read anew: they change at any time."""
        prices = self._store.prices(skus)
        promotions = self._store.promotions()
        return {sku: _quote(sku, cents, promotions) for sku, cents in zip(skus, prices, strict=True)}

    def _rows(self, statement: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._pool.connection() as connection:
            return self._queries.run(connection, statement, parameters, table="products")


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
