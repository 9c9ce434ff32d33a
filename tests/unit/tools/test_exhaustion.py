"""What fills steadily is told with an interval; noise, jumps, sawteeth and the daily shape are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.tools.exhaustion import Filling, Floats, filling

HOURS = np.arange(-72, 0) / 12.0
"""Six hours in steps of five minutes."""
SEEDS = range(200)


def _look(shares: Floats, earlier: Floats | None = None) -> Filling | None:
    return filling(HOURS, shares, 6.0, None if earlier is None else (HOURS, earlier))


def _noise(seed: int, spread: float, alike: float = 0.0) -> Floats:
    """Of neighbours that are alike by so much."""
    drawn = np.random.default_rng(seed).normal(0.0, spread, len(HOURS))
    made = np.empty_like(drawn)
    last = 0.0
    for index, one in enumerate(drawn):
        last = alike * last + one
        made[index] = last
    return made


def test_a_line_is_full_when_it_says() -> None:
    found = _look(0.8 + 0.03 * HOURS)
    assert found is not None
    assert found.per_hour == pytest.approx(0.03)
    assert found.hours == pytest.approx((1.0 - found.share) / 0.03)
    assert found.earliest_hours == pytest.approx(found.hours)
    assert found.latest_hours == pytest.approx(found.hours)


@pytest.mark.parametrize(("spread", "alike"), [(0.01, 0.0), (0.03, 0.0), (0.01, 0.6)])
def test_the_interval_holds_the_true_time_mostly(spread: float, alike: float) -> None:
    truth = 0.3 / 0.04
    found = [one for seed in SEEDS if (one := _look(0.7 + 0.04 * HOURS + _noise(seed, spread, alike))) is not None]
    assert len(found) > len(SEEDS) * 0.9
    held = sum(one.earliest_hours <= truth <= one.latest_hours for one in found)
    assert held >= len(found) * 0.85


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.9])
def test_what_does_not_rise_is_hardly_ever_told(alike: float) -> None:
    told = sum(_look(0.6 + _noise(seed, 0.02, alike)) is not None for seed in SEEDS)
    assert told <= len(SEEDS) * 0.05


@given(st.floats(0.01, 0.3), st.integers(5, 66))
def test_a_jump_is_no_trend(height: float, at: int) -> None:
    assert _look(np.where(np.arange(72) < at, 0.5, 0.5 + height)) is None


def test_a_sawtooth_of_collected_garbage_is_no_trend_and_a_rising_one_is() -> None:
    teeth = 0.2 * ((np.arange(72) % 9) / 9.0)
    assert _look(0.5 + teeth) is None
    assert _look(0.5 + teeth + 0.03 * (HOURS + 6.0)) is not None


def test_what_falls_or_is_full_or_is_too_slow_is_not_told() -> None:
    assert _look(0.5 - 0.03 * HOURS) is None
    assert _look(1.02 + 0.03 * HOURS + 0.05) is None
    assert _look(0.5 + 0.002 * HOURS) is None, "less than two of a hundred in six hours"
    assert _look(0.3 + 0.01 * HOURS) is None, "70 hours ahead, of six that were seen"


def test_the_daily_shape_is_not_told_and_what_comes_on_top_of_it_is() -> None:
    day = 0.6 + 0.03 * HOURS
    assert _look(day) is not None
    assert _look(day, earlier=day + 0.01) is None
    assert _look(day, earlier=day - 0.72) is not None, "it rose yesterday too, and never came down"
    assert _look(day, earlier=np.full(72, 0.4)) is not None


def test_few_samples_or_a_part_of_the_time_say_nothing() -> None:
    line = 0.8 + 0.03 * HOURS
    assert filling(HOURS[:15], line[:15], 6.0) is None
    assert filling(HOURS[-30:], line[-30:], 6.0) is None


@given(st.floats(0.02, 0.1), st.floats(0.3, 0.9), st.integers(0, 1000))
def test_the_interval_is_around_the_middle(per_hour: float, share: float, seed: int) -> None:
    found = _look(share + per_hour * HOURS + _noise(seed, 0.005))
    if found is not None:
        assert 0.0 <= found.earliest_hours <= found.hours * (1 + 1e-9)
        assert found.hours <= found.latest_hours * (1 + 1e-9)
