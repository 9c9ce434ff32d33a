"""The shop's customers: `python -m middlewatch.evals.lab.load --folder ... --seed ...`.

Requests arrive as a Poisson process and do not wait for one another, so that a slow shop gets no mercy. Ends when its
standard input closes, and then writes how many requests it sent and how many failed.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import threading
import time
from collections import deque
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
_SHARES = (0.42, 0.23, 0.2, 0.15)
"""What customers do, and how often."""

_MOST_AT_ONCE = 600
"""Customers who wait for a page at the same time; any more have to queue in front of the shop."""

_NEW_CUSTOMER_SHARE = 0.2
_POPULARITY = 1.3
"""Exponent of Zipf's law: a few products get most of the visits."""
_DAY_SHAPE = 0.3
"""By how much of the mean rate the noon of a day is above it, and its midnight below."""
_REPORT_SECONDS = 1.0
_LATELY_SECONDS = 10.0
"""What a report is about."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What one customer asks for, one request after the other; the rest is not asked for where one fails."""

    requests: tuple[tuple[str, str], ...]
    """Method and path of each."""


class Customers:
    """Draws what the next customer does and when."""

    def __init__(self, *, seed: int) -> None:
        self._draw = np.random.default_rng(seed)
        self._phase = float(self._draw.uniform(0, 2 * math.pi))

    def gap_seconds(self, requests_per_second: float) -> float:
        """The time until the next arrival: exponential, as in a Poisson process of this rate."""
        return float(self._draw.exponential(1.0 / requests_per_second))

    def at_this_hour(self, elapsed_seconds: float, day_seconds: float) -> float:
        """By which factor more customers come than on average; a day may be as short as some minutes. The seed draws its hour."""
        return 1.0 + _DAY_SHAPE * math.sin(2 * math.pi * elapsed_seconds / day_seconds + self._phase)

    def next_visit(self) -> Visit:
        action = _ACTIONS[int(self._draw.choice(len(_ACTIONS), p=_SHARES))]
        product = sku((int(self._draw.zipf(_POPULARITY)) - 1) % PRODUCTS)
        if action == "product":
            return _looks(f"/products/{product}")
        if action == "category":
            return _looks(f"/categories/{int(self._draw.integers(CATEGORIES))}")
        customer = int(self._draw.integers(CUSTOMERS))
        if action == "checkout":
            quantity, postcode = int(self._draw.integers(1, 4)), int(self._draw.integers(10_000, 100_000))
            return Visit(
                (
                    ("POST", f"/cart?customer={customer}&sku={product}&quantity={quantity}"),
                    ("POST", f"/checkout?customer={customer}&postcode={postcode}"),
                )
            )
        if self._draw.random() < _NEW_CUSTOMER_SHARE:
            customer = CUSTOMERS + int(self._draw.integers(NEW_CUSTOMERS))
        return _looks(f"/customers/{customer}/orders")


def opening_round() -> Iterator[Visit]:
    """One look into every category at the beginning, so that the quotes there are in the cache before the recording starts."""
    return (_looks(f"/categories/{category}") for category in range(CATEGORIES))


def _looks(path: str) -> Visit:
    return Visit((("GET", path),))


class Met:
    """What the customers met with: of each request whether it failed and how long it took."""

    def __init__(self) -> None:
        self._lately: deque[tuple[float, bool, float]] = deque()
        self._sent, self._failed = 0, 0
        self._lock = threading.Lock()

    def note(self, *, failed: bool, seconds: float) -> None:
        with self._lock:
            self._lately.append((time.monotonic(), failed, seconds))
            self._sent += 1
            self._failed += failed

    def report(self) -> dict[str, float | int | None]:
        """All that was sent and failed; of the last seconds the rate, the share that failed and the slowest of twenty."""
        with self._lock:
            while self._lately and time.monotonic() - self._lately[0][0] > _LATELY_SECONDS:
                self._lately.popleft()
            lately = list(self._lately)
        seconds = sorted(each for _, _, each in lately)
        return {
            "sent": self._sent,
            "failed": self._failed,
            "requests_per_second": round(len(lately) / _LATELY_SECONDS, 2),
            "failing": round(sum(failed for _, failed, _ in lately) / len(lately), 4) if lately else None,
            "p95_seconds": round(seconds[len(seconds) * 95 // 100], 4) if seconds else None,
        }


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
    met = Met()
    with (
        httpx.Client(transport=DiscoveringTransport(folder), timeout=_PATIENCE_SECONDS, trust_env=False) as client,
        ThreadPoolExecutor(_MOST_AT_ONCE) as visitors,
    ):
        visitors.submit(_visit_all, client, opening_round(), met)
        began = due = reported = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            visitors.submit(_visit, client, customers.next_visit(), met)
            usual = float(folder.requests_per_second.read_text(encoding="ascii"))
            due += customers.gap_seconds(usual * customers.at_this_hour(due - began, arguments.day_seconds))
            if time.monotonic() - reported > _REPORT_SECONDS:
                reported = time.monotonic()
                folder.replace(folder.load_report, json.dumps(met.report()))
    folder.replace(folder.load_report, json.dumps(met.report()))


def _visit(client: httpx.Client, visit: Visit, met: Met) -> None:
    for method, path in visit.requests:
        started = time.monotonic()
        try:
            failed = client.request(method, f"http://gateway{path}").is_error
        except httpx.TransportError:
            failed = True
        met.note(failed=failed, seconds=time.monotonic() - started)
        if failed:
            return


def _visit_all(client: httpx.Client, visits: Iterable[Visit], met: Met) -> None:
    for visit in visits:
        _visit(client, visit, met)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--day-seconds", required=True, type=float)
    return parser.parse_args()


if __name__ == "__main__":
    main()
