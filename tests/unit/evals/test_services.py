"""Invariant: the faults are in the versions that are said to have them, and in no other."""

from __future__ import annotations

import json
import resource
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from middlewatch.evals.lab.changes import FIRST_SETTINGS, FIRST_VERSIONS
from middlewatch.evals.lab.data import CUSTOMERS, create_catalogue, create_inventory, create_orders
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services import database
from middlewatch.evals.lab.services.cart import Cart
from middlewatch.evals.lab.services.catalogue import Catalogue
from middlewatch.evals.lab.services.checkout import Checkout
from middlewatch.evals.lab.services.database import Pool, PoolTimeout, Queries
from middlewatch.evals.lab.services.gateway import Gateway
from middlewatch.evals.lab.services.inventory import Inventory
from middlewatch.evals.lab.services.payment import Payment
from middlewatch.evals.lab.services.settings import WatchedSettings

NOWHERE = "redis://127.0.0.1:1"


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shop")
    create_inventory(root / "inventory.sqlite3", seed=1, movements=2000)
    create_orders(root / "orders.sqlite3", seed=1)
    create_catalogue(root / "catalogue.sqlite3")
    return root


@pytest.fixture
def folder(stocked: Path, tmp_path: Path) -> RunFolder:
    """A run folder with small databases of its own and the first settings. Its Redis servers do not answer."""
    run = RunFolder(tmp_path)
    run.create()
    for source, copy in (
        (stocked / "inventory.sqlite3", run.inventory_database),
        (stocked / "orders.sqlite3", run.orders_database),
        (stocked / "catalogue.sqlite3", run.catalogue_database),
    ):
        copy.write_bytes(source.read_bytes())
    for service, values in FIRST_SETTINGS.items():
        run.replace(run.settings(service), json.dumps(values))
    for name in ("prices", "carts", "queue"):
        run.replace(run.address(name), NOWHERE)
    return run


def ask(routes: Sequence[BaseRoute], path: str, query: str = "", **parameters: str) -> dict[str, Any]:
    """What the endpoint of a path answers."""
    endpoint = next(each for each in routes if isinstance(each, Route) and each.path == path).endpoint
    request = Request({"type": "http", "path_params": parameters, "query_string": query.encode(), "headers": []})
    answer: dict[str, Any] = json.loads(bytes(endpoint(request).body))
    return answer


def later(version: str) -> str:
    """A harmless patch of a version."""
    return version.rpartition(".")[0] + ".9"


def plan_of_the_stock_query(folder: RunFolder) -> str:
    with closing(sqlite3.connect(folder.inventory_database)) as connection:
        rows = connection.execute("EXPLAIN QUERY PLAN SELECT SUM(delta) FROM movements WHERE sku = 'SKU-00001'").fetchall()
    return " ".join(row[3] for row in rows)


def test_dropped_index_scans_and_a_roll_back_restores_the_index(folder: RunFolder) -> None:
    harmless = [FIRST_VERSIONS["inventory"], later(FIRST_VERSIONS["inventory"])]
    for version in (*harmless, "2.4.0", "2.4.0", "2.3.1", "2.4.0", "2.3.9"):
        with closing(Inventory(folder, version)):
            plan = plan_of_the_stock_query(folder)
            assert plan.startswith("SCAN movements") if version == "2.4.0" else "USING INDEX movements_by_sku" in plan


def stock_in(folder: RunFolder, version: str) -> int:
    with closing(Inventory(folder, version)) as inventory:
        return sum(ask(inventory.routes(), "/stock/{sku}", sku="SKU-00003")["stock"].values())


def test_stock_in_pallets_is_nothing_where_there_are_pieces(folder: RunFolder) -> None:
    assert stock_in(folder, FIRST_VERSIONS["inventory"]) == stock_in(folder, later("2.3")) > 100_000
    assert stock_in(folder, "2.5.0") <= 0
    with closing(Inventory(folder, "2.5.0")) as inventory:
        assert not ask(inventory.routes(), "/reservations", "sku=SKU-00003&quantity=1")["reserved"]


def history(orders: Checkout, customer: int) -> list[Any]:
    rows: list[Any] = ask(orders.routes(), "/customers/{customer}/orders", customer=str(customer))["orders"]
    return rows


@pytest.mark.parametrize("version", [FIRST_VERSIONS["checkout"], later(FIRST_VERSIONS["checkout"])])
def test_harmless_versions_of_orders_return_their_connections(folder: RunFolder, version: str) -> None:
    with closing(Checkout(folder, version)) as orders:
        for customer in range(CUSTOMERS - 20, CUSTOMERS + 20):
            assert len(history(orders, customer)) <= FIRST_SETTINGS["checkout"]["history_limit"]


def test_connection_leak_runs_out_of_connections_with_customers_who_never_ordered(folder: RunFolder) -> None:
    with closing(Checkout(folder, "5.1.0")) as orders:
        for customer in range(20):
            history(orders, customer)
        for customer in range(CUSTOMERS, CUSTOMERS + 5):
            history(orders, customer)
        with pytest.raises(PoolTimeout, match="all 5 in use"):
            history(orders, 1)


def test_bad_canary_fails_for_customers_without_a_tier(folder: RunFolder) -> None:
    with closing(Checkout(folder, "5.4.0")) as orders:
        assert history(orders, 10)
        with pytest.raises(KeyError):
            history(orders, 11)


def test_missing_market_fails_for_a_quarter_of_the_categories(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def failures(version: str) -> int:
        with closing(Catalogue(folder, version)) as catalogue:
            monkeypatch.setattr(catalogue._store, "cached_quotes", lambda skus: [1] * len(skus))
            return sum(fails(catalogue, f"sku=SKU-{number:05d}") for number in range(80))

    def fails(catalogue: Catalogue, query: str) -> bool:
        try:
            ask(catalogue.routes(), "/quotes", query)
        except KeyError:
            return True
        return False

    assert [failures(version) for version in (FIRST_VERSIONS["catalogue"], later("1.9"), "2.0.0")] == [0, 0, 20]


def test_one_by_one_asks_twice_for_each_product_of_a_category(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    products = [{"sku": f"SKU-{number:05d}", "name": "a product", "cents": 5} for number in range(12)]

    def pages(version: str) -> tuple[list[Mapping[str, Any]], int]:
        calls = []

        def call(method: str, service: str, template: str, *, path: Any = None, query: Any = None) -> dict[str, Any]:
            del method, path, query
            calls.append(service)
            return {"products": products} if "categor" in template else {"stock": {}, "name": "a product", "cents": 5}

        with closing(Gateway(folder, version)) as gateway:
            monkeypatch.setattr(gateway._services, "call", call)
            return ask(gateway.routes(), "/categories/{category}", category="1")["products"], len(calls)

    for version, expected in ((FIRST_VERSIONS["gateway"], 1), (later("3.2"), 1), ("3.3.0", 25)):
        shown, calls = pages(version)
        assert calls == expected
        assert [product["cents"] for product in shown] == [5] * 12


def test_settings_are_read_again_when_they_were_replaced(folder: RunFolder) -> None:
    settings = WatchedSettings(folder.settings("catalogue"))
    before = settings["quote_cache_seconds"]
    folder.replace(folder.settings("catalogue"), json.dumps({"quote_cache_seconds": 0}))
    assert (before, settings["quote_cache_seconds"]) == (3600, 0)


def test_a_slow_query_is_logged_because_it_was_slow(
    folder: RunFolder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Pool(folder.orders_database, size=1, wait_seconds=0.1)) as pool, pool.connection() as connection:
        Queries().run(connection, "SELECT COUNT(*) FROM orders", (), table="orders")
        assert not caplog.records
        monkeypatch.setattr(database, "SLOW_QUERY_SECONDS", 0.0)
        Queries().run(connection, "SELECT COUNT(*) FROM orders", (), table="orders")
    assert "slow query took" in caplog.text


def test_one_query_lists_a_category_and_hundreds_its_related_products(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def queries(version: str) -> int:
        asked = []
        with closing(Catalogue(folder, version)) as catalogue:
            monkeypatch.setattr(catalogue._store, "cached_quotes", lambda skus: [1] * len(skus))
            run = catalogue._queries.run

            def counted(*arguments: Any, **named: Any) -> list[tuple[Any, ...]]:
                asked.append(1)
                return run(*arguments, **named)

            monkeypatch.setattr(catalogue._queries, "run", counted)
            products = ask(catalogue.routes(), "/categories/{category}", category="3")["products"]
        assert len(products) == 12
        assert all(product["cents"] == 1 for product in products)
        return len(asked)

    assert [queries(version) for version in (FIRST_VERSIONS["catalogue"], later("1.9"))] == [1, 1]
    assert queries("2.1.0") == 1 + 12 * 25


def taken(folder: RunFolder, version: str, customer: int, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The lines of a cart with two products."""
    with closing(Cart(folder, version)) as cart:
        monkeypatch.setattr(
            cart._store, "run", lambda operation, _: {"SKU-00001": "2", "SKU-00002": "3"} if operation == "HGETALL" else 0
        )
        monkeypatch.setattr(cart, "_quote", lambda _: 5)
        lines: list[Any] = ask(cart.routes(), "/carts/{customer}/taken", customer=str(customer))["lines"]
        return lines


def test_a_cart_loses_its_lines_or_fails_for_most_in_the_versions_with_the_faults_alone(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in (FIRST_VERSIONS["cart"], later("4.0"), "4.2.0"):
        assert [line["quantity"] for line in taken(folder, version, 3, monkeypatch)] == [2, 3]
    assert taken(folder, "4.3.0", 3, monkeypatch) == []
    assert taken(folder, later("4.0"), 4, monkeypatch)
    with pytest.raises(AttributeError):
        taken(folder, "4.2.0", 4, monkeypatch)


def test_memory_is_kept_by_the_versions_that_leak_alone(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, kept in ((FIRST_VERSIONS["gateway"], 0), ("3.4.0", 3)):
        with closing(Gateway(folder, version)) as gateway:
            monkeypatch.setattr(gateway._services, "call", lambda *_, **__: {"orders": []})
            for customer in range(3):
                ask(gateway.routes(), "/customers/{customer}/orders", customer=str(customer))
            assert sum(map(len, gateway._held or [])) == kept * (1_200_000 // 256 * 256)
    for version, kept in ((FIRST_VERSIONS["cart"], 0), ("4.4.0", 2)):
        with closing(Cart(folder, version)) as cart:
            monkeypatch.setattr(cart, "_quote", lambda _: 5)
            monkeypatch.setattr(cart._store, "run", lambda *_: None)
            for _ in range(2):
                ask(cart.routes(), "/carts/{customer}/lines", "sku=SKU-00001&quantity=1", customer="12345")
            assert sum(map(len, cart._held)) == kept * 5_000_000


def test_a_leak_of_the_inventory_is_one_connection_for_each_reservation_of_several(folder: RunFolder) -> None:
    with closing(Inventory(folder, "2.6.0")) as inventory:
        for quantity in (1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2):
            assert ask(inventory.routes(), "/reservations", f"sku=SKU-00003&quantity={quantity}")["reserved"]
        with pytest.raises(PoolTimeout, match="all 6 in use"):
            ask(inventory.routes(), "/stock/{sku}", sku="SKU-00003")


def test_a_charge_is_written_down_twice_and_unknown_cards_fail_in_one_version(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)  # the tests' own files may become large
    for version in (FIRST_VERSIONS["payment"], "6.2.0"):
        with closing(Payment(folder, version)) as payment:
            monkeypatch.setattr(payment._services, "call", lambda *_, **__: {"reference": "ch-1"})
            assert ask(payment.routes(), "/charges", "customer=4&cents=5") == {"reference": "ch-1"}
            if version == "6.2.0":
                with pytest.raises(KeyError):
                    ask(payment.routes(), "/charges", "customer=6&cents=5")
    assert folder.volume("payment").read_text(encoding="utf-8") == "ch-1 4 5\n" * 2
    with closing(sqlite3.connect(folder.orders_database)) as connection:
        assert connection.execute("SELECT customer, cents, reference FROM charges").fetchall() == [(4, 5, "ch-1")] * 2
