"""The shop's customers: `python -m middlewatch.evals.lab.load --folder ... --seed ...`.

Requests arrive as a Poisson process and do not wait for one another, so that a slow shop gets no mercy. Ends when its
standard input closes, and then writes how many requests it sent and how many failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from middlewatch.evals.lab.data import CATEGORIES, CUSTOMERS, NEW_CUSTOMERS, PRODUCTS, sku
from middlewatch.evals.lab.discovery import DiscoveringTransport
from middlewatch.evals.lab.run_folder import RunFolder

_PATIENCE_SECONDS = 8.0
"""How long a customer waits for a page."""

_ACTIONS = ("product", "category", "checkout", "history")
_SHARES = (0.45, 0.25, 0.15, 0.15)
"""What customers do, and how often."""

_MOST_AT_ONCE = 600
"""Customers who wait for a page at the same time; any more have to queue in front of the shop."""

_NEW_CUSTOMER_SHARE = 0.2
_POPULARITY = 1.3
"""Exponent of Zipf's law: a few products get most of the visits."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a customer."""

    method: str
    path: str


class Customers:
    """Draws what the next customer does and when."""

    def __init__(self, *, seed: int) -> None:
        self._draw = np.random.default_rng(seed)

    def gap_seconds(self, requests_per_second: float) -> float:
        """The time until the next arrival: exponential, as in a Poisson process of this rate."""
        return float(self._draw.exponential(1.0 / requests_per_second))

    def next_visit(self) -> Visit:
        action = _ACTIONS[int(self._draw.choice(len(_ACTIONS), p=_SHARES))]
        product = sku((int(self._draw.zipf(_POPULARITY)) - 1) % PRODUCTS)
        if action == "product":
            return Visit("GET", f"/products/{product}")
        if action == "category":
            return Visit("GET", f"/categories/{int(self._draw.integers(CATEGORIES))}")
        if action == "checkout":
            customer = int(self._draw.integers(CUSTOMERS))
            quantity, postcode = int(self._draw.integers(1, 4)), int(self._draw.integers(10_000, 100_000))
            return Visit("POST", f"/checkout?customer={customer}&sku={product}&quantity={quantity}&postcode={postcode}")
        customer = int(self._draw.integers(CUSTOMERS))
        if self._draw.random() < _NEW_CUSTOMER_SHARE:
            customer = CUSTOMERS + int(self._draw.integers(NEW_CUSTOMERS))
        return Visit("GET", f"/customers/{customer}/orders")


def opening_round() -> Iterator[Visit]:
    """One look into every category at the beginning, so that the quotes there are in the cache before the recording starts."""
    return (Visit("GET", f"/categories/{category}") for category in range(CATEGORIES))


def main() -> None:
    """Send customers until told to stop."""
    arguments = _arguments()
    folder = RunFolder(arguments.folder)
    customers = Customers(seed=arguments.seed)
    stop = threading.Event()

    def watch_parent() -> None:
        sys.stdin.buffer.read()
        stop.set()

    threading.Thread(target=watch_parent, name="parent-watch", daemon=True).start()
    outcomes: Counter[str] = Counter()
    with (
        httpx.Client(transport=DiscoveringTransport(folder), timeout=_PATIENCE_SECONDS, trust_env=False) as client,
        ThreadPoolExecutor(_MOST_AT_ONCE) as visitors,
    ):
        visitors.submit(_visit_all, client, opening_round(), outcomes)
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            visitors.submit(_visit, client, customers.next_visit(), outcomes)
            due += customers.gap_seconds(float(folder.requests_per_second.read_text(encoding="ascii")))
    folder.replace(folder.load_report, json.dumps({"sent": outcomes.total(), "failed": outcomes["failed"]}))


def _visit(client: httpx.Client, visit: Visit, outcomes: Counter[str]) -> None:
    try:
        failed = client.request(visit.method, f"http://storefront{visit.path}").is_error
    except httpx.TransportError:
        failed = True
    outcomes["failed" if failed else "served"] += 1


def _visit_all(client: httpx.Client, visits: Iterable[Visit], outcomes: Counter[str]) -> None:
    for visit in visits:
        _visit(client, visit, outcomes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--seed", required=True, type=int)
    return parser.parse_args()


if __name__ == "__main__":
    main()
