"""The storefront: the pages that customers see, put together from the other services."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services.client import ServiceClient
from middlewatch.evals.lab.services.server import route

_logger = logging.getLogger(__name__)


class Storefront:
    """One instance of the service."""

    def __init__(self, folder: RunFolder, version: str) -> None:
        del version  # its versions do the same
        self._services = ServiceClient(folder)

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
        stock = self._services.call("GET", "inventory", "/stock/{sku}", path={"sku": sku})["stock"]
        quotes = self._services.call("GET", "pricing", "/quotes", query={"sku": [sku]})["quotes"]
        return JSONResponse({"sku": sku, "in_stock": sum(stock.values()) > 0, "cents": quotes[sku]})

    def _category(self, request: Request) -> Response:
        category = request.path_params["category"]
        products = self._services.call("GET", "inventory", "/categories/{category}", path={"category": category})["products"]
        skus = [product["sku"] for product in products]
        quotes = self._services.call("GET", "pricing", "/quotes", query={"sku": skus})["quotes"]
        return JSONResponse({"products": [{**product, "cents": quotes[product["sku"]]} for product in products]})

    def _checkout(self, request: Request) -> Response:
        query = dict(request.query_params)
        placed = self._services.call("POST", "orders", "/orders", query=query)
        _logger.info("checkout of customer %s: %s", query["customer"], "accepted" if placed["accepted"] else "refused")
        return JSONResponse(placed)

    def _history(self, request: Request) -> Response:
        customer = request.path_params["customer"]
        return JSONResponse(self._services.call("GET", "orders", "/customers/{customer}/orders", path={"customer": customer}))
