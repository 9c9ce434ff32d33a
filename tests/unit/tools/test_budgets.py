"""Error budgets: rates, what is left, states, and alerts over pairs of windows."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import BudgetState, Objective, ObjectiveKind, Severity
from middlewatch.tools.budgets import (
    PAIRS,
    BurnRules,
    Count,
    budget_left,
    burn_rate,
    burns,
    exhausted_in_days,
    firing,
    is_enough,
    state_of,
    worst,
)

RULES = BurnRules()
TARGETS = st.floats(0.5, 0.99999)


def _objective(target: float = 0.999, days: float = 30.0) -> Objective:
    return Objective(name="o", services=("s",), kind=ObjectiveKind.AVAILABILITY, target=target, days=days)


def _course(share_at: Callable[[float], float], per_second: float = 10.0) -> Callable[[float], Count]:
    """Counts of a course of bad shares, by how many seconds ago; in whole minutes."""

    def counted(seconds: float) -> Count:
        minutes = range(round(seconds / 60))
        bad = sum(share_at(minute * 60.0) * per_second * 60 for minute in minutes)
        total = per_second * 60 * len(minutes)
        return Count(total - bad, total)

    return counted


def test_the_rates_of_the_workbook_come_out() -> None:
    assert [round(pair.rate(_objective()), 6) for pair in PAIRS] == [14.4, 6.0, 3.0]
    assert [round(pair.escalated_rate(_objective()), 6) for pair in PAIRS] == [360.0, 30.0, 3.0]
    assert [round(pair.rate(_objective(days=7.0)), 6) for pair in PAIRS] == [3.36, 1.4, 1.0], "below 1 it lasts"


def test_a_target_that_cannot_burn_so_fast_is_told_where_nearly_all_fails() -> None:
    assert PAIRS[0].rate(_objective(0.9)) == pytest.approx(8.0)
    assert firing(_objective(0.9), RULES, _course(lambda _: 0.9)) is not None


@pytest.mark.parametrize(
    ("total", "days", "enough"), [(1, 1, False), (999, 30, True), (990, 30, False), (1000, 1, True), (10**6, 0.9, False)]
)
def test_a_budget_is_free_by_a_day_and_as_many_requests_as_allow_a_bad_one(total: int, days: float, *, enough: bool) -> None:
    assert is_enough(_objective(), Count(total, total), days) is enough
    assert state_of(1.0, enough=enough) is (BudgetState.FREE if enough else None)
    assert state_of(0.1, enough=enough) is BudgetState.FROZEN, "what is spent is spent"


@given(total=st.integers(1, 10**9), bad=st.integers(0, 10**9), target=TARGETS)
def test_a_rate_of_one_spends_exactly_the_budget(total: int, bad: int, target: float) -> None:
    count = Count(float(total - min(bad, total)), float(total))
    rate, left = burn_rate(count, target), budget_left(_objective(target), count, 30.0)
    assert rate is not None
    assert left is not None
    assert left == pytest.approx(1.0 - rate)
    assert left == pytest.approx(1.0 - count.bad / (total * (1.0 - target)))


@given(st.floats(0.0, 200.0), st.floats(0.01, 30.0), TARGETS)
def test_more_bad_ones_never_leave_more(more: float, covered: float, target: float) -> None:
    objective, total = _objective(target), 1000.0
    less_bad, more_bad = Count(total - 10.0, total), Count(total - 10.0 - more, total)
    before, after = budget_left(objective, less_bad, covered), budget_left(objective, more_bad, covered)
    assert before is not None
    assert after is not None
    assert after <= before <= 1.0


@given(st.floats(-5.0, 1.0), st.floats(-5.0, 1.0))
def test_states_go_with_what_is_left(one: float, other: float) -> None:
    order = list(BudgetState)
    low, high = sorted((one, other))
    states = state_of(low), state_of(high)
    assert states[0] is not None
    assert states[1] is not None
    assert order.index(states[0]) >= order.index(states[1])
    assert worst(states) is states[0]


@pytest.mark.parametrize(
    ("left", "state"),
    [(1.0, "free"), (0.501, "free"), (0.5, "canary"), (0.25, "canary"), (0.249, "frozen"), (0.0, "exhausted"), (-3.0, "exhausted")],
)
def test_the_bounds_of_the_states(left: float, state: str) -> None:
    assert state_of(left) is BudgetState(state)


def test_nothing_counted_is_unknown_and_never_full() -> None:
    nothing = Count(0.0, 0.0)
    assert burn_rate(nothing, 0.99) is None
    assert budget_left(_objective(), nothing, 30.0) is None
    assert state_of(None) is None
    assert worst([None, None]) is None
    assert worst([None, BudgetState.FREE, BudgetState.FROZEN]) is BudgetState.FROZEN
    assert firing(_objective(), RULES, lambda _: nothing) is None
    assert exhausted_in_days(_objective(), None, 3.0) is None


def test_part_of_the_days_covered_is_part_of_the_budget_spent() -> None:
    half_bad = Count(500.0, 1000.0)
    assert budget_left(_objective(0.99), half_bad, 0.3) == pytest.approx(1.0 - 50.0 * 0.01)


def test_a_short_burst_that_is_over_fires_nothing() -> None:
    """The long window still burns; the short one says that it does not go on."""
    over = _course(lambda ago: 0.2 if 600 <= ago < 1200 else 0.0)
    assert burn_rate(over(3600.0), 0.999) == pytest.approx(33.3, rel=0.01)
    assert firing(_objective(), RULES, over) is None


def test_a_spike_of_a_minute_fires_nothing() -> None:
    assert firing(_objective(), RULES, _course(lambda ago: 0.5 if ago < 60 else 0.0)) is None


def test_silence_ends_no_alert_that_fired_and_raises_none() -> None:
    """Nobody gets through any more: that is no recovery."""

    def counted(seconds: float) -> Count:
        return Count(0.0, 0.0) if seconds <= 1800.0 else Count(5000.0, 10000.0)

    only_fast = BurnRules(pairs=PAIRS[:1])
    assert firing(_objective(), only_fast, counted) is None
    assert firing(_objective(), only_fast, counted, fired=True) is not None
    assert firing(_objective(), only_fast, lambda _: Count(0.0, 0.0), fired=True) is None


def test_an_outage_fires_fast_and_a_slow_leak_slowly() -> None:
    outage = firing(_objective(), RULES, _course(lambda ago: 1.0 if ago < 300 else 0.0))
    assert outage is not None
    assert (outage.pair.long_hours, outage.severity, outage.escalated) == (1.0, Severity.SEV_2, False)
    leak = firing(_objective(), RULES, _course(lambda _: 0.0035))
    assert leak is not None
    assert (leak.pair.long_hours, leak.severity, leak.escalated) == (24.0, Severity.SEV_3, True)


def test_half_the_budget_in_an_hour_is_one_severity_worse() -> None:
    found = firing(_objective(), RULES, _course(lambda ago: 0.4 if ago < 3600 else 0.0))
    assert found is not None
    assert (found.escalated, found.severity) == (True, Severity.SEV_1)


def test_three_requests_are_no_incident() -> None:
    assert firing(_objective(), RULES, lambda _: Count(0.0, 3.0)) is None
    assert firing(_objective(), RULES, lambda _: Count(96.0, 100.0)) is None
    assert firing(_objective(), RULES, lambda _: Count(95.0, 100.0)) is not None


@given(st.floats(0.0, 1.0), TARGETS)
def test_steady_burning_fires_exactly_from_the_lowest_rate_on(share: float, target: float) -> None:
    objective = _objective(target)
    found = firing(objective, RULES, lambda seconds: Count((1 - share) * seconds * 100, seconds * 100))
    lowest = min(pair.rate(objective) for pair in PAIRS)
    rate = share / (1.0 - target)
    if not math.isclose(rate, lowest, rel_tol=1e-6) and share * 3600 * 24 * 100 > 10:
        assert (found is not None) is (rate > lowest)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), TARGETS)
def test_worse_is_never_told_as_less(one: float, other: float, target: float) -> None:
    objective = _objective(target)
    found = [
        firing(objective, RULES, lambda seconds, share=share: Count((1 - share) * seconds * 100, seconds * 100))  # type: ignore[misc]
        for share in sorted((one, other))
    ]
    levels = [5 if each is None else each.severity.level for each in found]
    assert levels[1] <= levels[0]


def test_every_window_is_shown_shortest_first() -> None:
    shown = burns(_objective(), RULES, _course(lambda _: 0.001))
    assert [one.window_seconds for one in shown] == [300.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0]
    assert all(one.rate == pytest.approx(1.0) for one in shown)


def test_how_long_it_lasts_at_this_rate() -> None:
    assert exhausted_in_days(_objective(), 0.5, 6.0) == pytest.approx(2.5)
    assert exhausted_in_days(_objective(), 0.5, 0.0) is None
