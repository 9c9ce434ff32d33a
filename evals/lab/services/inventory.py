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

_STOCK = "SELECT warehouse, SUM(delta) FROM movements WHERE sku = ? GROUP BY warehouse"
_RESERVE = "INSERT INTO movements (sku, warehouse, delta, day) VALUES (?, ?, ?, 365)"
_LISTING = "SELECT sku, name FROM products WHERE category = ? LIMIT 12"

_MIGRATIONS = (
    ((2, 3, 0), "index the movements by article", ("CREATE INDEX movements_by_sku ON movements (sku)",)),
    (
        (2, 4, 0),
        "index the movements by day for the stock report",
        ("DROP INDEX movements_by_sku", "CREATE INDEX movements_by_day ON movements (day)"),
    ),
)
"""The version that brings a migration, what it is for, and its statements; the database's user_version counts those applied."""

_logger = logging.getLogger(__name__)


class Inventory:
    """One instance of the service."""

    def __init__(self, folder: RunFolder, version: str) -> None:
        _migrate(folder, version)
        self._pool = Pool(folder.inventory_database, size=10, wait_seconds=1.0)
        self._queries = Queries()

    def close(self) -> None:
        self._pool.close()

    def routes(self) -> list[BaseRoute]:
        return [
            route("/stock/{sku}", self._stock),
            route("/categories/{category}", self._category),
            route("/reservations", self._reserve, method="POST"),
        ]

    def _stock(self, request: Request) -> Response:
        sku = request.path_params["sku"]
        stock = self._stock_of(sku)
        _logger.info("stock of %s: %d in %d warehouses", sku, sum(stock.values()), len(stock))
        return JSONResponse({"sku": sku, "stock": stock})

    def _category(self, request: Request) -> Response:
        category = int(request.path_params["category"])
        with self._pool.connection() as connection:
            rows = self._queries.run(connection, _LISTING, (category,), table="products")
        return JSONResponse({"products": [{"sku": sku, "name": name} for sku, name in rows]})

    def _reserve(self, request: Request) -> Response:
        sku, quantity = request.query_params["sku"], int(request.query_params["quantity"])
        stock = self._stock_of(sku)
        warehouse = max(stock, key=lambda name: stock[name], default="")
        reserved = stock.get(warehouse, 0) >= quantity
        if reserved:
            with self._pool.connection() as connection:
                self._queries.run(connection, _RESERVE, (sku, warehouse, -quantity), table="movements")
            _logger.info("reserved %d of %s in %s", quantity, sku, warehouse)
        else:
            _logger.info("cannot reserve %d of %s", quantity, sku)
        return JSONResponse({"reserved": reserved, "warehouse": warehouse})

    def _stock_of(self, sku: str) -> dict[str, int]:
        with self._pool.connection() as connection:
            return dict(self._queries.run(connection, _STOCK, (sku,), table="movements"))


def _migrate(folder: RunFolder, version: str) -> None:
    """Bring the database to what ``version`` expects, as the service does whenever it starts."""
    running = tuple(int(part) for part in version.split("."))
    with closing(connect(folder.inventory_database)) as connection:
        (applied,) = connection.execute("PRAGMA user_version").fetchone()
        for number, (since, purpose, statements) in enumerate(_MIGRATIONS, start=1):
            if number <= applied or since > running:
                continue
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
            _logger.info("migration %d applied: %s", number, purpose)
