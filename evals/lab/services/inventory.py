"""The inventory: what there is of each product, from a ledger of stock movements in SQLite."""

from __future__ import annotations

import logging
from contextlib import closing

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services.database import Pool, Queries, connect
from middlewatch.evals.lab.services.server import route
from middlewatch.evals.lab.services.settings import WatchedSettings
from middlewatch.evals.lab.versions import release

_STOCK = "SELECT warehouse, SUM(delta) FROM movements WHERE sku = ? GROUP BY warehouse"
_RESERVE = "INSERT INTO movements (sku, warehouse, delta, day) VALUES (?, ?, ?, 365)"

_REPORTING_RELEASE = "2.4"
_BY_SKU = "CREATE INDEX movements_by_sku ON movements (sku)"
_BY_DAY = "CREATE INDEX movements_by_day ON movements (day)"
_MIGRATIONS = (
    ("index the movements by article", ("DROP INDEX movements_by_day", _BY_SKU)),
    ("index the movements by day for the stock report", ("DROP INDEX movements_by_sku", _BY_DAY)),
)
"""What a migration is for, and its statements: to the schema of all releases but one, and to that of the one with the report.

The database's user_version is 1 with the first schema and 2 with the second.
"""

_PALLET = 144_000
"""Pieces; the release with the fault gives stock in whole pallets where its callers expect pieces."""

_logger = logging.getLogger(__name__)


class Inventory:
    """One instance of the service."""

    def __init__(self, folder: RunFolder, version: str) -> None:
        _migrate(folder, version)
        self._settings = WatchedSettings(folder.settings("inventory"))
        self._pool = Pool(folder.inventory_database, size=6, wait_seconds=1.0)
        self._queries = Queries(slow_seconds=lambda: self._settings["slow_query_ms"] / 1000)
        self._unit = _PALLET if release(version) == "2.5" else 1
        self._reserve_in = self._leaking_reserve if release(version) == "2.6" else self._usual_reserve

    def close(self) -> None:
        self._pool.close()

    def routes(self) -> list[BaseRoute]:
        return [
            route("/stock/{sku}", self._stock),
            route("/reservations", self._reserve, method="POST"),
        ]

    def _stock(self, request: Request) -> Response:
        sku = request.path_params["sku"]
        stock = self._stock_of(sku)
        _logger.info("stock of %s: %d in %d warehouses", sku, sum(stock.values()), len(stock))
        return JSONResponse({"sku": sku, "stock": stock})

    def _reserve(self, request: Request) -> Response:
        sku, quantity = request.query_params["sku"], int(request.query_params["quantity"])
        stock = self._stock_of(sku)
        warehouse = max(stock, key=lambda name: stock[name], default="")
        reserved = stock.get(warehouse, 0) >= quantity
        if reserved:
            self._reserve_in(sku, warehouse, quantity)
            _logger.info("reserved %d of %s in %s", quantity, sku, warehouse)
        else:
            _logger.info("cannot reserve %d of %s", quantity, sku)
        return JSONResponse({"reserved": reserved, "warehouse": warehouse})

    def _usual_reserve(self, sku: str, warehouse: str, quantity: int) -> None:
        with self._pool.connection() as connection:
            self._queries.run(connection, _RESERVE, (sku, warehouse, -quantity), table="movements")

    def _leaking_reserve(self, sku: str, warehouse: str, quantity: int) -> None:
        """The release with the fault: it keeps the connection of every reservation of more than one piece."""
        connection = self._pool.acquire()
        self._queries.run(connection, _RESERVE, (sku, warehouse, -quantity), table="movements")
        if quantity > 1:
            _logger.info("bulk reservation of %d of %s", quantity, sku)
            return
        self._pool.release(connection)

    def _stock_of(self, sku: str) -> dict[str, int]:
        with self._pool.connection() as connection:
            pieces = self._queries.run(connection, _STOCK, (sku,), table="movements")
        return {warehouse: number // self._unit for warehouse, number in pieces}


def _migrate(folder: RunFolder, version: str) -> None:
    """Bring the database to what ``version`` expects, as the service does whenever it starts."""
    wanted = 2 if release(version) == _REPORTING_RELEASE else 1
    purpose, statements = _MIGRATIONS[wanted - 1]
    with closing(connect(folder.inventory_database)) as connection:
        (applied,) = connection.execute("PRAGMA user_version").fetchone()
        if applied == wanted:
            return
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {wanted}")
        connection.execute("COMMIT")
    _logger.info("migrated from schema %d to %d: %s", applied, wanted, purpose)
