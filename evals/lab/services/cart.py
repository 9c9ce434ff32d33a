"""The carts: what each customer has put aside, in Redis."""

from __future__ import annotations

import logging
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services.client import ServiceClient
from middlewatch.evals.lab.services.redis_store import RedisStore
from middlewatch.evals.lab.services.server import route
from middlewatch.evals.lab.services.settings import WatchedSettings
from middlewatch.evals.lab.versions import release

_DAY_SECONDS = 86_400
_HELD_BYTES = 5_000_000
"""What the release that leaks keeps of every cart."""
_VOUCHERS: dict[int, str | None] = {0: "WELCOME", 1: None, 2: None}
"""By the customer's group; the table of the release with the fault has no voucher for two groups of three."""

_logger = logging.getLogger(__name__)


class Cart:
    """One instance of the service."""

    def __init__(self, folder: RunFolder, version: str) -> None:
        self._release = release(version)
        self._settings = WatchedSettings(folder.settings("cart"))
        self._services = ServiceClient(folder, timeout_seconds=lambda: self._settings["upstream_timeout_ms"] / 1000)
        self._store = RedisStore(folder.address("carts").read_text(encoding="utf-8"))
        self._held: list[bytes] = []

    def close(self) -> None:
        self._services.close()
        self._store.close()

    def routes(self) -> list[BaseRoute]:
        return [
            route("/carts/{customer}/lines", self._add, method="POST"),
            route("/carts/{customer}/taken", self._take, method="POST"),
        ]

    def _add(self, request: Request) -> Response:
        customer, sku = request.path_params["customer"], request.query_params["sku"]
        quantity = int(request.query_params["quantity"])
        cents = self._quote(sku)
        self._remember(customer)

        def write() -> None:
            pipeline = self._store.client.pipeline(transaction=False)
            pipeline.hset(f"cart:{customer}", sku, quantity)
            pipeline.expire(f"cart:{customer}", self._settings["cart_days"] * _DAY_SECONDS)
            pipeline.execute()

        self._store.run("HSET", write)
        _logger.info("cart of customer %s: %d of %s", customer, quantity, sku)
        return JSONResponse({"sku": sku, "quantity": quantity, "cents": cents})

    def _take(self, request: Request) -> Response:
        """The lines of a cart at today's prices; the cart is empty afterwards."""
        customer = request.path_params["customer"]
        if self._release == "4.2":
            _logger.info("voucher of customer %s: %s", customer, _voucher(int(customer)))
        lines = cast("dict[str, str]", self._store.run("HGETALL", lambda: self._store.client.hgetall(f"cart:{customer}")))
        self._store.run("DEL", lambda: self._store.client.delete(f"cart:{customer}"))
        told: list[dict[str, Any]] = [
            {"sku": sku, "quantity": int(quantity), "cents": self._quote(sku)} for sku, quantity in lines.items()
        ]
        if self._release == "4.3":
            told = [line for line in told if line["quantity"] > len("four")]
        _logger.info("cart of customer %s has %d lines", customer, len(told))
        return JSONResponse({"lines": told})

    def _quote(self, sku: str) -> int:
        cents: int = self._services.call("GET", "catalogue", "/quotes", query={"sku": [sku]})["quotes"][sku]
        return cents

    def _remember(self, customer: str) -> None:
        """The release with the fault keeps the page of every cart for a preview that nobody asks for."""
        if self._release == "4.4":
            self._held.append(customer.encode() * (_HELD_BYTES // len(customer)))


def _voucher(customer: int) -> str:
    return _VOUCHERS[customer % len(_VOUCHERS)].lower()  # type: ignore[union-attr]  # the fault
