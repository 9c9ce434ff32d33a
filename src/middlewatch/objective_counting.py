"""Counts what objectives promise, from telemetry into the store: each bucket once, and the youngest again until it is final."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from middlewatch.context_store.objective_counts import CountStore, StoredCounts
from middlewatch.records import Objective, ObjectiveKind, Window
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.budgets import NOTHING, BurnRules, Count
from middlewatch.tools.objective_counts import DAY_SECONDS, HOURS, MINUTES, Resolution, Series, missing

Stretch = tuple[int, int]
MOST_QUESTIONS = 8
"""To the telemetry in one look, at each resolution. The first look at 30 days takes a few of them, and no look takes long
(chosen, not derived)."""


class Counting:
    """Counts for one tenant."""

    def __init__(self, store: CountStore, sources: Callable[[datetime], Sources]) -> None:
        """Nothing is counted yet.

        Args:
            store: where counts are kept.
            sources: the live telemetry up to a moment.
        """
        self._store = store
        self._sources = sources

    def count(self, objectives: Sequence[Objective], rules: BurnRules, now: datetime) -> bool:
        """Count what is not counted yet, the newest first.

        Returns:
            Whether that was all.

        Raises:
            MiddlewatchError: the telemetry or the store does not answer. What was counted before that is kept.
        """
        days: dict[Series, float] = {}
        for one in objectives:
            series = Series.of(one)
            days[series] = max(one.days, days.get(series, 0.0))
        at = now.timestamp()
        kept = dict(zip(days, self._store.read([series.id for series in days]), strict=True))
        fine = max(pair.long_seconds for pair in rules.pairs) + HOURS.step + HOURS.late
        first = {
            MINUTES: dict.fromkeys(days, at - fine),
            HOURS: {series: at - kept_days * DAY_SECONDS for series, kept_days in days.items()},
        }
        done = {resolution: self._count_each(first[resolution], kept, at, resolution) for resolution in (MINUTES, HOURS)}
        return all(done.values())

    def _count_each(
        self, first: Mapping[Series, float], kept: Mapping[Series, StoredCounts], at: float, resolution: Resolution
    ) -> bool:
        """Count at one resolution; series that lack the same stretches are asked for together."""
        lacking: dict[Stretch, list[Series]] = {}
        for series, since in first.items():
            present = _of(kept[series], resolution)
            old = {start: present[start] for start in present if start < since - resolution.step}
            if old:
                self._store.write(series.id, StoredCounts({}, {}, None), _stored(old, resolution))
            for stretch in missing(present, since, at, resolution):
                lacking.setdefault(stretch, []).append(series)
        newest_first = sorted(lacking, reverse=True)
        for stretch in newest_first[:MOST_QUESTIONS]:
            for series, buckets in self._ask(lacking[stretch], stretch, at, resolution).items():
                # The time of the look goes with the newest buckets: what is older says nothing of now.
                when = at if resolution is MINUTES and stretch[1] > at else None
                self._store.write(series.id, _stored(buckets, resolution)._replace(at=when), StoredCounts({}, {}, None))
        return len(newest_first) <= MOST_QUESTIONS

    def _ask(self, series: Sequence[Series], stretch: Stretch, at: float, resolution: Resolution) -> dict[Series, dict[int, Count]]:
        """What each had in every bucket of a stretch; of the one under way, what there is by now."""
        start, end = (datetime.fromtimestamp(moment, UTC) for moment in (stretch[0], min(stretch[1], at)))
        starts = range(*stretch, resolution.step)
        counts = {one: dict.fromkeys(starts, NOTHING) for one in series}
        if end <= start:
            return counts
        sources, window = self._sources(datetime.fromtimestamp(at, UTC)), Window(start=start, end=end)
        for found, add in (
            ([one for one in series if one.kind == ObjectiveKind.CORRECTNESS], _add_counters),
            ([one for one in series if one.kind != ObjectiveKind.CORRECTNESS], _add_requests),
        ):
            if found:
                add(sources, window, resolution.step, {one: counts[one] for one in found})
        return counts


def _add_requests(sources: Sources, window: Window, step: int, counts: Mapping[Series, dict[int, Count]]) -> None:
    limits = sorted({one.limit_ms for one in counts if one.limit_ms is not None})
    table = sources.traces.served(
        window,
        step_seconds=step,
        services=sorted({name for one in counts for name in one.services}),
        operations=sorted({name for one in counts for name in one.operations}),
        limits_ms=limits,
    )
    for row in table.to_pylist():
        start = _start(row)
        for series, buckets in counts.items():
            if row["service"] in series.services and (not series.operations or row["operation"] in series.operations):
                good = row["count"] - row["errors"] if series.limit_ms is None else row["within"][limits.index(series.limit_ms)]
                buckets[start] = buckets[start].plus(Count(float(good), float(row["count"])))


def _add_counters(sources: Sources, window: Window, step: int, counts: Mapping[Series, dict[int, Count]]) -> None:
    table = sources.metrics.increases(
        window,
        step_seconds=step,
        services=sorted({name for one in counts for name in one.services}),
        metrics=sorted({name for one in counts for name in (one.good_metric, one.total_metric)}),
    )
    for row in table.to_pylist():
        start = _start(row)
        for series, buckets in counts.items():
            if row["service"] in series.services and row["metric"] in {series.good_metric, series.total_metric}:
                good = row["increase"] if row["metric"] == series.good_metric else 0.0
                total = row["increase"] if row["metric"] == series.total_metric else 0.0
                buckets[start] = buckets[start].plus(Count(good, total))


def _start(row: Mapping[str, Any]) -> int:
    return int(row["time"].timestamp())


def _of(counts: StoredCounts, resolution: Resolution) -> Mapping[int, tuple[float, float]]:
    return counts.minutes if resolution is MINUTES else counts.hours


def _stored(buckets: Mapping[int, tuple[float, float]], resolution: Resolution) -> StoredCounts:
    return StoredCounts(buckets, {}, None) if resolution is MINUTES else StoredCounts({}, buckets, None)
