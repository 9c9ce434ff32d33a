"""Invariants: every item lands in its own bucket or nowhere, nothing of a known incident counts, and no question looks ahead."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import Brief, Window
from middlewatch.records.errors import BoundExceeded
from middlewatch.tools.timeline import (
    BUCKETS_PER_MINUTE,
    HEALTHY_SECONDS,
    STEP_SECONDS,
    Timeline,
    active_minutes,
    busiest,
    encoded,
    healthy_until,
    heaviest,
    with_history,
)
from tests.unit.tools.synthetic_telemetry import DETECTED, END, TIME, brief


def rows(*lists: list[tuple[datetime, float]]) -> pa.Table:
    return pa.table(
        {
            "times": pa.array([[time for time, _ in row] for row in lists], pa.list_(TIME)),
            "count": pa.array([[value for _, value in row] for row in lists], pa.list_(pa.float64())),
        }
    )


@given(st.lists(st.integers(-30_000, 30_000), max_size=30))
def test_what_is_inside_is_counted_once_and_what_is_outside_never(seconds: list[int]) -> None:
    timeline = Timeline.of(brief())
    moments = [DETECTED + timedelta(seconds=s) for s in seconds]
    spread = timeline.spread(rows([(moment, 1.0) for moment in moments]), "count")
    assert spread.sum() == sum(timeline.window.contains(m) or END <= m < timeline.moment(timeline.size) for m in moments)
    apart = timeline.spread(rows(*([(m, 1.0)] for m in moments if timeline.window.contains(m))), "count")
    for moment, row in zip((m for m in moments if timeline.window.contains(m)), apart, strict=True):
        bucket = int(np.flatnonzero(row)[0])
        assert timeline.moment(bucket) <= moment < timeline.moment(bucket + 1)


def test_rows_of_one_group_are_added_up_and_gaps_are_left_out() -> None:
    timeline = Timeline.of(brief())
    table = rows([(DETECTED, 1.0), (DETECTED, float("nan"))], [], [(DETECTED, 2.0)])
    assert timeline.spread(table, "count", np.array([1, 0, 1])).sum(axis=1).tolist() == [0.0, 3.0]
    assert timeline.spread(rows(), "count").shape == (0, timeline.size)


def test_known_incidents_are_hidden_and_onsets_come_after_them() -> None:
    known = Window(start=DETECTED - timedelta(minutes=9), end=DETECTED - timedelta(minutes=2))
    timeline = Timeline.of(brief(earlier=[known]))
    spread = timeline.spread(rows([(known.start, 1.0), (known.end - timedelta(seconds=1), 1.0), (known.end, 1.0)]), "count")
    assert spread.sum() == 1.0
    assert timeline.moment(min(timeline.question.onsets)) >= known.end


def test_an_incident_that_is_not_over_hides_nothing() -> None:
    still_on = Window(start=DETECTED - timedelta(minutes=9), end=DETECTED + timedelta(seconds=1))
    assert not Timeline.of(brief(earlier=[still_on])).hidden.any()


def test_a_history_of_nothing_but_known_incidents_is_used_all_the_same() -> None:
    known = Window(start=DETECTED - timedelta(hours=9), end=DETECTED - timedelta(minutes=4))
    timeline = Timeline.of(brief(earlier=[known]))
    volume = np.where(timeline.hidden, 0.0, 1.0)
    volume[: max(timeline.question.onsets)] = 0.0
    assert timeline.hidden.any()
    assert not timeline.unveiled(volume).hidden.any()
    assert timeline.unveiled(np.where(timeline.hidden, 0.0, 1.0)) is timeline


@pytest.mark.parametrize("lead_seconds", [30.0, 240.0, 900.0])
def test_onsets_lie_between_the_lead_and_a_minute_before_the_detection(lead_seconds: float) -> None:
    timeline = Timeline.of(brief(lead_seconds=lead_seconds))
    moments = [timeline.moment(onset) for onset in timeline.question.onsets]
    assert moments == sorted(set(moments))
    assert DETECTED - timedelta(seconds=lead_seconds + STEP_SECONDS) < moments[0]
    assert moments[-1] <= DETECTED - timedelta(seconds=60 if lead_seconds > 60 else 0)


def test_without_any_baseline_there_is_still_a_question() -> None:
    asked = brief()
    start = asked.incident.start
    short = Brief(**{**asked.model_dump(), "baseline": Window(start=start - timedelta(seconds=1), end=start)})
    timeline = Timeline.of(short)
    assert all(0 < onset < timeline.size for onset in timeline.question.onsets)


@given(st.integers(0, 2**32 - 1))
def test_earlier_questions_have_the_shape_of_the_present_one_and_end_before_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    known = Window(start=DETECTED - timedelta(minutes=95), end=DETECTED - timedelta(minutes=80))
    timeline = Timeline.of(brief(earlier=[known]))
    volume = (rng.poisson(5.0, timeline.size) * (rng.random(timeline.size) < 0.8)).astype(np.float64)
    asked = timeline.question
    questions = timeline.earlier_questions(volume)
    assert 0 < len(questions) <= 30
    for question in questions:
        assert question.end <= min(asked.onsets)
        assert {question.end - onset for onset in question.onsets} <= {asked.end - onset for onset in asked.onsets}
        assert min(question.onsets) > 0
        assert not timeline.hidden[question.end - BUCKETS_PER_MINUTE : question.end].any()


def test_nearly_silent_minutes_are_no_earlier_questions() -> None:
    timeline = Timeline.of(brief())
    volume = np.full(timeline.size, 10.0)
    volume[80:160] = 1.0
    ends = {question.end for question in timeline.earlier_questions(volume)}
    assert ends
    assert not any(80 < end <= 160 for end in ends)
    assert timeline.earlier_questions(np.zeros(timeline.size)) == ()


def test_less_history_is_read_where_more_hits_a_bound() -> None:
    asked: list[float] = []

    def read(timeline: Timeline) -> str:
        asked.append(timeline.window.seconds)
        if timeline.window.seconds > 3 * 3600:
            raise BoundExceeded("too much memory")
        return "rows"

    answer, timeline, notes = with_history(brief(hours=24), read)
    assert answer == "rows"
    assert timeline.window.seconds == asked[-1] < asked[0]
    assert "too much memory" in notes[0]
    assert with_history(brief(), lambda _: "rows")[2] == ()


def test_where_even_little_history_is_too_much_the_bound_is_reported() -> None:
    def read(_: Timeline) -> str:
        raise BoundExceeded("too much memory")

    with pytest.raises(BoundExceeded, match="too much memory"):
        with_history(brief(hours=24), read)


def test_minutes_count_where_anything_was_seen() -> None:
    assert active_minutes(np.array([0.0, 1, 0, 0, 0, 0, 0, 0, 2, 0])) == 1.5
    assert active_minutes(np.zeros(0)) == 0.0


def test_the_busiest_rows_are_kept_in_their_order() -> None:
    table = rows([(DETECTED, 1.0)], [(DETECTED, 3.0)], [], [(DETECTED, 2.0), (DETECTED, 2.0)])
    assert busiest(table, "count", 2).column("count").to_pylist() == [[3.0], [2.0, 2.0]]
    assert busiest(table, "count", 4) is table


def test_rows_count_by_their_share_of_what_was_before_or_after() -> None:
    before, after = np.array([90.0, 10.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, 0.0])
    assert heaviest(before, after, 2).tolist() == [0, 2]
    assert heaviest(before, after, 9).tolist() == [0, 1, 2, 3]


def test_texts_and_the_index_of_each() -> None:
    texts, index = encoded(pa.array(["b", "a", "b"]))
    assert [texts[i] for i in index] == ["b", "a", "b"]
    assert sorted(texts) == ["a", "b"]


def test_what_began_shortly_before_is_compared_with_at_least_half_of_what_was_seen_until_the_detection() -> None:
    timeline = Timeline.of(brief(lead_seconds=240.0))
    seen = np.array([timeline.moment(i) >= DETECTED - timedelta(seconds=75) for i in range(timeline.size)], dtype=np.float64)
    onsets = [timeline.moment(onset) for onset in timeline.begun(seen, DETECTED).question.onsets]
    assert DETECTED - timedelta(seconds=60) < min(onsets) <= max(onsets) <= DETECTED
    long = timeline.begun(np.ones(timeline.size), DETECTED)
    assert long.question == timeline.question
    assert timeline.begun(np.zeros(timeline.size), DETECTED) is timeline


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_a_minute_or_half_of_the_time_is_taken_for_healthy(since: int, later: int) -> None:
    began = DETECTED - timedelta(seconds=since + later)
    until = healthy_until(began, DETECTED - timedelta(seconds=later)) - began
    assert until == timedelta(seconds=min(HEALTHY_SECONDS, since / 2))
