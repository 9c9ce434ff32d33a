"""Faults of the history that nobody reported are found, and what is usual is not taken for one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import Window
from middlewatch.tools.baseline import Floats
from middlewatch.tools.presence import Presence
from middlewatch.tools.timeline import BUCKETS_PER_MINUTE, STEP_SECONDS, Question, Timeline
from middlewatch.tools.unreported import MOST_HIDDEN, PERIODS, left_out, unreported

START = datetime(2026, 3, 4, 10, tzinfo=UTC)
UNITS = 10.0
"""Requests per bucket."""


def timeline_of(minutes: int) -> Timeline:
    """An hour or so of history, and two minutes in question."""
    onset, size = minutes * BUCKETS_PER_MINUTE, (minutes + 2) * BUCKETS_PER_MINUTE
    window = Window(start=START, end=START + timedelta(seconds=size * STEP_SECONDS))
    return Timeline(window, size, np.zeros(size, dtype=bool), Question((onset,), size))


def presence(shares: Floats) -> Presence:
    """From the share of requests per minute and key that have something."""
    per_bucket = np.repeat(shares, BUCKETS_PER_MINUTE, axis=1)
    return Presence.of(np.full(per_bucket.shape, UNITS), UNITS * per_bucket)


def hidden_minutes(shares: Floats, *, in_question: float = 0.1) -> list[int]:
    timeline = timeline_of(shares.shape[1])
    shares = np.concatenate([shares, np.full((shares.shape[0], 2), in_question)], axis=1)
    volume = np.full(timeline.size, UNITS)
    hidden = unreported((presence(shares),), timeline, volume)
    whole = hidden.reshape(-1, BUCKETS_PER_MINUTE)
    assert (whole.all(axis=1) == whole.any(axis=1)).all()
    return np.flatnonzero(whole[:, 0]).tolist()


def steady(minutes: int, keys: int = 3) -> Floats:
    return np.full((keys, minutes), 0.1)


@given(first=st.integers(1, 20), length=st.integers(1, 9), vanishes=st.booleans())
def test_a_fault_that_is_over_is_left_out_and_nothing_else(*, first: int, length: int, vanishes: bool) -> None:
    shares = steady(30)
    shares[2] = 0.9
    shares[2 if vanishes else 0, first : first + length] = 0.05 if vanishes else 0.9

    assert hidden_minutes(shares) == list(range(first, first + length))


def test_nothing_is_left_out_of_a_healthy_history() -> None:
    draws = np.random.default_rng(3).binomial(int(UNITS), 0.1, size=(200, 60)) / UNITS

    assert hidden_minutes(draws) == []


def test_what_changed_for_good_is_usual_from_then_on() -> None:
    shares = steady(30)
    shares[0, 18:] = 0.9

    assert hidden_minutes(shares) == []


def test_what_is_in_question_is_no_fault_of_the_past() -> None:
    assert hidden_minutes(steady(30), in_question=0.9) == []


def test_a_fault_that_hides_behind_a_stronger_one_is_found_too() -> None:
    shares = steady(40)
    shares[0, 5:9] = 1.0
    shares[0, 20:25] = 0.8

    assert hidden_minutes(shares) == [*range(5, 9), *range(20, 25)]


def test_a_fault_at_the_beginning_of_the_history_is_left_out() -> None:
    shares = steady(30)
    shares[0, :4] = 0.9

    assert hidden_minutes(shares) == [0, 1, 2, 3]


def test_what_comes_again_and_again_is_usual() -> None:
    shares = steady(30)
    shares[0, ::2] = 0.9

    assert hidden_minutes(shares) == []


@given(st.lists(st.integers(0, 29), max_size=30, unique=True))
def test_at_most_half_of_the_history_is_left_out(bad: list[int]) -> None:
    shares = np.full((30, 30), 0.1)
    for minute in bad:
        shares[minute, minute] = 1.0  # each bad minute in its own way

    assert len(hidden_minutes(shares)) <= MOST_HIDDEN * 30


def test_a_long_history_is_looked_at_in_periods() -> None:
    shares = steady(6 * PERIODS)
    shares[0, 120:132] = 0.9

    assert hidden_minutes(shares) == list(range(120, 132))


@pytest.mark.parametrize("minutes", [1, 2])
def test_a_history_that_is_too_short_to_compare_is_left_as_it_is(minutes: int) -> None:
    assert hidden_minutes(steady(minutes)) == []


def test_without_any_view_or_history_nothing_is_left_out() -> None:
    timeline = timeline_of(5)

    assert not unreported((), timeline, np.full(timeline.size, UNITS)).any()
    assert not unreported((presence(steady(7)),), timeline, np.zeros(timeline.size)).any()


def test_what_was_left_out_is_told() -> None:
    timeline = timeline_of(30)
    hidden = np.zeros(timeline.size, dtype=bool)
    hidden[2 * BUCKETS_PER_MINUTE : 5 * BUCKETS_PER_MINUTE] = True
    hidden[8 * BUCKETS_PER_MINUTE : 9 * BUCKETS_PER_MINUTE] = True

    (note,) = left_out("logs", hidden, timeline)

    assert note.startswith("logs: 10:02 to 10:05, 10:08 to 10:09 UTC stood out")
    assert left_out("logs", np.zeros(timeline.size, dtype=bool), timeline) == ()
