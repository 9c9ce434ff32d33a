"""Invariants: a surprise grows with the score, shrinks with what is usual, and is about the score in units of the usual one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.tools.surprise import surprise

SCORES = st.floats(0, 100)
TOPS = st.lists(st.floats(0, 10), max_size=40)


@given(SCORES, SCORES, TOPS)
def test_a_higher_score_is_a_greater_surprise(a: float, b: float, tops: list[float]) -> None:
    low, high = sorted((a, b))
    assert 0 <= surprise(low, tops, 0.15) <= surprise(high, tops, 0.15)


@given(SCORES, TOPS, st.floats(0.01, 100))
def test_the_unit_of_the_score_does_not_matter(score: float, tops: list[float], unit: float) -> None:
    scaled = surprise(unit * score, [unit * top for top in tops], unit * 0.15)
    assert scaled == pytest.approx(surprise(score, tops, 0.15))


def test_what_is_usual_surprises_by_a_nat_and_restless_systems_surprise_less() -> None:
    assert surprise(0.15, (), 0.15) == pytest.approx(1.0, abs=0.05)
    assert surprise(2.0, [1.0] * 30, 0.15) < 0.3 * surprise(2.0, [0.0] * 30, 0.15)


def test_a_third_of_the_history_may_hold_faults_that_nobody_noticed() -> None:
    assert surprise(2.0, [0.1] * 20 + [50.0] * 9, 0.15) == pytest.approx(surprise(2.0, [0.1] * 20 + [0.1] * 9, 0.15), rel=0.01)


def test_at_quiet_moments_it_is_seldom_large() -> None:
    rng = np.random.default_rng(1)
    found = [surprise(float(rng.exponential(0.4)), rng.exponential(0.4, 30).tolist(), 0.4) for _ in range(2000)]
    assert np.mean(np.array(found) > 5.0) < 0.05
