"""What an objective counted, in buckets: minutes of the last day, hours of all its days. So a look at 30 days reads little."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from middlewatch.records import Objective, digest_of
from middlewatch.tools.budgets import Count

DAY_SECONDS: Final = 24 * 3600


class Resolution(NamedTuple):
    """How finely something is counted, and when a bucket is final."""

    step: int
    """Seconds of a bucket."""
    late: int
    """Seconds after a bucket's end that telemetry still arrives for it; chosen: batches and scrapes take up to a minute."""
    chunk: int
    """Seconds that one question to the telemetry counts at most."""


MINUTES: Final = Resolution(step=60, late=180, chunk=6 * 3600)
HOURS: Final = Resolution(step=3600, late=600, chunk=DAY_SECONDS)


@dataclass(frozen=True, slots=True)
class Series:
    """What is counted. Objectives that differ in nothing but target, days or name share it."""

    kind: str
    services: tuple[str, ...]
    operations: tuple[str, ...]
    limit_ms: float | None
    good_metric: str
    total_metric: str

    @classmethod
    def of(cls, objective: Objective) -> Series:
        return cls(
            objective.kind.value,
            tuple(sorted(set(objective.services))),
            tuple(sorted(set(objective.operations))),
            objective.threshold_ms,
            objective.good_metric,
            objective.total_metric,
        )

    @property
    def id(self) -> str:
        """Its name in the store."""
        return digest_of(self.kind, self.services, self.operations, self.limit_ms, self.good_metric, self.total_metric)[:32]


@dataclass(frozen=True, slots=True)
class Counts:
    """Buckets by the second since 1970 that they begin at. A bucket that is there was counted, also where nothing was in it."""

    minutes: Mapping[int, Count] = field(default_factory=dict)
    hours: Mapping[int, Count] = field(default_factory=dict)
    at: float | None = None
    """When somebody counted last, in seconds since 1970; None where nobody ever did."""

    def within(self, seconds: float) -> Count:
        """What there was in the last so many seconds before `at`, in whole minutes: never more than was asked for."""
        now = self.at or 0.0
        return _sum(count for start, count in self.minutes.items() if now - seconds <= start < now)

    def over(self, days: float) -> tuple[Count, float]:
        """What there was in so many days before `at`, and how many of them were counted since there was anything."""
        now = self.at or 0.0
        first = now - days * DAY_SECONDS
        hours = {start: count for start, count in self.hours.items() if first <= start}
        since = max(hours, default=round(first) - HOURS.step) + HOURS.step
        minutes = {start: count for start, count in self.minutes.items() if since <= start < now}
        began = min((start for start, count in (*hours.items(), *minutes.items()) if count.total > 0.0), default=now)
        counted = HOURS.step * sum(start >= began for start in hours) + MINUTES.step * sum(start >= began for start in minutes)
        return _sum((*hours.values(), *minutes.values())), min(days, counted / DAY_SECONDS)


def missing(present: Collection[int], first: float, now: float, resolution: Resolution) -> tuple[tuple[int, int], ...]:
    """Stretches that have to be counted, the newest first: from a bucket's start to one's end, none longer than a chunk.

    Args:
        present: starts of buckets that were counted.
        first: what begins before is not wanted.
        now: of finer buckets the one under way is wanted as well; those that are not final are counted again.
        resolution: of the buckets.
    """
    step = resolution.step
    final = now - resolution.late
    fine = resolution is MINUTES
    end = int(now // step + 1) * step if fine else int(final // step) * step
    wanted = [
        start
        for start in range(end - step, int(-(-first // step)) * step - 1, -step)
        if start not in present or (fine and start + step > final)
    ]
    stretches: list[tuple[int, int]] = []
    for start in wanted:
        if stretches and stretches[-1][0] == start + step and stretches[-1][1] - start <= resolution.chunk:
            stretches[-1] = (start, stretches[-1][1])
        else:
            stretches.append((start, start + step))
    return tuple(stretches)


def _sum(counts: Iterable[Count]) -> Count:
    good = total = 0.0
    for one in counts:
        good += one[0]
        total += one[1]
    return Count(good, total)
