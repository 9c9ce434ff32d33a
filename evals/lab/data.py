"""What the shop has on its shelves, in its books and on its price list before the first customer comes."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import redis

if TYPE_CHECKING:
    import numpy as np

PRODUCTS = 20_000
CATEGORIES = 40
MOVEMENTS = 1_600_000
"""Rows of the stock ledger: a lookup by index touches about 80 of them, a scan all."""
POPULAR = 200
"""The products that customers want most; there is always enough of them."""
CUSTOMERS = 2_000
NEW_CUSTOMERS = 500
"""Customers who have not ordered anything; their numbers follow those of the others."""
ORDERS = 12_000
PROMOTIONS = 6_000

_WAREHOUSES = ("north", "south", "harbour")
_DAYS = 365


def sku(number: int) -> str:
    """The article number of the product ``number``, which starts at 0."""
    return f"SKU-{number:05d}"


def _drawing(seed: int | list[int]) -> np.random.Generator:
    import numpy as np  # noqa: PLC0415  a quarter of a service's start, and none of them draws

    return np.random.default_rng(seed)


def create_catalogue(path: Path) -> None:
    """Create the catalogue's database: the products by category."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE products (sku TEXT PRIMARY KEY, category INTEGER NOT NULL, name TEXT NOT NULL)")
        connection.executemany(
            "INSERT INTO products VALUES (?, ?, ?)",
            ((sku(number), number % CATEGORIES, f"Product {number}") for number in range(PRODUCTS)),
        )
        connection.execute("CREATE INDEX products_by_category ON products (category, sku)")


def create_inventory(path: Path, *, seed: int, movements: int = MOVEMENTS) -> None:
    """Create the inventory's database: the ledger of stock movements with its index by article."""
    draw = _drawing(seed)
    articles = draw.integers(0, PRODUCTS, movements).tolist()
    warehouses = draw.integers(0, len(_WAREHOUSES), movements).tolist()
    deltas = draw.integers(-3, 8, movements).tolist()
    days = draw.integers(0, _DAYS, movements).tolist()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            "CREATE TABLE movements (id INTEGER PRIMARY KEY, sku TEXT NOT NULL, warehouse TEXT NOT NULL,"
            " delta INTEGER NOT NULL, day INTEGER NOT NULL)"
        )
        connection.executemany(
            "INSERT INTO movements (sku, warehouse, delta, day) VALUES (?, ?, ?, ?)",
            (
                (sku(article), _WAREHOUSES[warehouse], delta, day)
                for article, warehouse, delta, day in zip(articles, warehouses, deltas, days, strict=True)
            ),
        )
        connection.executemany(
            "INSERT INTO movements (sku, warehouse, delta, day) VALUES (?, ?, 40000, 0)",
            ((sku(number), warehouse) for number in range(POPULAR) for warehouse in _WAREHOUSES),
        )
        connection.execute("CREATE INDEX movements_by_sku ON movements (sku)")
        connection.execute("PRAGMA user_version = 1")


def create_orders(path: Path, *, seed: int) -> None:
    """Create the orders' database, which payment uses as well: what the customers bought so far, and no charge yet."""
    draw = _drawing(seed)
    buyers = draw.integers(0, CUSTOMERS, ORDERS).tolist()
    articles = draw.integers(0, PRODUCTS, ORDERS).tolist()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, sku TEXT NOT NULL,"
            " quantity INTEGER NOT NULL, cents INTEGER NOT NULL)"
        )
        connection.executemany(
            "INSERT INTO orders (customer, sku, quantity, cents) VALUES (?, ?, 1, 1999)",
            ((buyer, sku(article)) for buyer, article in zip(buyers, articles, strict=True)),
        )
        connection.execute("CREATE INDEX orders_by_customer ON orders (customer)")
        connection.execute(
            "CREATE TABLE charges (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, cents INTEGER NOT NULL,"
            " reference TEXT NOT NULL)"
        )


def price_list(*, seed: int) -> dict[str, int]:
    """What each product costs, in cents."""
    cents = _drawing(seed).integers(199, 50_000, PRODUCTS).tolist()
    return {sku(number): amount for number, amount in enumerate(cents)}


def fill_prices(client: redis.Redis, *, seed: int) -> None:
    """Write the price list and the promotions, from which every quote is computed."""
    draw = _drawing([seed, 1])
    categories = draw.integers(0, CATEGORIES, PROMOTIONS).tolist()
    percents = draw.integers(1, 15, PROMOTIONS).tolist()
    client.hset("prices", mapping=dict(price_list(seed=seed).items()))
    client.rpush(
        "promotions",
        *(
            json.dumps({"category": category, "percent": percent, "minimum_cents": 500})
            for category, percent in zip(categories, percents, strict=True)
        ),
    )
