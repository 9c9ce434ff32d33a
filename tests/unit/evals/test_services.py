"""Invariant: the faults are in the versions that are said to have them, and in no other."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.routing import Route

from middlewatch.evals.lab.data import CUSTOMERS, create_inventory, create_orders
from middlewatch.evals.lab.faults import FIRST_VERSIONS, HARMLESS_DEPLOYS, fault_named
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services import database
from middlewatch.evals.lab.services.database import Pool, PoolTimeout, Queries
from middlewatch.evals.lab.services.inventory import Inventory
from middlewatch.evals.lab.services.orders import Orders

HARMLESS = {change.service: change.version for change in HARMLESS_DEPLOYS}


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shop")
    create_inventory(root / "inventory.sqlite3", seed=1, movements=2000)
    create_orders(root / "orders.sqlite3", seed=1)
    return root


@pytest.fixture
def folder(stocked: Path, tmp_path: Path) -> RunFolder:
    """A run folder with small databases of its own."""
    run = RunFolder(tmp_path)
    for source, copy in (
        (stocked / "inventory.sqlite3", run.inventory_database),
        (stocked / "orders.sqlite3", run.orders_database),
    ):
        copy.write_bytes(source.read_bytes())
    return run


def plan_of_the_stock_query(folder: RunFolder) -> str:
    with closing(sqlite3.connect(folder.inventory_database)) as connection:
        rows = connection.execute("EXPLAIN QUERY PLAN SELECT SUM(delta) FROM movements WHERE sku = 'SKU-00001'").fetchall()
    return " ".join(row[3] for row in rows)


@pytest.mark.parametrize("version", [FIRST_VERSIONS["inventory"], HARMLESS["inventory"]])
def test_harmless_versions_of_inventory_look_stock_up_by_index(folder: RunFolder, version: str) -> None:
    with closing(Inventory(folder, version)):
        assert "USING INDEX movements_by_sku" in plan_of_the_stock_query(folder)


def test_the_faulty_inventory_scans(folder: RunFolder) -> None:
    for _ in range(2):  # a migration is applied once
        with closing(Inventory(folder, fault_named("dropped-index").change.version)):
            assert plan_of_the_stock_query(folder).startswith("SCAN movements")


def ask_history(orders: Orders, customer: int) -> int:
    history = next(route for route in orders.routes() if isinstance(route, Route) and "GET" in (route.methods or ()))
    response = history.endpoint(Request({"type": "http", "path_params": {"customer": str(customer)}}))
    return int(response.status_code)


@pytest.mark.parametrize("version", [FIRST_VERSIONS["orders"], HARMLESS["orders"]])
def test_harmless_versions_of_orders_return_their_connections(folder: RunFolder, version: str) -> None:
    with closing(Orders(folder, version)) as orders:
        for customer in range(CUSTOMERS - 20, CUSTOMERS + 20):
            assert ask_history(orders, customer) == 200


def test_the_faulty_orders_run_out_of_connections_with_customers_who_never_ordered(folder: RunFolder) -> None:
    with closing(Orders(folder, fault_named("connection-leak").change.version)) as orders:
        for customer in range(20):
            assert ask_history(orders, customer) == 200
        for customer in range(CUSTOMERS, CUSTOMERS + 10):
            assert ask_history(orders, customer) == 200
        with pytest.raises(PoolTimeout, match="all 10 in use"):
            ask_history(orders, 1)


def test_a_slow_query_is_logged_because_it_was_slow(
    folder: RunFolder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Pool(folder.orders_database, size=1, wait_seconds=0.1)) as pool, pool.connection() as connection:
        Queries().run(connection, "SELECT COUNT(*) FROM orders", (), table="orders")
        assert not caplog.records
        monkeypatch.setattr(database, "SLOW_QUERY_SECONDS", 0.0)
        Queries().run(connection, "SELECT COUNT(*) FROM orders", (), table="orders")
    assert "slow query took" in caplog.text
