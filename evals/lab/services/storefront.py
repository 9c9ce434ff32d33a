"""The storefront: the pages that customers see, put together from the other services."""

from __future__ import annotations

import logging
from typing import Any

from opentelemetry import metrics
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from middlewatch.evals.lab.changes import release
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services.client import ServiceClient
from middlewatch.evals.lab.services.server import route
from middlewatch.evals.lab.services.settings import WatchedSettings

_logger = logging.getLogger(__name__)


class Storefront:
    """One instance of the service."""

    def __init__(self, folder: RunFolder, version: str) -> None:
        self._details_one_by_one = release(version) == "3.3"
        self._settings = WatchedSettings(folder.settings("storefront"))
        self._services = ServiceClient(folder)
        self._checkouts = metrics.get_meter(__name__).create_counter("shop.checkouts", unit="{checkout}")

    def close(self) -> None:
        self._services.close()

    def routes(self) -> list[BaseRoute]:
        return [
            route("/products/{sku}", self._product),
            route("/categories/{category}", self._category),
            route("/checkout", self._checkout, method="POST"),
            route("/customers/{customer}/orders", self._history),
        ]

    def _product(self, request: Request) -> Response:
        sku = request.path_params["sku"]
        in_stock = self._stock(sku) > 0
        return JSONResponse({"sku": sku, "in_stock": in_stock, "cents": self._quotes([sku])[sku]})

    def _category(self, request: Request) -> Response:
        category = request.path_params["category"]
        products = self._services.call("GET", "inventory", "/categories/{category}", path={"category": category})["products"]
        skus = [product["sku"] for product in products]
        if self._details_one_by_one:
            details = [{**product, **self._details(product["sku"])} for product in products]
            return JSONResponse({"products": details, "banner": self._settings["banner"]})
        quotes = self._quotes(skus)
        details = [{**product, "cents": quotes[product["sku"]]} for product in products]
        return JSONResponse({"products": details, "banner": self._settings["banner"]})

    def _details(self, sku: str) -> dict[str, Any]:
        """What the release with the fault shows of every product in a category, asked for one after the other."""
        return {"cents": self._quotes([sku])[sku], "in_stock": self._stock(sku) > 0}

    def _stock(self, sku: str) -> int:
        stock = self._services.call("GET", "inventory", "/stock/{sku}", path={"sku": sku})["stock"]
        return sum(stock.values())

    def _quotes(self, skus: list[str]) -> dict[str, int]:
        quotes: dict[str, int] = self._services.call("GET", "pricing", "/quotes", query={"sku": skus})["quotes"]
        return quotes

    def _checkout(self, request: Request) -> Response:
        query = dict(request.query_params)
        placed = self._services.call("POST", "orders", "/orders", query=query)
        outcome = "accepted" if placed["accepted"] else "refused"
        self._checkouts.add(1, {"shop.checkout.outcome": outcome})
        _logger.info("checkout of customer %s: %s", query["customer"], outcome)
        return JSONResponse(placed)

    def _history(self, request: Request) -> Response:
        customer = request.path_params["customer"]
        return JSONResponse(self._services.call("GET", "orders", "/customers/{customer}/orders", path={"customer": customer}))
