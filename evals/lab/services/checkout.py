"""The checkout: takes orders and remembers them, in SQLite."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services.client import ServiceClient
from middlewatch.evals.lab.services.database import Pool, Queries
from middlewatch.evals.lab.services.message_queue import MessageQueue
from middlewatch.evals.lab.services.server import route
from middlewatch.evals.lab.services.settings import WatchedSettings
from middlewatch.evals.lab.versions import release

_HISTORY = "SELECT id, sku, quantity, cents FROM orders WHERE customer = ? ORDER BY id DESC LIMIT ?"
_INSERT = "INSERT INTO orders (customer, sku, quantity, cents) VALUES (?, ?, ?, ?) RETURNING id"
_SIGNATURE_ROUNDS = 400_000
"""Of the release that signs confirmations: about a third of a second of a processor for each order."""
_TIERS = {0: "gold"}
"""Customers' loyalty tiers by the last digit; the table of the release with the fault, which has one entry only."""
_TIER_DIGITS = 10

_logger = logging.getLogger(__name__)


class Checkout:
    """One instance of the service."""

    def __init__(self, folder: RunFolder, version: str) -> None:
        self._pool = Pool(folder.orders_database, size=5, wait_seconds=1.0)
        self._queries = Queries()
        self._settings = WatchedSettings(folder.settings("checkout"))
        self._services = ServiceClient(
            folder,
            timeout_seconds=lambda: self._settings["upstream_timeout_ms"] / 1000,
            retries=lambda: self._settings["upstream_retries"],
        )
        self._queue = MessageQueue(folder.address("queue").read_text(encoding="utf-8"))
        self._release = release(version)
        self._read_history = self._leaking_history if self._release == "5.1" else self._usual_history

    def close(self) -> None:
        self._services.close()
        self._queue.close()
        self._pool.close()

    def routes(self) -> list[BaseRoute]:
        return [route("/orders", self._place, method="POST"), route("/customers/{customer}/orders", self._history)]

    def _place(self, request: Request) -> Response:
        query = request.query_params
        customer = int(query["customer"])
        self._greet(customer)
        lines = self._services.call("POST", "cart", "/carts/{customer}/taken", path={"customer": customer})["lines"]
        reserved = [line for line in lines if self._reserve(line)]
        if not reserved:
            why = "everything is out of stock" if lines else "the cart is empty"
            _logger.info("order of customer %d refused: %s", customer, why)
            return JSONResponse({"accepted": False})
        cents = sum(line["cents"] * line["quantity"] for line in reserved)
        self._services.call("POST", "payment", "/charges", query={"customer": customer, "cents": cents})
        number = self._insert(customer, reserved[0], cents)
        if self._release == "5.3":
            _sign(f"{number}:{customer}:{cents}")
        self._queue.send({"order": number, "sku": reserved[0]["sku"], "postcode": query["postcode"]})
        _logger.info("order %d of customer %d accepted: %d lines for %d cents", number, customer, len(reserved), cents)
        return JSONResponse({"accepted": True, "order": number})

    def _reserve(self, line: dict[str, Any]) -> bool:
        wanted = {"sku": line["sku"], "quantity": line["quantity"]}
        return bool(self._services.call("POST", "inventory", "/reservations", query=wanted)["reserved"])

    def _insert(self, customer: int, line: dict[str, Any], cents: int) -> int:
        with self._pool.connection() as connection:
            row = (customer, line["sku"], line["quantity"], cents)
            ((number,),) = self._queries.run(connection, _INSERT, row, table="orders")
        return int(number)

    def _history(self, request: Request) -> Response:
        customer = int(request.path_params["customer"])
        self._greet(customer)
        return JSONResponse({"orders": self._read_history(customer)})

    def _greet(self, customer: int) -> None:
        """The release that is tried as a canary looks the customer's tier up, and fails for all but a few."""
        if self._release == "5.4":
            _logger.info("customer %d is %s", customer, _TIERS[customer % _TIER_DIGITS])

    def _usual_history(self, customer: int) -> list[tuple[Any, ...]]:
        with self._pool.connection() as connection:
            return self._rows(connection, customer)

    def _leaking_history(self, customer: int) -> list[tuple[Any, ...]]:
        """The release with the fault: it returns early for customers without orders and keeps their connection."""
        connection = self._pool.acquire()
        rows = self._rows(connection, customer)
        if not rows:
            _logger.info("customer %d has no orders yet", customer)
            return [(0, "Nothing ordered yet", 0, 0)]
        self._pool.release(connection)
        return rows

    def _rows(self, connection: sqlite3.Connection, customer: int) -> list[tuple[Any, ...]]:
        return self._queries.run(connection, _HISTORY, (customer, self._settings["history_limit"]), table="orders")


def _sign(confirmation: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", confirmation.encode(), b"shop", _SIGNATURE_ROUNDS).hex()
