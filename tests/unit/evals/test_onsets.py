"""Invariant: an onset is right where its interval holds the labelled moment, rounded as labels are."""

from __future__ import annotations

from datetime import timedelta

import pytest

from middlewatch.evals.onsets import Onsets, score_onsets
from middlewatch.records import Onset
from tests.unit.agents.shared_context import NOW, began


def scored(*seconds_after: float) -> Onsets:
    """Onsets so many seconds after the fault, each known to 15 s."""
    found = score_onsets("shop", [(began(minutes_ago=-seconds / 60), NOW) for seconds in seconds_after])
    assert found is not None
    return found


@pytest.mark.parametrize(("late", "inside"), [(0, 1), (15, 1), (16, 1), (17, 0), (-16, 1), (-17, 0)])
def test_the_interval_holds_the_moment_to_a_second(late: float, inside: int) -> None:
    assert scored(late).inside == inside


def test_medians_and_the_worst_are_told() -> None:
    found = scored(0, 10, 45)
    assert (found.answers, found.told, found.inside) == (3, 3, 2)
    assert (found.width, found.away, found.worst) == (30.0, 10.0, 29.0)


def test_answers_without_an_onset_are_counted_and_not_judged() -> None:
    exact = Onset(at=NOW, earliest=NOW - timedelta(seconds=1), latest=NOW)
    found = score_onsets("", [(None, NOW), (exact, NOW)])
    assert found is not None
    assert (found.answers, found.told, found.inside) == (2, 1, 1)
    assert score_onsets("", [(None, NOW)]) is None
