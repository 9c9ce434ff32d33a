"""Invariant: a symptom is called recovered where what showed the incident is as it usually is, for a minute, and never because
nothing is seen any more.
"""

from __future__ import annotations

import re
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewatch.records import AgentName, AnomalyKind, Window
from middlewatch.tools.recovery import Verdict
from middlewatch.tools.recovery_reading import Course, Phases
from tests.hostile import HOSTILE
from tests.report_parts import fact
from tests.unit.tools.synthetic_recovery import AFTER, BAD, DETECTED, DONE, QUIET, STEP, Spans, brief, course, latency, look, spans
from tests.unit.tools.synthetic_telemetry import END, Series


def test_what_is_as_usual_again_has_recovered() -> None:
    state = look(latency([100.0] * AFTER))
    assert state.verdict is Verdict.RECOVERED
    assert state.sentence.startswith('The "latency" of "shop" is back: ')
    assert re.search(r"[\d.]+ ms over the last 60 s, usually (99|10)[\d.]+ ms, (89|90)\d ms in the incident\.$", state.sentence)
    assert state.recovered_at is not None
    assert DONE <= state.recovered_at < END


@pytest.mark.parametrize("now", [900.0, 500.0, 200.0, 160.0])
def test_what_is_still_bad_or_only_better_has_not(now: float) -> None:
    state = look(latency([now] * AFTER))
    assert state.verdict is Verdict.NOT_YET
    assert "is not back yet" in state.sentence
    assert state.recovered_at is None


def test_what_is_bad_every_now_and_then_has_not() -> None:
    assert look(latency([100.0, 100.0, 100.0, 700.0] * (AFTER // 4))).verdict is Verdict.NOT_YET


def test_what_is_half_as_bad_all_the_time_has_not_though_single_values_are_usual() -> None:
    values = course([500.0] * AFTER)
    values[:QUIET:6] = 700.0
    assert look(Series("shop", "latency", values, "ms", step_seconds=STEP)).verdict is Verdict.NOT_YET


def test_what_is_bad_every_now_and_then_has_not_though_its_mean_is_usual() -> None:
    values = course([80.0, 80.0, 80.0, 290.0] * (AFTER // 4))
    values[: QUIET // 2] += 50.0
    assert look(Series("shop", "latency", values, "ms", step_seconds=STEP)).verdict is Verdict.NOT_YET


def test_what_is_still_nearer_to_the_incident_has_not_though_something_was_as_bad_before() -> None:
    values = course([600.0] * AFTER)
    values[:26] = 650.0
    assert look(Series("shop", "latency", values, "ms", step_seconds=STEP)).verdict is Verdict.NOT_YET


def test_a_value_that_comes_now_and_then_anyway_is_no_hindrance() -> None:
    values = course([100.0] * AFTER, bad=800.0)
    values[[*range(0, QUIET, 12), -2]] = 700.0
    assert look(Series("shop", "latency", values, "ms", step_seconds=STEP)).verdict is Verdict.RECOVERED


def test_a_few_failures_of_what_never_failed_are_no_hindrance() -> None:
    held = latency([0.005] * AFTER, unit="1", usual=0.0, bad=0.3, noise=0.0)
    assert look(held).verdict is Verdict.RECOVERED
    assert look(latency([0.05] * AFTER, unit="1", usual=0.0, bad=0.3, noise=0.0)).verdict is Verdict.NOT_YET


def test_of_a_short_past_nothing_must_be_exceeded() -> None:
    values = course([300.0] * AFTER)[QUIET - 20 :]
    assert look(Series("shop", "latency", values, "ms", step_seconds=STEP)).verdict is Verdict.NOT_YET


def test_a_minute_is_needed() -> None:
    """The course is back for the last four samples, and was bad before."""
    bad = [900.0] * (AFTER - 4)
    assert look(latency([*bad, *[100.0] * 4])).verdict is Verdict.RECOVERED
    assert look(latency([*bad, 900.0, *[100.0] * 3])).verdict is Verdict.NOT_YET
    early = look(latency([100.0] * AFTER), since=END - timedelta(seconds=40))
    assert early.verdict is Verdict.NOT_YET
    assert "30 s is known since the action, and it takes 60 s and 4 samples" in early.sentence


def test_as_long_is_needed_as_the_settings_say() -> None:
    """A look at samples of 5 s, of which 20 s are known since the action."""
    step, usual, bad = 5, 100.0, 900.0
    count = 40 * 60 // step
    values = np.random.default_rng(3).normal(usual, 5.0, count)
    values[-(300 // step) - 4 : -4] += bad - usual
    held = Series("shop", "latency", values, "ms", step_seconds=step)
    since = END - timedelta(seconds=4 * step)
    assert look(held, since=since, least_seconds=20.0).verdict is Verdict.RECOVERED
    waiting = look(held, since=since)
    assert waiting.verdict is Verdict.NOT_YET
    assert "it takes 60 s and 4 samples" in waiting.sentence


def test_what_was_seen_first_shortly_before_the_incident_was_healthy_then() -> None:
    """Telemetry begins two minutes before the detection, in what an older system's incident is looked for."""
    step, before = 5, (END - DETECTED + timedelta(minutes=2)) // timedelta(seconds=5)
    young = np.random.default_rng(4).normal(100.0, 5.0, before)
    young[90 // step : -(300 // step)] += 800.0
    assert look(Series("shop", "latency", young, "ms", step_seconds=step), least_seconds=20.0).verdict is Verdict.RECOVERED


def test_a_trifle_is_no_difference_however_steady_it_was() -> None:
    assert look(latency([103.0] * AFTER, noise=0.01)).verdict is Verdict.RECOVERED
    assert look(latency([160.0] * AFTER, noise=0.01)).verdict is Verdict.NOT_YET
    assert look(latency([1030.0] * AFTER, usual=1000.0, bad=1200.0, noise=0.01)).verdict is Verdict.RECOVERED


def test_gaps_are_no_recovery_and_no_hindrance() -> None:
    gaps = np.array([100.0, np.nan] * (AFTER // 2))
    assert look(latency(gaps)).verdict is Verdict.RECOVERED
    assert look(latency(8 * gaps)).verdict is Verdict.NOT_YET
    assert look(latency(np.where(np.arange(AFTER) < 3, 100.0, np.nan))).verdict is not Verdict.RECOVERED


def test_what_falls_in_an_incident_recovers_when_it_rises() -> None:
    assert look(latency([0.9] * AFTER, unit="1", usual=0.9, bad=0.6, noise=0.005)).verdict is Verdict.RECOVERED
    assert look(latency([0.7] * AFTER, unit="1", usual=0.9, bad=0.6, noise=0.005)).verdict is Verdict.NOT_YET


def test_what_fails_fast_is_not_taken_for_an_incident_of_speed() -> None:
    """Requests that fail take no time, and when they succeed again they take as long as ever."""
    failing = np.concatenate([np.zeros(QUIET), np.full(BAD, 12.0), np.zeros(AFTER)])
    count, _, ms = spans([100.0] * AFTER, failing=failing)
    fast = np.where(failing > 0, 20.0, ms)
    fast[-AFTER:] = 60.0
    assert look(traces=Spans({"shop": (count, failing, fast)}), asked=brief(None)).verdict is Verdict.RECOVERED


@pytest.mark.parametrize(("failed", "expected"), [(0.1, Verdict.CANNOT_TELL), (12.0, Verdict.RECOVERED)])
def test_a_failure_in_a_thousand_shows_no_incident_and_hinders_no_recovery(failed: float, expected: Verdict) -> None:
    failing = np.concatenate([np.zeros(QUIET), np.full(BAD, failed), np.full(AFTER, 0.04)])
    held = Spans({"shop": spans([100.0] * AFTER, failing=failing)})
    held.held["shop"][2][:] = 100.0
    assert look(traces=held, asked=brief(None)).verdict is expected


def test_a_metric_that_goes_quiet_has_not_recovered() -> None:
    other = latency([1.0] * AFTER, metric="heap", usual=1.0, bad=1.0, noise=0.01)
    state = look(latency([np.nan] * AFTER), other)
    assert state.verdict is Verdict.TRAFFIC_GONE
    assert state.sentence.startswith('There is no "latency" of "shop" after ')


@pytest.mark.parametrize("left", [0.0, 4.0])
def test_a_service_that_hardly_anybody_asks_any_more_has_not_recovered(left: float) -> None:
    count = np.concatenate([np.full(QUIET + BAD, 40.0), np.full(AFTER, left)])
    state = look(latency([100.0] * AFTER), traces=Spans({"shop": spans([100.0] * AFTER, count=count)}))
    assert state.verdict is Verdict.TRAFFIC_GONE
    assert "nobody can tell whether it recovered" in state.sentence


def test_less_traffic_is_no_gone_traffic() -> None:
    count = np.concatenate([np.full(QUIET + BAD, 40.0), np.full(AFTER, 20.0)])
    assert look(latency([100.0] * AFTER), traces=Spans({"shop": spans([100.0] * AFTER, count=count)})).verdict is Verdict.RECOVERED


def test_no_telemetry_since_the_action_says_nothing() -> None:
    stale = Spans({"shop": spans([100.0] * AFTER)}, watermark=DONE - timedelta(seconds=30))
    state = look(traces=stale, asked=brief(None))
    assert state.verdict is Verdict.CANNOT_TELL
    assert state.sentence == f"Traces reach {stale.watermark:%H:%M:%S} UTC, which is before the action."
    assert look(latency([100.0] * AFTER), since=END).sentence == "Nothing later than the action can be read."
    assert look().sentence == "There are no metrics; there are no traces."


@pytest.mark.parametrize("noise", [0.0, 0.5, 5.0, 50.0])
def test_what_did_not_show_the_incident_does_not_show_its_end(noise: float) -> None:
    assert look(latency([100.0] * AFTER, bad=100.0, noise=noise)).verdict is Verdict.CANNOT_TELL


def test_an_alert_without_a_symptom_says_nothing() -> None:
    assert look(latency([100.0] * AFTER), asked=brief(None, service=None)).verdict is Verdict.CANNOT_TELL


def test_a_past_that_is_too_short_says_nothing() -> None:
    short = Series("shop", "latency", course([100.0] * AFTER)[QUIET - 14 :], "ms", step_seconds=STEP)
    assert look(short).verdict is Verdict.CANNOT_TELL


def test_an_earlier_incident_is_no_quiet_time() -> None:
    """As bad as it is still now: without being left out, it would make that usual."""
    values = course([900.0] * AFTER)
    values[100:160] = 950.0
    start = END - timedelta(seconds=STEP * (QUIET + BAD + AFTER))
    known = Window(start=start + timedelta(seconds=STEP * 100), end=start + timedelta(seconds=STEP * 160))
    held = Series("shop", "latency", values, "ms", step_seconds=STEP)
    assert look(held, asked=brief(earlier=[known])).verdict is Verdict.NOT_YET
    assert look(held).verdict is not Verdict.NOT_YET


def test_the_minute_after_an_earlier_incident_is_no_quiet_time_either() -> None:
    minutes = Course("", "", END - timedelta(minutes=10), 60, np.zeros(10))
    known = Window(start=END - timedelta(minutes=6), end=END - timedelta(minutes=5))
    incident = Window(start=END - timedelta(minutes=2), end=END - timedelta(minutes=1))
    quiet, during, after = Phases(incident, since=incident.end, hidden=(known,)).of(minutes)
    assert quiet.tolist() == [True] * 4 + [False] * 2 + [True] * 2 + [False] * 2
    assert np.flatnonzero(during).tolist() == [8]
    assert np.flatnonzero(after).tolist() == [9]


def test_instances_are_taken_together_since_an_action_replaces_them() -> None:
    ended, begun = (np.full(QUIET + BAD + AFTER, np.nan) for _ in range(2))
    ended[: QUIET + BAD] = course([])
    begun[QUIET + BAD :] = 101.0
    old, new = (Series("shop", "latency", v, "ms", instance=i, step_seconds=STEP) for v, i in ((ended, "a"), (begun, "b")))
    assert look(old, new).verdict is Verdict.RECOVERED


def test_a_counter_of_failures_that_is_gone_with_its_process_is_zero() -> None:
    failures = np.concatenate([np.full(QUIET, np.nan), np.full(BAD, 5.0), np.full(AFTER, np.nan)])
    counted = Series("shop", "failures", failures, "1/s", kind="sum", step_seconds=STEP)
    busy = latency([100.0] * AFTER, metric="heap", bad=100.0)
    assert look(counted, busy, asked=brief("failures")).verdict is Verdict.RECOVERED


def test_slow_series_take_longer() -> None:
    """Of one a minute, four samples are four minutes."""
    values = course([100.0] * AFTER)[::4]
    held = Series("shop", "latency", values, "ms", step_seconds=60)
    assert look(held).verdict is Verdict.RECOVERED
    assert look(held, since=END - timedelta(minutes=3)).verdict is Verdict.NOT_YET


def test_without_a_metric_the_spans_of_the_service_are_looked_at() -> None:
    assert look(traces=Spans({"shop": spans([100.0] * AFTER)}), asked=brief(None)).verdict is Verdict.RECOVERED
    slow = look(traces=Spans({"shop": spans([500.0] * AFTER)}), asked=brief(None))
    assert slow.verdict is Verdict.NOT_YET
    assert slow.sentence.startswith('The mean duration of spans of "shop" is not back yet: ')


def test_failures_that_go_on_are_not_made_up_for_by_speed() -> None:
    failing = np.concatenate([np.zeros(QUIET), np.full(BAD + AFTER, 12.0)])
    state = look(traces=Spans({"shop": spans([100.0] * AFTER, failing=failing)}), asked=brief("unknown"))
    assert state.verdict is Verdict.NOT_YET
    assert state.sentence.startswith('The share of failed spans of "shop" is not back yet: 0.3 over the last 60 s, usually 0, ')


def test_the_facts_of_the_cause_are_looked_at_where_the_symptom_says_nothing() -> None:
    operation = fact(
        AgentName.TRACES, AnomalyKind.OPERATION, "stock", "GET /", (1.0, 2.0, "ms"), summary="", strength=3.0, family="latency"
    )
    metric = fact(AgentName.METRICS, AnomalyKind.METRIC, "stock", "cpu", (1.0, 2.0, "1"), summary="", strength=3.0)
    nothing = metric.model_copy(update={"anomaly": metric.anomaly.model_copy(update={"subject": "gone", "strength": 0.0})})
    cpu = latency([100.0] * AFTER, service="stock", metric="cpu")
    quick, slow = (Spans({"stock": spans([now] * AFTER)}) for now in (100.0, 600.0))
    for asked in (brief(None, service=None), brief("unknown")):
        assert look(cpu, traces=quick, asked=asked, facts=[operation, metric, nothing]).verdict is Verdict.RECOVERED
        worse = look(cpu, traces=slow, asked=asked, facts=[operation, metric, nothing])
        assert worse.verdict is Verdict.NOT_YET
        assert worse.sentence.startswith('The own time of "GET /" of "stock" is not back yet: ')


def test_the_symptom_goes_before_the_cause() -> None:
    metric = fact(AgentName.METRICS, AnomalyKind.METRIC, "stock", "cpu", (1.0, 2.0, "1"), summary="", strength=3.0)
    still = latency([900.0] * AFTER, service="stock", metric="cpu")
    assert look(latency([100.0] * AFTER), still, facts=[metric]).verdict is Verdict.RECOVERED


def test_a_source_that_does_not_answer_is_told() -> None:
    state = look(traces=Spans({"shop": spans([100.0] * AFTER)}, fails=True), asked=brief(None))
    assert state.verdict is Verdict.CANNOT_TELL
    assert state.sentence == 'Spans of "shop" could not be read: the traces do not answer.'


@settings(max_examples=40, deadline=None)
@given(
    usual=st.floats(0.01, 1e6),
    times=st.floats(1.5, 100.0),
    left=st.floats(0.0, 1.0),
    seed=st.integers(0, 1000),
    wobble=st.floats(0.001, 0.05),
)
def test_the_unit_does_not_matter_and_a_larger_remainder_is_never_nearer_to_usual(
    usual: float, times: float, left: float, seed: int, wobble: float
) -> None:
    noise = np.random.default_rng(seed).normal(1.0, wobble, QUIET + BAD + AFTER)
    bad = usual * times

    def verdict(share: float, unit: float = 1.0) -> Verdict:
        now = usual + share * (bad - usual)
        values = unit * noise * np.concatenate([np.full(QUIET, usual), np.full(BAD, bad), np.full(AFTER, now)])
        return look(Series("shop", "latency", values, "ms", step_seconds=STEP)).verdict

    assert verdict(left) is verdict(left, 1024.0)
    if verdict(left) is Verdict.RECOVERED:
        assert verdict(left / 2) is Verdict.RECOVERED
    assert verdict(1.0) is Verdict.NOT_YET


@settings(max_examples=25, deadline=None)
@given(service=HOSTILE.filter(lambda text: 0 < len(text) <= 200), metric=HOSTILE)
def test_names_are_quoted_in_the_sentence(service: str, metric: str) -> None:
    state = look(latency([300.0] * AFTER, service=service, metric=metric), asked=brief(metric, service=service))
    assert state.verdict is Verdict.NOT_YET
    assert state.sentence.isprintable()
    assert state.sentence.count('"') == 4
