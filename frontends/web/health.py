"""The health page: every declared service with its golden signals, what was promised of it, and how much of that is left."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from middlewatch.app import App
from middlewatch.frontends import health_wording as words
from middlewatch.frontends.quantity import number
from middlewatch.frontends.web.pages import render
from middlewatch.frontends.web.visitors import Application, SignedIn
from middlewatch.records import BudgetStanding, BudgetState, Course, ObjectiveKind, ServiceHealth
from middlewatch.records.errors import MiddlewatchError

router = APIRouter(include_in_schema=False)

WIDTH, HEIGHT = 120.0, 28.0
"""Of a sparkline, in its own units."""
MARGIN = 2.0
MOST_IN_A_ROW = 8
"""Services on the inbox; the page has all of them."""


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A course as lines, one for each stretch without a gap; a stretch of one point is drawn as long as its step."""

    lines: tuple[str, ...]
    words: str


def sparkline(course: Course, what: str, unit: str, *, scale: float = 1.0) -> Sparkline:
    """Draw a course.

    Args:
        course: what is drawn.
        what: of what it is, in words.
        unit: stands after numbers.
        scale: that numbers in words are multiplied with.
    """
    known = [value for value in course.values if value is not None]
    if not known:
        return Sparkline((), f"{what}: unknown over the last hour")
    top = max(known) or 1.0
    step = WIDTH / max(1, len(course.values))
    lines = list[str]()
    if len(known) == 1:  # a dot shows no course
        return Sparkline((), f"{what} over the last hour: {number(scale * known[0])} {unit}".strip() + ", once")
    for is_known, stretch in itertools.groupby(enumerate(course.values), key=lambda one: one[1] is not None):
        if is_known:
            points = [(index * step, HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value or 0.0) / top) for index, value in stretch]
            points.append((points[-1][0] + step, points[-1][1]))
            lines.append(" ".join(f"{x:.1f},{y:.1f}" for x, y in points))
    least, most, last = (f"{number(scale * value)} {unit}".strip() for value in (min(known), max(known), known[-1]))
    return Sparkline(tuple(lines), f"{what} over the last hour: {least} to {most}, lastly {last}")


@dataclass(frozen=True, slots=True)
class Row:
    """One service."""

    health: ServiceHealth
    requests: str
    errors: str
    latency: str
    glance: str
    saturation: str
    rate_line: Sparkline
    error_line: Sparkline
    filling: tuple[str, ...]
    budget: str
    """The word of its worst budget."""
    look: str
    burning: bool
    failing: bool
    """Whether errors are what burns."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One objective."""

    standing: BudgetStanding
    about: str
    promise: str
    left: str
    state: str
    meaning: str
    look: str
    burning: str
    covered: str


def row_of(health: ServiceHealth) -> Row:
    """A service for the page."""
    worst = worst_of(health.budgets)
    return Row(
        health=health,
        requests=words.per_second(health),
        errors=words.errors(health),
        latency=words.latency(health),
        glance=words.at_a_glance(health),
        saturation=words.saturation(health.saturation),
        rate_line=sparkline(health.rates, "requests a second", "/s"),
        error_line=sparkline(health.errors, "share of requests that fail", "%", scale=100.0),
        filling=tuple(words.filling(one) for one in health.exhaustions),
        budget=_budget(health.budgets, worst),
        look=words.look(worst) if worst is not None else "unknown",
        burning=any(one.firing for one in health.budgets),
        failing=any(one.firing and one.objective.kind is ObjectiveKind.AVAILABILITY for one in health.budgets),
    )


def worst_of(budgets: Sequence[BudgetStanding]) -> BudgetStanding | None:
    """The one that binds; None where nothing is promised, and one that is unknown where all are."""
    order = list(BudgetState)
    return max(budgets, key=lambda one: (-1 if one.state is None else order.index(one.state), -(one.left or 0.0)), default=None)


def _budget(budgets: Sequence[BudgetStanding], worst: BudgetStanding | None) -> str:
    if worst is None:
        return "nothing is promised"
    of = f" ({worst.objective.name})" if len(budgets) > 1 else ""
    state = worst.state.value if worst.state is not None else words.UNKNOWN
    return state if worst.left is None else f"{state}, {words.left(worst)}{of}"


def promise_of(standing: BudgetStanding) -> Promise:
    """An objective for the page."""
    objective = standing.objective
    return Promise(
        standing=standing,
        about=objective.journey or " and ".join(objective.services),
        promise=words.promise(objective),
        left=words.left(standing),
        state=standing.state.value if standing.state is not None else words.UNKNOWN,
        meaning=words.MEANING[standing.state] if standing.state is not None else "",
        look=words.look(standing),
        burning=words.burning(standing),
        covered="" if standing.left is None else words.covered(standing),
    )


def health_view(app: App) -> dict[str, Any]:
    """Everything on the page. What does not answer is said, and the rest is shown."""
    problem = app.service_catalogue.problem
    services: tuple[ServiceHealth, ...] = ()
    standings: tuple[BudgetStanding, ...] = ()
    try:
        services = app.health.services()
    except MiddlewatchError as error:
        problem = problem or error.message
    try:
        standings = app.objectives.standings()
    except MiddlewatchError as error:
        problem = problem or error.message
    return {
        "rows": [row_of(one) for one in services],
        "promises": [promise_of(one) for one in standings],
        "problem": problem,
        "declared": bool(app.service_catalogue.services),
        "file": app.service_catalogue.path.name,
        "counted": max((one.at for one in standings if one.left is not None), default=None),
    }


def health_row(app: App) -> list[Row]:
    """The services that the inbox shows, those in trouble first; none where nothing answers: the page says why."""
    try:
        rows = [row_of(one) for one in app.health.services()]
    except MiddlewatchError:
        return []
    return sorted(rows, key=_in_trouble, reverse=True)[:MOST_IN_A_ROW]


def _in_trouble(row: Row) -> tuple[bool, bool, bool]:
    return row.burning, row.look == "bad", bool(row.filling)


@router.get("/health")
def health(request: Request, app: Application, _visitor: SignedIn) -> Response:
    """The page."""
    return render(request, "health.html", page="health", **health_view(app))
