"""Failed attempts to sign in, and for how long whoever fails too often has to wait. Nobody is kept out for longer than a minute."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from fastapi import HTTPException, Request

FAILURES = 10
WITHIN_SECONDS = 60.0
"""So many wrong secrets from one address in that time. Chosen, not derived: a person who mistypes is not stopped, and whoever tries
through even a short secret of ten random letters needs millions of years."""
REMEMBERED = 4096
"""Addresses. Beyond them the one that failed first is forgotten: the list is of bounded size, whoever fills it."""
IPV6_PREFIX = 64
"""Bits that a provider gives to one customer."""


class Attempts:
    """Of one process. With several behind one name, each allows as many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, request: Request) -> None:
        """Let an attempt through.

        Raises:
            HTTPException: 429, because too many failed before; it says for how long.
        """
        with self._lock:
            failures = self._failures.get(_origin(request))
            while failures and failures[0] <= self._clock() - WITHIN_SECONDS:
                failures.popleft()
            if failures is None or len(failures) < FAILURES:
                return
            wait = math.ceil(failures[0] + WITHIN_SECONDS - self._clock())
        words = f"Too many attempts to sign in failed from this address: wait {wait} s"
        raise HTTPException(429, words, headers={"Retry-After": str(wait)})

    def failed(self, request: Request) -> None:
        """Count one that failed."""
        with self._lock:
            failures = self._failures.setdefault(_origin(request), deque(maxlen=FAILURES))
            failures.append(self._clock())
            if len(self._failures) > REMEMBERED:
                self._failures.popitem(last=False)


def _origin(request: Request) -> str:
    """Where it comes from, as far as one customer of a provider reaches."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else str(ipaddress.ip_network(f"{host}/{IPV6_PREFIX}", strict=False))  # noqa: PLR2004  IPv4
