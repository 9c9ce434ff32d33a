"""How the declared services do: golden signals, error budgets, and what fills up. Nothing here decides anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from middlewatch.context_store.redaction import redact_names
from middlewatch.objectives import Objectives
from middlewatch.records import BudgetStanding, Course, Exhaustion, ServiceEntry, ServiceHealth, Usage, Window
from middlewatch.remembered import Remembered
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.usages import usage_courses

WINDOW_SECONDS: Final = 300.0
"""Over which rate, errors and latency are taken: as long as the shortest window of an objective."""
COURSE_SECONDS: Final = 3600
STEP_SECONDS: Final = 60
LAG_SECONDS: Final = 30.0
"""Exporters send in batches: what is younger is not all there yet (chosen, not derived)."""
KEPT_SECONDS: Final = 15.0
"""How long an answer is given again: pages are looked at by many (chosen)."""


class Health:
    """The golden signals of a tenant's declared services, as telemetry has them now."""

    def __init__(self, objectives: Objectives, sources: Callable[[datetime], Sources]) -> None:
        self._objectives = objectives
        self._sources = sources
        self._kept: Remembered[tuple[ServiceHealth, ...]] = Remembered(KEPT_SECONDS)

    def services(self) -> tuple[ServiceHealth, ...]:
        """Every declared service, those first on which most hangs.

        Raises:
            SourceUnavailable: the telemetry does not answer.
            StoreUnavailable: the store does not.
        """
        digest = self._objectives.catalogue.usable().digest
        return self._kept(lambda: self._look(datetime.now(UTC)), of=digest)

    def _look(self, now: datetime) -> tuple[ServiceHealth, ...]:
        declared = self._objectives.catalogue.services
        if not declared:
            return ()
        names = sorted(declared)
        sources = self._sources(now)
        lately, courses = _lately(sources, now, names), _courses(sources, now, names)
        window = Window(start=now - timedelta(seconds=WINDOW_SECONDS + LAG_SECONDS), end=now)
        usages = [course.usage for course in usage_courses(sources, window, step_seconds=STEP_SECONDS, services=names)]
        standings, filling = self._objectives.standings(), self._objectives.exhaustions()
        found = [
            _health(
                name,
                entry,
                now,
                lately.get(name),
                courses.get(name, {}),
                (usages, filling, standings, self._objectives.catalogue.maintenance(name, now)),
            )
            for name, entry in declared.items()
        ]
        return tuple(map(redact_names, sorted(found, key=lambda one: (one.tier, one.service))))


def _lately(sources: Sources, now: datetime, services: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Requests, errors and p99 of each service in the window."""
    end = now - timedelta(seconds=LAG_SECONDS)
    window = Window(start=end - timedelta(seconds=WINDOW_SECONDS), end=end)
    table = sources.traces.served(window, step_seconds=round(WINDOW_SECONDS), services=services)
    return {row["service"]: row for row in table.to_pylist()}


def _courses(sources: Sources, now: datetime, services: Sequence[str]) -> dict[str, dict[int, dict[str, Any]]]:
    """Rows of each service by the number of their minute, over the last hour."""
    start = now - timedelta(seconds=COURSE_SECONDS + LAG_SECONDS)
    window = Window(start=start, end=now - timedelta(seconds=LAG_SECONDS))
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for row in sources.traces.served(window, step_seconds=STEP_SECONDS, services=services).to_pylist():
        found.setdefault(row["service"], {})[round((row["time"] - start).total_seconds()) // STEP_SECONDS] = row
    return found


Around = tuple[Sequence[Usage], Sequence[Exhaustion], Sequence[BudgetStanding], str]
"""What else is known of all services: usages, what fills up, how objectives stand; and the maintenance of this one."""


def _health(
    name: str,
    entry: ServiceEntry,
    now: datetime,
    lately: Mapping[str, Any] | None,
    course: Mapping[int, Mapping[str, Any]],
    around: Around,
) -> ServiceHealth:
    usages, filling, standings, maintenance = around
    budgets = tuple(one for one in standings if name in one.objective.services)
    minutes = range(COURSE_SECONDS // STEP_SECONDS)
    rates = [course[minute]["count"] / STEP_SECONDS if minute in course else None for minute in minutes]
    errors = [course[minute]["errors"] / course[minute]["count"] if minute in course else None for minute in minutes]
    return ServiceHealth(
        service=name,
        tier=entry.tier,
        owner=entry.owner,
        journeys=tuple(dict.fromkeys(one.objective.journey for one in budgets if one.objective.journey)),
        at=now - timedelta(seconds=LAG_SECONDS),
        window_seconds=WINDOW_SECONDS,
        per_second=None if lately is None else lately["count"] / WINDOW_SECONDS,
        error_share=None if lately is None else lately["errors"] / lately["count"],
        p99_ms=None if lately is None else lately["p99_ms"],
        rates=Course(step_seconds=STEP_SECONDS, values=tuple(rates)),
        errors=Course(step_seconds=STEP_SECONDS, values=tuple(errors)),
        saturation=max((usage for usage in usages if usage.service == name), key=lambda usage: usage.share, default=None),
        exhaustions=tuple(one for one in filling if one.usage.service == name),
        budgets=budgets,
        maintenance=maintenance,
    )
