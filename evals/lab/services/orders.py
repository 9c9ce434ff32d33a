"""The orders: takes them and remembers them, in SQLite."""

from __future__ import annotations

import logging
import sqlite3
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services.client import ServiceClient
from middlewatch.evals.lab.services.database import Pool, Queries
from middlewatch.evals.lab.services.server import route

_HISTORY = "SELECT id, sku, quantity, cents FROM orders WHERE customer = ? ORDER BY id DESC LIMIT 10"
_INSERT = "INSERT INTO orders (customer, sku, quantity, cents) VALUES (?, ?, ?, ?) RETURNING id"
_NEW_HISTORY_SINCE = (5, 1, 0)

_logger = logging.getLogger(__name__)


class Orders:
    """One instance of the service."""

    def __init__(self, folder: RunFolder, version: str) -> None:
        self._pool = Pool(folder.orders_database, size=10, wait_seconds=1.0)
        self._queries = Queries()
        self._services = ServiceClient(folder)
        running = tuple(int(part) for part in version.split("."))
        self._read_history = self._history_5_1 if running >= _NEW_HISTORY_SINCE else self._history_5_0

    def close(self) -> None:
        self._services.close()
        self._pool.close()

    def routes(self) -> list[BaseRoute]:
        return [route("/orders", self._place, method="POST"), route("/customers/{customer}/orders", self._history)]

    def _place(self, request: Request) -> Response:
        query = request.query_params
        customer, sku, quantity = int(query["customer"]), query["sku"], int(query["quantity"])
        quotes = self._services.call("GET", "pricing", "/quotes", query={"sku": [sku]})["quotes"]
        reservation = self._services.call("POST", "inventory", "/reservations", query={"sku": sku, "quantity": quantity})
        if not reservation["reserved"]:
            _logger.info("order of customer %d refused: %s is out of stock", customer, sku)
            return JSONResponse({"accepted": False})
        cents = quotes[sku] * quantity
        with self._pool.connection() as connection:
            ((number,),) = self._queries.run(connection, _INSERT, (customer, sku, quantity, cents), table="orders")
        _logger.info("order %d of customer %d accepted: %d of %s for %d cents", number, customer, quantity, sku, cents)
        return JSONResponse({"accepted": True, "order": number})

    def _history(self, request: Request) -> Response:
        return JSONResponse({"orders": self._read_history(int(request.path_params["customer"]))})

    def _history_5_0(self, customer: int) -> list[tuple[Any, ...]]:
        with self._pool.connection() as connection:
            return self._rows(connection, customer)

    def _history_5_1(self, customer: int) -> list[tuple[Any, ...]]:
        """The version with the fault: it returns early for customers without orders and keeps their connection."""
        connection = self._pool.acquire()
        rows = self._rows(connection, customer)
        if not rows:
            _logger.info("customer %d has no orders yet", customer)
            return [(0, "Nothing ordered yet", 0, 0)]
        self._pool.release(connection)
        return rows

    def _rows(self, connection: sqlite3.Connection, customer: int) -> list[tuple[Any, ...]]:
        return self._queries.run(connection, _HISTORY, (customer,), table="orders")
