"""Invariants: baselines follow a change of unit or level exactly, gaps never count, and neither does one wild sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.tools.baseline import Floats, burst, burst_steps, robust_baseline, tail_rank

NUMBERS = st.integers(-1000, 1000).map(float)
ROWS = st.lists(NUMBERS, min_size=2, max_size=40).map(lambda row: np.array([row]))


@given(ROWS, st.sampled_from([0.001, 0.5, 60.0, 1024.0]), NUMBERS)
def test_a_change_of_unit_or_level_changes_the_baseline_alike(row: Floats, unit: float, level: float) -> None:
    plain, changed = robust_baseline(row), robust_baseline(row * unit + level)
    assert changed.centre == pytest.approx(plain.centre * unit + level, abs=1e-6)
    assert changed.scale == pytest.approx(plain.scale * unit, abs=1e-6)


@given(ROWS, st.integers(0, 20))
def test_steps_without_a_sample_do_not_count(row: Floats, gaps: int) -> None:
    plain, gappy = robust_baseline(row), robust_baseline(np.insert(row, [0] * gaps, np.nan, axis=1))
    assert gappy.centre == pytest.approx(plain.centre)
    assert gappy.scale == pytest.approx(plain.scale)
    assert gappy.count.tolist() == plain.count.tolist()


def test_no_samples_at_all_are_a_count_of_zero_and_no_warning() -> None:
    for empty in (np.full((2, 5), np.nan), np.empty((2, 0))):
        assert robust_baseline(empty).count.tolist() == [0, 0]


def test_one_wild_sample_hardly_moves_a_baseline_but_a_habit_of_spikes_widens_it() -> None:
    calm = np.tile([1.0, 2.0, 3.0], 20)[None, :]
    wild = calm.copy()
    wild[0, 7] = 30.0
    assert robust_baseline(wild).scale[0] < 2 * robust_baseline(calm).scale[0]
    flat = np.ones((1, 60))
    flat[0, ::20] = 31.0
    assert robust_baseline(flat).scale[0] > 1.0  # no MAD, no decile range


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=30))
def test_a_burst_lies_between_nothing_and_the_highest(window: list[float]) -> None:
    assert 0.0 <= float(burst(np.array(window))) <= max(0.0, *window) + 1e-9


def test_a_burst_is_a_third_of_the_window_in_a_row_and_one_wild_sample_is_none() -> None:
    lasting, scattered, wild = np.zeros((3, 9))
    lasting[4:7] = 9.0
    scattered[::4] = 9.0
    wild[4] = 999.0
    assert burst(np.array([lasting, scattered, wild])) == pytest.approx([9.0, 10.0 ** (1 / 3) - 1, 9.0])
    assert burst_steps(lasting).tolist() == [4, 5, 6]


def test_a_burst_passes_over_steps_without_a_sample() -> None:
    gappy = np.array([np.nan, 0.0, np.nan, 8.0, np.nan, 8.0, 0.0])
    assert float(burst(gappy)) == pytest.approx(8.0)
    assert burst_steps(gappy).tolist() == [3, 5]


def test_of_a_window_of_one_or_two_samples_the_highest_counts() -> None:
    assert burst(np.array([[90.0, np.nan], [3.0, 90.0], [np.nan, np.nan]])) == pytest.approx([90.0, 90.0, 0.0])
    assert burst_steps(np.array([3.0, 90.0])).tolist() == [1]
    assert burst_steps(np.full(2, np.nan)).size == burst_steps(np.zeros(0)).size == 0
    assert burst(np.zeros((3, 0))).tolist() == [0.0, 0.0, 0.0]


@given(st.lists(st.floats(-50, 50), min_size=6, max_size=40), st.integers(1, 6))
def test_of_more_samples_than_a_window_has_the_highest_window_counts(longer: list[float], window: int) -> None:
    windows = np.lib.stride_tricks.sliding_window_view(np.array(longer), window)
    assert float(burst(np.array(longer), window)) == pytest.approx(float(burst(windows).max()))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_ranks_are_never_zero_and_only_the_order_counts(values: list[float]) -> None:
    pool = np.array(values)
    ranks = tail_rank(pool, pool)
    assert ranks.min() >= 1 / len(values)
    assert ranks[int(pool.argmin())] == 1.0
    assert tail_rank(pool * 8, pool * 8).tolist() == ranks.tolist()
