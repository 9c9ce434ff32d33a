"""Invariants: an effect never comes long before its cause, and the longer after it, the less it is this cause's."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import Onset, Window
from middlewatch.tools.change_timing import LATE_SECONDS, MOST_DENSE, OnsetBelief
from tests.unit.tools.synthetic_changes import began
from tests.unit.tools.synthetic_telemetry import DETECTED, brief

WITHIN = Window(start=brief().incident.start, end=DETECTED)
MINUTES = st.floats(-30, 5)
ONSETS = st.builds(
    lambda start, length, share: Onset(at=start + share * length, earliest=start, latest=start + length),
    st.floats(-20, 2).map(lambda minutes: DETECTED + timedelta(minutes=minutes)),
    st.floats(0, 600).map(lambda seconds: timedelta(seconds=seconds)),
    st.floats(0, 1),
)
FACTS = st.lists(st.tuples(st.floats(0, 9), ONSETS), max_size=4)


@given(FACTS, MINUTES, st.floats(0, 20))
def test_the_earlier_of_two_changes_precedes_the_onset_more_surely(
    facts: list[tuple[float, Onset]], minutes: float, earlier: float
) -> None:
    belief = OnsetBelief.of(facts, WITHIN)
    late, early = DETECTED + timedelta(minutes=minutes), DETECTED + timedelta(minutes=minutes - earlier)
    assert 0 <= belief.precedes(late) <= belief.precedes(early) + 1e-9
    assert belief.precedes(early) <= 1 + 1e-9
    assert 0 <= belief.density(late) <= MOST_DENSE * (1 + 1e-9)


@given(FACTS)
def test_the_onset_lies_within_what_was_asked_for(facts: list[tuple[float, Onset]]) -> None:
    belief = OnsetBelief.of(facts, WITHIN)
    assert WITHIN.start <= belief.middle <= WITHIN.end
    assert belief.weights.sum() == pytest.approx(1)
    assert belief.precedes(WITHIN.start) == pytest.approx(1)
    assert belief.density(WITHIN.end + timedelta(seconds=LATE_SECONDS)) == 0


@given(FACTS, st.floats(0, 1800), st.floats(1, 600))
def test_before_all_possible_onsets_the_later_change_explains_more(
    facts: list[tuple[float, Onset]], seconds: float, more: float
) -> None:
    belief = OnsetBelief.of(facts, WITHIN)
    near = WITHIN.start - timedelta(seconds=seconds)
    assert belief.density(near - timedelta(seconds=more)) < belief.density(near)


def test_a_change_after_a_clear_onset_cannot_be_its_cause_but_for_a_late_record() -> None:
    belief = OnsetBelief.of([(5.0, began(-2))], WITHIN)
    assert belief.precedes(began(-2).at + timedelta(seconds=LATE_SECONDS - 10)) > 0.5
    assert belief.precedes(began(-2).latest + timedelta(seconds=LATE_SECONDS)) == 0
    assert belief.precedes(began(-2).earliest - timedelta(seconds=1)) == pytest.approx(1)


def test_facts_that_disagree_keep_their_shares() -> None:
    belief = OnsetBelief.of([(3.0, began(-3)), (1.0, began(-1))], WITHIN)
    assert belief.precedes(DETECTED - timedelta(minutes=1.5)) == pytest.approx(0.25)
    assert belief.middle < DETECTED - timedelta(minutes=2)


def test_what_began_outside_the_incident_is_another_story() -> None:
    alone = OnsetBelief.of([(1.0, began(-1))], WITHIN)
    assert OnsetBelief.of([(9.0, began(-12)), (1.0, began(-1)), (9.0, began(3))], WITHIN).middle == alone.middle
    anywhere = OnsetBelief.of([(9.0, began(-12))], WITHIN)
    assert alone.shown
    assert not anywhere.shown
    assert anywhere.middle == pytest.approx(WITHIN.start + timedelta(seconds=WITHIN.seconds / 2), abs=timedelta(seconds=10))


def test_the_likeliest_moment_pulls_the_belief_towards_it() -> None:
    early, late = (
        OnsetBelief.of([(1.0, Onset(at=at, earliest=WITHIN.start, latest=WITHIN.end))], WITHIN) for at in (WITHIN.start, WITHIN.end)
    )
    assert early.middle < WITHIN.start + timedelta(seconds=WITHIN.seconds / 3)
    assert late.middle > WITHIN.start + timedelta(seconds=WITHIN.seconds * 2 / 3)


def around(seconds: float, reach: float) -> Onset:
    """Likeliest in the middle of an interval, so many seconds after the detection."""
    middle, half = DETECTED + timedelta(seconds=seconds), timedelta(seconds=reach)
    return Onset(at=middle, earliest=middle - half, latest=middle + half)


def test_what_is_known_to_the_second_sharpens_what_agrees_with_it() -> None:
    coarse, fine = (10.0, around(-120, 20)), (2.0, around(-115, 3))
    change = DETECTED - timedelta(seconds=117)
    alone, sharpened = (OnsetBelief.of(facts, WITHIN).density(change) for facts in ([coarse], [coarse, fine]))
    assert sharpened > 1.4 * alone


@given(st.floats(0.01, 1.0))
def test_a_narrow_fact_takes_over_no_more_than_it_is_sure(strength: float) -> None:
    """Of the coarse one it lies within, and of none that it does not."""
    coarse, narrow = (10.0, around(-160, 100)), (strength, around(-65, 1))
    after = DETECTED - timedelta(seconds=67 - LATE_SECONDS)
    taken = -math.expm1(-strength)
    before, sharpened = (OnsetBelief.of(facts, WITHIN).precedes(after) for facts in ([coarse], [coarse, narrow]))
    expected = (10.0 * (taken + (1 - taken) * before) + strength) / (10.0 + strength)
    assert sharpened == pytest.approx(expected, abs=0.05)
    elsewhere = (strength, around(-30, 1))
    assert OnsetBelief.of([coarse, elsewhere], WITHIN).precedes(after) == pytest.approx(
        (10 * before + strength) / (10 + strength), abs=0.05
    )


def test_an_interval_that_the_window_cuts_to_a_sliver_is_no_finer_for_it() -> None:
    cut = Onset(at=WITHIN.start, earliest=WITHIN.start - timedelta(seconds=100), latest=WITHIN.start + timedelta(seconds=0.1))
    alone = OnsetBelief.of([(10.0, around(-120, 20))], WITHIN)
    assert OnsetBelief.of([(10.0, around(-120, 20)), (1.0, cut)], WITHIN).middle == pytest.approx(
        alone.middle, abs=timedelta(seconds=3)
    )
