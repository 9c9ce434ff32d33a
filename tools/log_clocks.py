"""By how much the clocks of services disagree, from calls that must lie inside the spans that wait for them."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import cast

import pyarrow as pa

SYNCHRONISED_MICROS = 10_000
"""Clocks that need not differ by more are taken to agree: NTP keeps them so close, and spans are often cut to milliseconds.
Chosen, not derived."""


def clock_offsets(clocks: pa.Table) -> dict[str, int]:
    """How far each service's clock is ahead, in microseconds, against an arbitrary one of those that it is connected with by calls.

    Two clocks are taken to agree where nothing speaks against it, else to differ by the middle of what is possible (as from one
    exchange of messages in NTP, RFC 5905). Offsets add up along the most frequent calls.

    Args:
        clocks: the rows of `TraceSource.clocks`.
    """
    columns = (clocks.column(name).to_pylist() for name in ("calls", "caller", "callee", "least", "most"))
    rows = cast("list[tuple[int, str, str, int, int]]", list(zip(*columns, strict=True)))
    group: dict[str, str] = {}

    def root(service: str) -> str:
        while group.setdefault(service, service) != service:
            service = group[service]
        return service

    neighbours: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for _, caller, callee, least, most in sorted(rows, key=lambda row: (-row[0], row[1], row[2])):
        if root(caller) != root(callee):  # a spanning tree (Kruskal): no two ways to the same service
            group[root(callee)] = root(caller)
            ahead = 0 if least <= SYNCHRONISED_MICROS and most >= -SYNCHRONISED_MICROS else (least + most) // 2
            neighbours[caller].append((callee, ahead))
            neighbours[callee].append((caller, -ahead))
    offsets: dict[str, int] = {}
    for service in sorted(neighbours):
        if service in offsets:
            continue
        offsets[service] = 0
        waiting = deque([service])
        while waiting:
            here = waiting.popleft()
            for other, ahead in neighbours[here]:
                if other not in offsets:
                    offsets[other] = offsets[here] + ahead
                    waiting.append(other)
    return offsets
