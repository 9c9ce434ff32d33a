"""The gateway: the one door of the shop, and the pages that customers see, put together from the other services."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from opentelemetry import metrics
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services.client import ServiceClient
from middlewatch.evals.lab.services.correlation import correlated
from middlewatch.evals.lab.services.server import route
from middlewatch.evals.lab.services.settings import WatchedSettings
from middlewatch.evals.lab.versions import release

_HELD_BYTES = 1_200_000
"""What the release that leaks keeps of every request."""

_logger = logging.getLogger(__name__)


class Gateway:
    """One instance of the service."""

    def __init__(self, folder: RunFolder, version: str) -> None:
        self._details_one_by_one = release(version) == "3.3"
        self._held: list[bytes] | None = [] if release(version) == "3.4" else None
        self._settings = WatchedSettings(folder.settings("gateway"))
        self._services = ServiceClient(
            folder,
            timeout_seconds=lambda: self._settings["upstream_timeout_ms"] / 1000,
            retries=lambda: self._settings["upstream_retries"],
        )
        self._checkouts = metrics.get_meter(__name__).create_counter("shop.checkouts", unit="{checkout}")

    def close(self) -> None:
        self._services.close()

    def routes(self) -> list[BaseRoute]:
        return [
            route("/products/{sku}", self._product),
            route("/categories/{category}", self._category),
            route("/cart", self._add, method="POST"),
            route("/checkout", self._checkout, method="POST"),
            route("/customers/{customer}/orders", self._history),
        ]

    def _product(self, request: Request) -> Response:
        self._remember()
        sku = request.path_params["sku"]
        product = self._services.call("GET", "catalogue", "/products/{sku}", path={"sku": sku})
        return JSONResponse({**product, "in_stock": self._stock(sku) > 0})

    def _category(self, request: Request) -> Response:
        self._remember()
        category = request.path_params["category"]
        products = self._services.call("GET", "catalogue", "/categories/{category}", path={"category": category})["products"]
        if self._details_one_by_one:
            products = [{**product, **self._details(product["sku"])} for product in products]
        return JSONResponse({"products": products, "banner": self._settings["banner"]})

    def _details(self, sku: str) -> dict[str, Any]:
        """What the release with the fault shows of every product in a category, asked for one after the other."""
        product = self._services.call("GET", "catalogue", "/products/{sku}", path={"sku": sku})
        return {"name": product["name"], "in_stock": self._stock(sku) > 0}

    def _stock(self, sku: str) -> int:
        stock = self._services.call("GET", "inventory", "/stock/{sku}", path={"sku": sku})["stock"]
        return sum(stock.values())

    def _add(self, request: Request) -> Response:
        self._remember()
        query = dict(request.query_params)
        customer = query.pop("customer")
        return JSONResponse(
            self._services.call("POST", "cart", "/carts/{customer}/lines", path={"customer": customer}, query=query)
        )

    def _checkout(self, request: Request) -> Response:
        self._remember()
        query = dict(request.query_params)
        with correlated(f"co-{uuid.uuid4().hex[:12]}"):
            placed = self._services.call("POST", "checkout", "/orders", query=query)
            outcome = "accepted" if placed["accepted"] else "refused"
            self._checkouts.add(1, {"shop.checkout.outcome": outcome})
            _logger.info("checkout of customer %s: %s", query["customer"], outcome)
        return JSONResponse(placed)

    def _history(self, request: Request) -> Response:
        self._remember()
        customer = request.path_params["customer"]
        return JSONResponse(self._services.call("GET", "checkout", "/customers/{customer}/orders", path={"customer": customer}))

    def _remember(self) -> None:
        """The release with the fault keeps a copy of every session in a list that nobody ever empties."""
        if self._held is not None:
            self._held.append(bytes(range(256)) * (_HELD_BYTES // 256))
