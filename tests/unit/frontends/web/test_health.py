"""Sparklines: gaps stay gaps, everything is inside the drawing, and the same is said in words."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from middlewatch.frontends.web.health import HEIGHT, WIDTH, sparkline, worst_of
from middlewatch.records import BudgetStanding, BudgetState, Course, Objective, ObjectiveKind

VALUES = st.lists(st.none() | st.floats(0.0, 1e12), max_size=60)


def _course(*values: float | None) -> Course:
    return Course(step_seconds=60, values=values)


@given(VALUES)
def test_lines_are_inside_the_drawing_and_as_many_as_stretches(values: list[float | None]) -> None:
    drawn = sparkline(_course(*values), "requests", "/s")
    points = [tuple(map(float, point.split(","))) for line in drawn.lines for point in line.split()]
    assert all(0.0 <= x <= WIDTH + 0.1 and 0.0 <= y <= HEIGHT for x, y in points)
    stretches = sum(value is not None and (index == 0 or values[index - 1] is None) for index, value in enumerate(values))
    assert len(drawn.lines) == (0 if sum(value is not None for value in values) == 1 else stretches), "a dot shows no course"
    assert ("unknown" in drawn.words) is (stretches == 0)


def test_a_course_is_said_in_words() -> None:
    drawn = sparkline(_course(0.01, None, 0.25, 0.04), "share of requests that fail", "%", scale=100.0)
    assert drawn.words == "share of requests that fail over the last hour: 1 % to 25 %, lastly 4 %"


def _standing(name: str, left: float | None, state: BudgetState | None) -> BudgetStanding:
    objective = Objective(name=name, services=("s",), kind=ObjectiveKind.AVAILABILITY, target=0.9)
    return BudgetStanding(objective=objective, at=datetime(2026, 5, 20, tzinfo=UTC), covered_days=1.0, left=left, state=state)


def test_the_worst_budget_binds_and_unknown_is_no_excuse() -> None:
    unknown, free = _standing("u", None, None), _standing("f", 0.9, BudgetState.FREE)
    frozen, more = _standing("z", 0.1, BudgetState.FROZEN), _standing("y", 0.2, BudgetState.FROZEN)
    assert worst_of([unknown, free, more, frozen]) is frozen
    assert worst_of([unknown]) is unknown
    assert worst_of([]) is None
