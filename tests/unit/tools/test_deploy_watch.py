"""The comparison after a change, on made-up steps: what is told, what is held against it, and what is left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import Window
from middlewatch.tools.deploy_watch import HELD_STEPS, Judgement, in_words, judge, quantile
from middlewatch.tools.watched_steps import STEP_SECONDS, Measure, Steps

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
USUAL_BUCKET, SLOW_BUCKET = 100, 130
"""About 6 ms, and 13 times as much."""


def steps(size: int, *, start: datetime = NOON, seed: int = 0, a_step: float = 20.0) -> Steps:
    """A healthy service: requests come at random, one in a thousand fails, most take six milliseconds."""
    draw = np.random.default_rng(seed)
    requests = draw.poisson(a_step, size).astype(float)
    durations = np.zeros((size, 200))
    for step, number in enumerate(requests.astype(int)):
        np.add.at(durations[step], USUAL_BUCKET + draw.integers(-4, 5, number), 1)
    errors = draw.binomial(requests.astype(int), 0.001).astype(float)
    cpu = draw.normal(0.2, 0.02, size)
    return Steps(start, requests, errors, durations, np.zeros(size), np.ones(size), {Measure.CPU: cpu})


def failing(whole: Steps) -> Steps:
    return replace(whole, errors=np.floor(whole.requests * 0.2))


def slow(whole: Steps) -> Steps:
    durations = np.zeros_like(whole.durations)
    durations[:, SLOW_BUCKET] = whole.requests
    return replace(whole, durations=durations)


def partly_slow(whole: Steps) -> Steps:
    durations = whole.durations * 0.85
    durations[:, SLOW_BUCKET] = whole.requests * 0.15
    return replace(whole, durations=durations)


def silent(whole: Steps) -> Steps:
    zero = np.zeros(whole.size)
    return replace(whole, requests=zero, errors=zero, durations=whole.durations * 0, alive=zero, gauges={})


def after(size: int = 30, seed: int = 1, a_step: float = 20.0) -> Steps:
    return steps(size, start=NOON + timedelta(hours=1), seed=seed, a_step=a_step)


BEFORE = steps(360)


@pytest.mark.parametrize(
    ("change", "measure"),
    [(failing, Measure.ERRORS), (slow, Measure.MEDIAN), (partly_slow, Measure.SLOW), (silent, Measure.SILENCE)],
)
def test_what_got_worse_is_told_after_a_minute(change: Callable[[Steps], Steps], measure: Measure) -> None:
    found = judge(BEFORE, change(after()))
    assert measure in {each.measure for each in found.worse}
    assert found.first is not None
    assert found.first.window == Window(start=NOON + timedelta(hours=1), end=NOON + timedelta(hours=1, seconds=60))
    assert in_words(found.worse[0])


@given(seed=st.integers(2, 10_000))
def test_a_healthy_service_is_left_alone(seed: int) -> None:
    assert judge(BEFORE, after(60, seed)).first is None


def test_a_service_that_is_not_asked_any_more_is_not_silent_while_it_lives() -> None:
    gone = silent(after())
    assert judge(BEFORE, replace(gone, alive=np.ones(gone.size))).first is None


def test_a_restart_is_over_within_a_minute() -> None:
    whole = after()
    errors = np.where(np.arange(whole.size) < HELD_STEPS // 2, whole.requests, 0.0)
    assert judge(BEFORE, replace(whole, errors=errors)).first is None


def test_what_was_so_before_is_not_of_the_change() -> None:
    bad = np.arange(BEFORE.size) >= BEFORE.size - 2 * HELD_STEPS
    begun = replace(BEFORE, errors=np.where(bad, np.floor(BEFORE.requests * 0.2), BEFORE.errors))
    found = judge(begun, failing(after()))
    assert found.first is None
    assert found.note == "what is worse was so before it"


def test_an_earlier_incident_is_no_part_of_what_is_usual() -> None:
    bad = (np.arange(BEFORE.size) >= 100) & (np.arange(BEFORE.size) < 150)
    past = replace(BEFORE, errors=np.where(bad, np.floor(BEFORE.requests * 0.5), BEFORE.errors))
    incident = Window(start=BEFORE.time(100), end=BEFORE.time(150))
    assert judge(past, failing(after())).first is None
    assert judge(past, failing(after()), [incident]).first is not None


def test_more_work_than_ever_explains_time_and_no_failures() -> None:
    busy = slow(after(a_step=40.0))
    found = judge(BEFORE, busy)
    assert found.first is None
    assert "more to do" in found.note
    assert judge(BEFORE, failing(busy)).first is not None


@pytest.mark.parametrize("measure", [Measure.CPU, Measure.LOG_ERRORS])
def test_processors_and_log_lines_are_told_beside_others_alone(measure: Measure) -> None:
    whole = after()
    busy = {Measure.CPU: whole.gauges[Measure.CPU] * 10}
    worse = replace(whole, gauges=busy) if measure is Measure.CPU else replace(whole, log_errors=np.full(whole.size, 20.0))
    assert judge(BEFORE, worse).first is None
    assert measure in {each.measure for each in judge(BEFORE, failing(worse)).worse}


def test_memory_that_doubles_is_told() -> None:
    before = replace(BEFORE, gauges={Measure.MEMORY: np.full(BEFORE.size, 1e8)})
    whole = after()
    found = judge(before, replace(whole, gauges={Measure.MEMORY: np.full(whole.size, 2.5e8)}))
    assert [each.measure for each in found.worse] == [Measure.MEMORY]


def test_samples_once_a_minute_have_to_show_it_twice() -> None:
    def once_a_minute(whole: Steps) -> Steps:
        kept = np.arange(whole.size) % HELD_STEPS == HELD_STEPS - 1
        number = np.where(kept, 120.0, 0.0)
        durations = np.zeros_like(whole.durations)
        durations[:, USUAL_BUCKET] = number
        return replace(whole, requests=number, errors=np.zeros(whole.size), durations=durations)

    bad = once_a_minute(after())
    assert judge(once_a_minute(BEFORE), bad).first is None
    first = judge(once_a_minute(BEFORE), replace(bad, errors=bad.requests * 0.3)).first
    assert first is not None
    assert (first.window.end - bad.start).total_seconds() >= 2 * HELD_STEPS * STEP_SECONDS - STEP_SECONDS


def test_it_is_well_again_for_as_many_minutes_as_show_nothing() -> None:
    whole = after(40)
    errors = np.where(np.arange(whole.size) < 20, np.floor(whole.requests * 0.3), 0.0)
    found = judge(BEFORE, replace(whole, errors=errors))
    assert found.first is not None
    assert found.worse == ()
    assert found.well_for > HELD_STEPS


def test_too_little_is_said_to_be_too_little() -> None:
    assert judge(steps(10), after()) == Judgement(note="there are less than 4 minutes before it to compare with")
    assert judge(BEFORE, after(3)).note == "less than a minute of telemetry came since"
    assert "no requests" in judge(replace(silent(BEFORE), log_errors=np.zeros(360)), silent(after())).note


def test_a_quantile_lies_in_its_bucket() -> None:
    counts = np.zeros(200)
    counts[80] = 10  # 2 ** 10 microseconds
    assert quantile(counts, 0.5) == pytest.approx(1.0, rel=0.1)
    assert np.isnan(quantile(np.zeros(5), 0.5))
