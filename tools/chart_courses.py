"""The courses of what facts about spans and log lines say, read again from the source of each.

A fact names an operation and numbers, and not which of its contexts it is about; that is the one whose numbers are nearest.

Constants without a source are chosen, not derived.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from middlewatch.records import Anomaly, AnomalyKind, Family, Window
from middlewatch.telemetry.sources import Answer, Sources
from middlewatch.tools.baseline import Floats
from middlewatch.tools.recovery_courses import FLOOR_MS, share, spread
from middlewatch.tools.recovery_reading import Course
from middlewatch.tools.structure import Kind, SpanKey, rows_of, span_keys
from middlewatch.tools.timeline import BUCKETS_PER_MINUTE, STEP_SECONDS
from middlewatch.tools.wording import quoted

FARTHEST_SHARE = 0.2
"""Shares before and after that are together farther than this from a fact's are not what it is about."""


@dataclass(frozen=True, slots=True)
class Found:
    """A course, or why there is none."""

    course: Course | None
    answer: Answer | None = None
    reason: str = ""
    """Why there is no course; of one that there is, what has to be known of it."""
    service: str = ""
    """Whose spans or lines it is of; with `peer`, the other end of calls."""
    peer: str = ""
    together: bool = False
    """Whether it is of all instances, though the fact is about one."""


K = TypeVar("K", bound=Hashable)

Draw = Callable[[Sequence[int]], Floats]
"""The values of some rows together, shape (steps,)."""


def whole_steps(window: Window) -> Window:
    """The window in whole steps, up to its end."""
    size = max(1, math.floor(window.seconds / STEP_SECONDS))
    return Window(start=window.end - timedelta(seconds=size * STEP_SECONDS), end=window.end)


def span_course(sources: Sources, anomaly: Anomaly, window: Window) -> Found:
    """What a fact of the trace analysis is about.

    Args:
        sources: what may be read.
        anomaly: the fact.
        window: what to read; in whole steps.
    """
    floor_ms = float(str(anomaly.query.parameters.get("floor_ms", FLOOR_MS)))
    services = sorted({anomaly.service, anomaly.peer} - {""})
    answer = sources.traces.behaviours(window, step_seconds=STEP_SECONDS, floor_ms=floor_ms, services=services)
    spans = _Spans(answer.table, anomaly, window, floor_ms)
    if anomaly.kind is AnomalyKind.STRUCTURE:
        found = spans.behaviour() if anomaly.family is Family.OTHER else None
        reason = "How often an operation makes calls of one sort is read from whole requests, and has no course."
    elif anomaly.family is Family.TRAFFIC:
        found, reason = spans.begun(), f"No request begins in {quoted(anomaly.service)} in this time."
    else:
        found, reason = spans.operation(), f"There is no span of {quoted(anomaly.subject)} in this time."
    if found is None:
        return Found(None, answer, reason)
    what, values, service = found
    unit = "1/min" if anomaly.family is Family.TRAFFIC else anomaly.unit
    peer = "" if not anomaly.peer else anomaly.peer if service == anomaly.service else anomaly.service
    note = f"the fact is about {quoted(anomaly.instance)}; all instances are shown together" if anomaly.instance else ""
    course = Course(what, unit, window.start, STEP_SECONDS, values)
    return Found(course, answer, note, service, peer, together=True)


class _Spans:
    """The rows of `TraceSource.behaviours` that a fact may be about."""

    def __init__(self, table: pa.Table, anomaly: Anomaly, window: Window, floor_ms: float) -> None:
        self._table = table
        self._anomaly = anomaly
        self._floor_ms = floor_ms
        size = round(window.seconds / STEP_SECONDS)
        self._of = {c: spread(table, c, window.start, size) for c in ("count", "requests", "errors", "log_self")}
        steps = np.arange(size) * STEP_SECONDS
        first = (anomaly.window.start - window.start).total_seconds()
        self._after: NDArray[np.bool_] = steps >= first
        self._size = size

    def operation(self) -> tuple[str, Floats, str] | None:
        """Its own time or its failures, of the context that the fact is about."""
        groups: dict[SpanKey, list[int]] = defaultdict(list)
        for row, key in enumerate(span_keys(self._table)):
            if key[0] in (self._anomaly.service, self._anomaly.peer) and key[1] == self._anomaly.subject:
                groups[key].append(row)
        failures = self._anomaly.family is Family.ERRORS
        draw = self._failures if failures else self._own_time
        ends, edge = (self._anomaly.service, self._anomaly.peer), self._anomaly.kind is AnomalyKind.EDGE
        told = {key: rows for key, rows in groups.items() if (key[3] in ends if edge else not key[3])}
        nearest = self._nearest(told or groups, draw, apart=_apart if failures else self._times)
        if nearest is None:
            return None
        service, operation, _, callee = nearest
        between = callee and callee in ends
        name = f"{quoted(operation)} of {quoted(service)}"
        if failures:
            towards = f" towards {quoted(callee)}" if between else ""
            return f"share of failed spans of {name}{towards}", draw(groups[nearest]), service
        what = f"time between {quoted(service)} and {quoted(callee)} in {quoted(operation)}" if between else f"own time of {name}"
        return what, draw(groups[nearest]), service

    def behaviour(self) -> tuple[str, Floats, str] | None:
        """The share of its requests in which an operation makes these calls and no others."""
        groups: dict[tuple[Hashable, ...], list[int]] = defaultdict(list)
        same: dict[Hashable, list[int]] = defaultdict(list)
        of: dict[int, tuple[tuple[str, str, str], tuple[Kind, ...]]] = {}
        for row, (key, children) in enumerate(rows_of(self._table)):
            if key[0] in (self._anomaly.service, self._anomaly.peer) and key[1] == self._anomaly.subject:
                groups[key, children].append(row)
                same[key].append(row)
                of[row] = key, children

        def draw(rows: Sequence[int]) -> Floats:
            return self._share("requests", rows, self._sum("requests", same[of[rows[0]][0]]))

        nearest = self._nearest(groups, draw, apart=_apart)
        if nearest is None or self._distance(draw(groups[nearest]), _apart) > FARTHEST_SHARE:
            return None
        (service, operation, _), children = of[groups[nearest][0]]
        called = ", ".join(quoted(name) for _, name in children[:3]) or "no other"
        more = f" and {len(children) - 3} more" if len(children) > 3 else ""  # noqa: PLR2004  a chart's title is one line
        what = f"share of requests in which {quoted(operation)} of {quoted(service)} calls {called}{more}"
        return what, draw(groups[nearest]), service

    def begun(self) -> tuple[str, Floats, str] | None:
        """Requests that begin in the service, a minute."""
        service = self._anomaly.service
        rows = [row for row, (key, _) in enumerate(rows_of(self._table)) if key[0] == service and not key[2]]
        if not rows:
            return None
        count = self._sum("count", rows)
        return (
            f"requests that begin in {quoted(service)}",
            np.where(np.cumsum(count) > 0, count, np.nan) * BUCKETS_PER_MINUTE,
            service,
        )

    def _failures(self, rows: Sequence[int]) -> Floats:
        return self._share("errors", rows, self._sum("count", rows))

    def _own_time(self, rows: Sequence[int]) -> Floats:
        return np.maximum(np.exp(self._share("log_self", rows, self._sum("count", rows))) - self._floor_ms, 0.0)

    def _share(self, column: str, rows: Sequence[int], whole: Floats) -> Floats:
        return share(self._sum(column, rows), whole)

    def _sum(self, column: str, rows: Sequence[int]) -> Floats:
        return np.asarray(self._of[column][list(rows)].sum(axis=0))

    def _times(self, one: float, other: float) -> float:
        return abs(math.log((max(0.0, one) + self._floor_ms) / (max(0.0, other) + self._floor_ms)))

    def _nearest(self, groups: Mapping[K, list[int]], draw: Draw, *, apart: Callable[[float, float], float]) -> K | None:
        """The group whose values before and after are nearest to the fact's; of equal ones the busiest."""
        distance = {key: self._distance(draw(rows), apart) for key, rows in groups.items()}
        busy = {key: -float(self._sum("count", rows).sum()) for key, rows in groups.items()}
        return min(groups, key=lambda key: (distance[key], busy[key]), default=None)

    def _distance(self, values: Floats, apart: Callable[[float, float], float]) -> float:
        sides = ((~self._after, self._anomaly.baseline), (self._after, self._anomaly.observed))
        total = 0.0
        for side, told in sides:
            seen = values[side & ~np.isnan(values)]
            if told is not None:
                total += apart(float(seen.mean()) if seen.size else 0.0, told)
        return total


def _apart(one: float, other: float) -> float:
    return abs(one - other)


def pattern_course(sources: Sources, anomaly: Anomaly, window: Window, as_kept: Callable[[str], str]) -> Found:
    """How often a service logs the pattern of a fact, a minute.

    Args:
        sources: what may be read.
        anomaly: the fact.
        window: what to read; in whole steps.
        as_kept: what became of a pattern when the fact was kept.
    """
    answer = sources.logs.patterns(window, step_seconds=STEP_SECONDS, services=[anomaly.service])
    texts = [as_kept(str(text)[:2000]) for text in answer.table.column("pattern").to_pylist()]
    rows = [row for row, text in enumerate(texts) if text == anomaly.subject]
    if not rows:
        return Found(None, answer, f"There is no line of this pattern of {quoted(anomaly.service)} in this time.")
    count = spread(answer.table, "count", window.start, round(window.seconds / STEP_SECONDS))
    logging = np.cumsum(count.sum(axis=0)) > 0
    values = np.where(logging, count[rows].sum(axis=0), np.nan) * BUCKETS_PER_MINUTE
    what = f"lines {quoted(anomaly.subject)} of {quoted(anomaly.service)}"
    return Found(Course(what, "1/min", window.start, STEP_SECONDS, values), answer, service=anomaly.service)
