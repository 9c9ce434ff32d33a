"""A change of level is found where it is, and the interval around it holds the truth about as often as it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.tools.onset import find_split

START = datetime(2026, 11, 1, 2, 0, tzinfo=UTC)


@given(
    before=st.integers(3, 60),
    after=st.integers(3, 60),
    height=st.floats(5.0, 50.0),
    down=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_onset_of_a_step_is_found_exactly(before: int, after: int, height: float, down: bool, seed: int) -> None:  # noqa: FBT001  hypothesis passes it
    level = np.repeat([0.0, -height if down else height], [before, after])
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, before + after)
    split = find_split(level + noise)
    assert split is not None
    assert split.step == before
    assert split.before < before <= split.last


def test_an_onset_is_found_behind_gaps_and_not_at_a_single_spike() -> None:
    split = find_split(np.array([0, np.nan, 0, 0, np.nan, 9, 9, 9.0]))
    assert split is not None
    assert (split.before, split.step) == (3, 5)
    spike = find_split(np.array([0, 0, 0, 0, 100.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 6, 6, 6, 6, 6, 6, 6]))
    assert spike is not None
    assert spike.step == 16


@pytest.mark.parametrize("values", [[], [1.0], [np.nan, np.nan], [2.0, 2.0, 2.0]])
def test_where_nothing_changes_there_is_no_onset(values: list[float]) -> None:
    assert find_split(np.array(values)) is None


def test_the_interval_holds_the_truth_and_widens_where_the_change_is_small() -> None:
    draw = np.random.default_rng(7)
    widths = {}
    for height in (1.5, 3.0):
        held, width = 0, 0
        for _ in range(400):
            split = find_split(np.concatenate([draw.normal(0, 1, 40), draw.normal(height, 1, 12)]))
            assert split is not None
            held += split.before < 40 <= split.last
            width += split.last - split.before
        assert held >= 0.93 * 400
        widths[height] = width
    assert widths[1.5] > 1.5 * widths[3.0]


def test_moments_reach_from_the_middle_of_the_last_old_step_to_the_end_of_the_first_new_one() -> None:
    split = find_split(np.array([0.0, 0.1, 0.0, 0.1, 0.0, 7.0, 7.1, 7.0, 7.1]))
    assert split is not None
    onset = split.onset(START, 30.0)
    assert onset.earliest == START + timedelta(seconds=135)
    assert onset.at == START + timedelta(seconds=150)
    assert onset.latest == START + timedelta(seconds=180)
