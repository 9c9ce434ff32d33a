"""Limited resources as telemetry reports them: what share of a disk, memory, a pool or of file descriptors is used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from middlewatch.records import Exhaustion, Usage, Window
from middlewatch.telemetry.conventions import LIMITED, SHARES_USED, TYPES_OF_USE, USED_STATES, resource_of
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.exhaustion import Floats, filling

LOOKS_HOURS = ((1.0, 60), (6.0, 300))
"""How long is looked at, and in steps of how many seconds: what fills within hours, and within a day. Chosen."""
LONGEST_NAME = 300

Attributes = tuple[tuple[str, str], ...]
Key = tuple[str, str, str, Attributes]
"""Service, instance, metric, and attributes without those that say which part of a whole it is."""


@dataclass(frozen=True, slots=True)
class UsageCourse:
    """One limited resource over time."""

    usage: Usage
    """As it stood at the last sample."""
    hours: Floats
    """Of the samples, from the end of the window on, so below 0."""
    shares: Floats


def usage_courses(sources: Sources, window: Window, *, step_seconds: int, services: Sequence[str] = ()) -> tuple[UsageCourse, ...]:
    """Every limited resource that reported in a window, with what share of it was used."""
    metrics = [*SHARES_USED, *LIMITED, *LIMITED.values()]
    table = sources.metrics.series(window, step_seconds=step_seconds, services=services, metrics=metrics).table
    used: dict[Key, dict[datetime, float]] = defaultdict(lambda: defaultdict(float))
    limits: dict[Key, dict[datetime, float]] = defaultdict(dict)
    for row in table.to_pylist():
        attributes = dict(row["attributes"])
        states = [attributes.get(state) for state in USED_STATES if state in attributes]
        is_limit = row["metric"] in LIMITED.values()
        if not is_limit and states and not {*states} & TYPES_OF_USE:
            continue
        rest = tuple(sorted((name, value) for name, value in attributes.items() if name not in USED_STATES))
        key = (row["service"], row["instance"], row["metric"], rest)
        for time, value in zip(row["times"], row["average"], strict=True):
            if is_limit:
                limits[key][time] = value
            else:
                used[key][time] += value
    found = (_course(key, course, _limit_of(key, limits), window.end) for key, course in used.items())
    return tuple(course for course in found if course is not None)


def _limit_of(key: Key, limits: Mapping[Key, Mapping[datetime, float]]) -> float | None:
    """The latest limit of the same thing; 1 where the metric is a share by itself, None where none is reported."""
    service, instance, metric, attributes = key
    if metric in SHARES_USED:
        return 1.0
    same = [
        course
        for (owner, where, name, own), course in limits.items()
        if (owner, where, name) == (service, instance, LIMITED[metric]) and {*own} <= {*attributes}
    ]
    latest = [course[max(course)] for course in same if course]
    return min((limit for limit in latest if limit > 0.0), default=None)


def _course(key: Key, course: Mapping[datetime, float], limit: float | None, end: datetime) -> UsageCourse | None:
    if limit is None or not course:
        return None
    times = sorted(course)
    shares = np.array([max(0.0, course[time] / limit) for time in times])
    if not np.all(np.isfinite(shares)):
        return None
    service, instance, metric, attributes = key
    usage = Usage(
        service=service,
        instance=instance[:512],
        resource=resource_of(metric) or "resource",
        what=", ".join(value for _, value in attributes if value)[:LONGEST_NAME],
        metric=metric,
        share=float(shares[-1]),
    )
    return UsageCourse(usage, np.array([(time - end) / timedelta(hours=1) for time in times]), shares)


def exhaustions(sources: Sources, now: datetime, *, services: Sequence[str] = ()) -> tuple[Exhaustion, ...]:
    """What fills steadily, the soonest first; each resource once."""
    found: dict[tuple[str, str, str, str], Exhaustion] = {}
    for hours, step_seconds in LOOKS_HOURS:
        for one in _exhaustions(sources, now, hours, step_seconds, services):
            usage = one.usage
            found.setdefault((usage.service, usage.instance, usage.metric, usage.what), one)
    return tuple(sorted(found.values(), key=lambda one: one.hours))


def _exhaustions(sources: Sources, now: datetime, hours: float, step_seconds: int, services: Sequence[str]) -> list[Exhaustion]:
    span, day = timedelta(hours=hours), timedelta(days=1)
    window = Window(start=now - span, end=now)
    courses = usage_courses(sources, window, step_seconds=step_seconds, services=services)
    rising = [course for course in courses if filling(course.hours, course.shares, hours) is not None]
    if not rising:
        return []
    before = {
        _name(course.usage): (course.hours, course.shares)
        for course in usage_courses(
            sources,
            Window(start=window.start - day, end=window.end - day),
            step_seconds=step_seconds,
            services=sorted({course.usage.service for course in rising}),
        )
    }
    return [one for course in rising if (one := _exhaustion(course, now, hours, before.get(_name(course.usage)))) is not None]


def _exhaustion(course: UsageCourse, now: datetime, hours: float, earlier: tuple[Floats, Floats] | None) -> Exhaustion | None:
    found = filling(course.hours, course.shares, hours, earlier)
    if found is None:
        return None
    return Exhaustion(
        usage=course.usage,
        at=now + timedelta(hours=float(course.hours[-1])),
        observed_hours=float(course.hours[-1] - course.hours[0]),
        share_per_hour=found.per_hour,
        hours=found.hours,
        earliest_hours=found.earliest_hours,
        latest_hours=found.latest_hours,
    )


def _name(usage: Usage) -> tuple[str, str, str]:
    """The same resource on another day; instances may have other names by then."""
    return usage.service, usage.metric, usage.what
