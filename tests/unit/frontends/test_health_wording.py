"""Objectives in words: unknown is said, 99.99 % does not read 100 %, and every number has its unit."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from middlewatch.frontends import health_wording as words
from middlewatch.records import BudgetStanding, BudgetState, Burn, Exhaustion, Objective, ObjectiveKind, Usage

AT = datetime(2026, 5, 20, 12, tzinfo=UTC)


def _standing(left: float | None, state: BudgetState | None, **update: object) -> BudgetStanding:
    objective = Objective(name="o", services=("s",), kind=ObjectiveKind.LATENCY, threshold_ms=500, target=0.9999)
    made = BudgetStanding(objective=objective, at=AT, covered_days=30.0, left=left, state=state)
    return made.model_copy(update=update)


def test_a_promise_is_said_with_its_unit() -> None:
    objective = _standing(1.0, BudgetState.FREE).objective
    assert words.promise(objective) == "99.99 % answered within 500 ms over 30 days"
    some = objective.model_copy(update={"operations": ("GET /", "POST /")})
    assert words.promise(some).endswith(", of GET / and POST /")


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (None, "nothing was counted"),
        (1.0, "100 % left (4 min 19 s of 4 min 19 s)"),
        (0.123, "12.3 % left (32 s of 4 min 19 s)"),
        (0.0, "0 % left (0 s of 4 min 19 s)"),
        (-0.5, "overdrawn, 150 % of it spent (6 min 29 s of 4 min 19 s)"),
    ],
)
def test_what_is_left_is_said_as_a_share_and_as_the_time_that_everything_could_fail(left: float | None, said: str) -> None:
    assert words.left(_standing(left, None if left is None else BudgetState.CANARY)) == said


def test_states_say_what_follows_and_unknown_is_none_of_them() -> None:
    assert words.state(_standing(None, None)) == "unknown"
    assert words.look(_standing(None, None)) == "unknown"
    assert "post-mortem" in words.state(_standing(-1.0, BudgetState.EXHAUSTED))
    assert {*words.MEANING} == {*BudgetState}


def test_burning_says_every_window_and_which_are_unknown() -> None:
    burns = (Burn(window_seconds=300, good=0, total=0, rate=None), Burn(window_seconds=21600, good=9, total=10, rate=14.43))
    assert words.burning(_standing(1.0, BudgetState.FREE, burns=burns)) == "unknown in 5 min, 14x in 6 h"


def test_too_little_telemetry_is_called_neither_full_nor_good() -> None:
    little = _standing(1.0, None, covered_days=0.001)
    assert words.left(little) == "too little telemetry to say what is left"
    assert (words.state(little), words.look(little)) == ("unknown", "unknown")
    assert "good" not in words.covered(little)


def test_what_is_not_covered_is_said() -> None:
    assert words.covered(_standing(1.0, None)) == ""
    told = words.covered(_standing(1.0, BudgetState.FREE, covered_days=2.5))
    assert told == "telemetry of 2 d 12 h out of 30 days; the rest is taken as good"
    assert "telemetry of 1 h 13 min out of 30 days" in words.covered(_standing(1.0, None, covered_days=0.051))


def test_what_fills_is_said_with_its_interval() -> None:
    usage = Usage(service="s", resource="disk", what="/data", metric="system.filesystem.utilization", share=0.914)
    one = Exhaustion(usage=usage, at=AT, observed_hours=6, share_per_hour=0.02, hours=4.04, earliest_hours=3.12, latest_hours=15.61)
    assert words.filling(one) == "disk /data: 91 % used, full in 4.0 h at this rate (3.1 to 16 h)"
    assert words.saturation(usage) == "disk /data 91.4 % used"
    assert words.saturation(None) == "unknown"
