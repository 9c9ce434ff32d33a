"""How much users notice of an incident: the share of requests at the entry services that fail or are answered later than before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, cast

from middlewatch.records import Impact, UtcDatetime, Window
from middlewatch.telemetry.sources import Sources

BEFORE: Final = timedelta(hours=1)
"""What is compared with. Chosen: long enough for a stable 99th percentile, short enough for the time of day."""
LEAST_REQUESTS: Final = 20
"""Fewer say nothing about a share. Chosen."""
MOST_ENTRIES: Final = 8
"""Entry services that are looked at: each is two queries. Chosen."""
SLOWER: Final = 1.5
"""A request is slow that takes so many times as long as 99 of 100 did before. Chosen."""
_STEP_SECONDS: Final = 60
_TOP_SHARE: Final = 0.01
"""That is slow by definition of the percentile."""


def impact(sources: Sources, entries: Sequence[str], since: UtcDatetime, now: UtcDatetime) -> Impact | None:
    """What users notice.

    Args:
        sources: what may be read.
        entries: services that users call.
        since: the detection.
        now: the end of what may be read.

    Returns:
        None where too few requests are known.
    """
    looked, requests, errors, slow = [], 0.0, 0.0, 0.0
    for service in sorted(entries)[:MOST_ENTRIES]:
        before = _rows(sources, Window(start=since - BEFORE, end=since), service, ())
        usual = sorted(float(row["p99_ms"]) for row in before if row["p99_ms"] is not None)
        limits = (SLOWER * usual[len(usual) // 2],) if usual else ()
        found = _rows(sources, Window(start=since, end=now), service, limits)
        count, failed = (sum(float(row[name]) for row in found) for name in ("count", "errors"))
        if not count:
            continue
        looked.append(service)
        requests += count
        errors += failed
        if limits:  # what fails late fails, and is not slow on top of that
            in_time = sum(float(row["within"][0]) - float(row["errors_within"][0]) for row in found)
            slow += max(0.0, (count - failed) * (1 - _TOP_SHARE) - in_time)
    if requests < LEAST_REQUESTS:
        return None
    return Impact(services=tuple(looked), requests=requests, failing=min(1.0, errors / requests), slow=min(1.0, slow / requests))


def _rows(sources: Sources, window: Window, service: str, limits_ms: Sequence[float]) -> list[dict[str, Any]]:
    table = sources.traces.served(window, step_seconds=_STEP_SECONDS, services=[service], limits_ms=limits_ms)
    return cast("list[dict[str, Any]]", table.to_pylist())
