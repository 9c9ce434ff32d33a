"""Invariants: the service that has the fault leads, whatever it is called and in whatever unit time is told; what comes after the
window, what was known before, and mere noise say nothing.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewatch.records import AnomalyKind, Assessment, Family, Mechanism, Symptom, Window
from middlewatch.tools.traces import assess_traces
from tests.unit.tools.synthetic_request_sources import Traces, request_sources
from tests.unit.tools.synthetic_requests import BEGAN, CALLS, Fault, Requests, at, requests
from tests.unit.tools.synthetic_telemetry import DETECTED, END, brief

SLOW = Fault("cart", slower=4.0)
FAULTS = [
    SLOW,
    Fault("stock", slower=4.0),
    Fault("cart", delay_ms=60.0),
    Fault("shop", delay_ms=60.0),
    Fault("cart", returns_early=True),
    Fault("shop", returns_early=True),
    Fault("store", fails=True),
    Fault("stock", fails=True),
]


def assess(made: Requests, **changes: object) -> Assessment:
    """The assessment of requests; `changes` are fields of the trace source."""
    return assess_traces(request_sources(made, traces=partial(Traces, **changes)), brief())  # type: ignore[arg-type]  # test fields


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
def test_the_service_with_the_fault_leads(fault: Fault) -> None:
    found = assess(requests(fault))
    assert max(found.scores, key=lambda s: found.scores[s]) == fault.service
    assert found.scores[fault.service] > max(found.usual_tops)
    assert sorted(found.scores) == sorted(CALLS)
    assert ("shop", "cart") in found.edges


def test_a_quiet_system_blames_nobody() -> None:
    found = assess(requests())
    assert set(found.scores.values()) == {0.0}
    assert found.anomalies == ()
    assert found.notes == ()
    assert len(found.usual_tops) > 20
    assert len(found.cleared) == 5


@settings(max_examples=6)
@given(st.permutations(sorted(CALLS)), st.sampled_from(FAULTS))
def test_other_names_change_nothing_else(names: list[str], fault: Fault) -> None:
    made = requests(fault, minutes=12)
    rename = dict(zip(sorted(CALLS), names, strict=True))
    plain, renamed = assess(made), assess(made.renamed(rename))
    assert renamed.scores == pytest.approx({rename[service]: score for service, score in plain.scores.items()})
    assert renamed.usual_tops == pytest.approx(plain.usual_tops)


@settings(max_examples=4)
@given(st.sampled_from([0.01, 0.1, 10.0]), st.sampled_from([SLOW, Fault("cart", delay_ms=60.0)]))
def test_slower_hardware_or_another_unit_changes_nothing(unit: float, fault: Fault) -> None:
    plain, scaled = (assess(requests(fault, minutes=12, per_minute=8, unit=u)) for u in (1.0, unit))
    assert scaled.scores == pytest.approx(plain.scores, abs=0.02)


def test_nothing_after_the_window_is_used() -> None:
    quiet = requests(after_end=5)
    glaring = requests(Fault("stock", slower=50.0, fails=True, start=END, end=END + timedelta(minutes=9)), after_end=5)
    assert assess(glaring).model_dump() == assess(quiet).model_dump()


def test_known_earlier_incidents_are_no_baseline() -> None:
    known = Window(start=DETECTED - timedelta(minutes=14), end=DETECTED - timedelta(minutes=5))
    earlier = replace(SLOW, start=known.start, end=known.end)
    sources = request_sources(requests(earlier, SLOW, minutes=22))
    told, untold = (assess_traces(sources, brief(earlier=windows)) for windows in ([known], []))
    assert told.scores["cart"] > 2 * untold.scores["cart"]
    assert max(told.usual_tops) < 0.1 < max(untold.usual_tops)


def test_the_onset_is_found_and_the_numbers_are_those_of_the_fault() -> None:
    anomaly = assess(requests(SLOW)).anomalies[0]
    assert (anomaly.kind, anomaly.service, anomaly.family) == (AnomalyKind.OPERATION, "cart", Family.LATENCY)
    assert anomaly.factor == pytest.approx(4.0, rel=0.15)
    assert anomaly.baseline == pytest.approx(10.0, rel=0.15)
    assert anomaly.unit == "ms"
    assert anomaly.onset is not None
    assert abs((anomaly.onset.at - BEGAN).total_seconds()) <= 30
    assert anomaly.query.name == "span_behaviours"
    assert anomaly.mechanism is Mechanism.OWN_CODE
    assert len(anomaly.samples) == 3
    assert all(
        "GET /cart" in sample.text and sample.trace_id and anomaly.window.contains(sample.time) for sample in anomaly.samples
    )
    assert all('ms in "GET /cart" of "cart"' in sample.text for sample in anomaly.samples), "what the request waited for"


def test_a_delayed_edge_is_shown_once_and_names_both_ends() -> None:
    edges = [a for a in assess(requests(Fault("cart", delay_ms=60.0))).anomalies if a.kind is AnomalyKind.EDGE]
    assert {(a.service, a.peer) for a in edges} == {("cart", "shop"), ("cart", "store")}
    assert all(a.observed == pytest.approx(61.0, rel=0.1) for a in edges)
    assert {a.mechanism for a in edges} == {Mechanism.NETWORK}


def test_vanished_calls_and_failures_are_shown_as_shares() -> None:
    vanished = assess(requests(Fault("shop", returns_early=True))).anomalies[0]
    assert (vanished.kind, vanished.baseline, vanished.observed, vanished.unit) == (AnomalyKind.STRUCTURE, 0.0, 1.0, "1")
    assert 'runs without "call cart", "call stock" in 100 % of its requests, 0 % before' in vanished.summary
    assert vanished.mechanism is Mechanism.OTHER_PATH
    assert len(vanished.samples) == 3
    failed = assess(requests(Fault("store", fails=True))).anomalies[0]
    assert (failed.family, failed.baseline, failed.observed) == (Family.ERRORS, 0.0, 1.0)
    assert failed.factor is None
    assert failed.mechanism is Mechanism.EXCEPTION
    assert all("Error" in sample.text for sample in failed.samples)


def test_a_failing_callee_explains_its_callers() -> None:
    scores = assess(requests(Fault("store", fails=True))).scores
    assert scores["store"] > 1.5 * max(scores["cart"], scores["shop"], scores["front"])


def test_sparse_operations_together_say_enough() -> None:
    found = assess(requests(Fault("cart", slower=6.0), per_minute=2, minutes=60))
    assert max(found.scores, key=lambda s: found.scores[s]) == "cart"
    assert any("spans a minute" in note for note in found.notes)


def test_the_symptoms_service_is_cleared_first() -> None:
    symptom = Symptom(service="front")
    found = assess_traces(request_sources(requests(SLOW)), brief(symptom=symptom))
    assert found.cleared[0].startswith('"front"')


def test_no_traces_are_a_note_and_no_verdict() -> None:
    found = assess(Requests())
    assert (found.scores, found.notes, found.usual_tops) == ({}, ("no traces",), ())


def test_traces_that_end_before_the_incident_are_a_note_and_no_verdict() -> None:
    made = requests()
    old = Requests([span for span in made.spans if span.start < at(-600)])
    found = assess(old)
    assert found.scores == {}
    assert "no spans in the window of the incident" in found.notes
    assert (found.freshness[0].lag_seconds or 0) > 600, "the report says since when, of every signal alike"
    assert not any(note.startswith("no spans after") for note in found.notes)


def test_a_bound_is_reported() -> None:
    assert "traces: only 7 rows were read" in assess(requests(), bound="only 7 rows were read").notes


def test_less_history_is_read_where_all_of_it_is_too_much() -> None:
    found = assess(requests(SLOW), longest_seconds=7000.0)
    assert found.scores["cart"] > 1.0
    assert any("history" in note for note in found.notes)


def test_hostile_names_stay_quotations() -> None:
    hostile = {service: f"{service}\x1b[2J\n<script>" for service in CALLS}
    for text in (a.summary for a in assess(requests(SLOW).renamed(hostile)).anomalies):
        assert text.isprintable()
        assert '"cart' in text


def test_a_single_slow_request_is_no_evidence() -> None:
    made = requests()
    i = next(i for i, span in enumerate(made.spans) if span.service == "cart" and span.start > BEGAN)
    made.spans[i] = replace(made.spans[i], duration_ms=60_000.0)
    assert set(assess(made).scores.values()) == {0.0}


@settings(max_examples=5)
@given(st.sampled_from(FAULTS), st.dictionaries(st.sampled_from(sorted(CALLS)), st.sampled_from([-2.0, 2.0]), min_size=1))
def test_clocks_of_services_may_be_wrong_by_seconds(fault: Fault, skew: dict[str, float]) -> None:
    made = requests(fault, minutes=15)
    skewed = [replace(span, start=span.start + timedelta(seconds=skew.get(span.service, 0.0))) for span in made.spans]
    found = assess(Requests(skewed))
    assert max(found.scores, key=lambda s: found.scores[s]) == fault.service


def on_two_instances(fault: Fault) -> Requests:
    """Half of the requests meet the instance b of the faulty service, which alone has the fault."""
    bad = requests(fault, seed=2, per_minute=8)
    bad = Requests([replace(span, instance="b") if span.service == fault.service else span for span in bad.spans])
    return bad + Requests(requests(seed=3, per_minute=8).spans)


@pytest.mark.parametrize("fault", [SLOW, Fault("stock", fails=True), Fault("shop", returns_early=True)], ids=repr)
def test_the_one_instance_that_is_to_blame_is_named(fault: Fault) -> None:
    anomaly = assess(on_two_instances(fault)).anomalies[0]
    assert (anomaly.service, anomaly.instance) == (fault.service, "b")
    assert 'on the instance "b" alone' in anomaly.summary


def test_calls_that_nobody_answers_are_unreachable() -> None:
    """The spans of `stock` are missing, and the calls to it fail."""
    made = requests(Fault("stock", fails=True))
    spans = [span for span in made.spans if not (span.service == "stock" and span.failed)]
    found = assess(Requests(spans))
    assert max(found.scores, key=lambda s: found.scores[s]) == "stock"
    assert found.anomalies[0].mechanism is Mechanism.UNREACHABLE


def test_a_call_that_waits_for_no_answer_is_time_towards_the_callee() -> None:
    """`shop` gives up after two seconds; no span of `stock` is there to say what it did."""
    made = requests(minutes=20)
    lost = {(s.trace_id, s.parent_span_id) for s in made.spans if s.service == "stock" and s.start >= BEGAN}
    spans = [
        replace(span, duration_ms=span.duration_ms + 2000.0) if (span.trace_id, span.span_id) in lost else span
        for span in made.spans
        if not (span.service == "stock" and span.start >= BEGAN)
    ]
    found = assess(Requests(spans))
    assert max(found.scores, key=lambda s: found.scores[s]) == "stock"
    assert not any(anomaly.kind is AnomalyKind.OPERATION and anomaly.service == "shop" for anomaly in found.anomalies)


def test_time_that_only_unanswered_calls_take_is_no_slow_network() -> None:
    made, rng = requests(), random.Random(5)
    lost = {span.span_id for span in made.spans if span.operation == "call cart" and span.start >= BEGAN and rng.random() < 0.4}
    below = {span.span_id for span in made.spans if span.parent_span_id in lost}
    while more := {span.span_id for span in made.spans if span.parent_span_id in below} - below:
        below |= more
    spans = [span for span in made.spans if span.span_id not in below]
    made.spans = [replace(s, duration_ms=3000.0, failed=True) if s.span_id in lost else s for s in spans]
    found = assess(made)
    slow = [fact for fact in found.anomalies if fact.kind is AnomalyKind.EDGE and fact.family is Family.LATENCY]
    assert {fact.mechanism for fact in slow if {fact.service, fact.peer} == {"shop", "cart"}} == {Mechanism.UNREACHABLE}


def test_more_requests_are_told_where_they_begin() -> None:
    crowd = requests(Fault("front", slower=3.0), per_minute=120, seed=2, minutes=(END - BEGAN).total_seconds() / 60)
    found = assess(requests(Fault("front", slower=3.0)) + crowd)
    (fact,) = (fact for fact in found.anomalies if fact.family is Family.TRAFFIC)
    assert (fact.service, fact.kind, fact.mechanism) == ("front", AnomalyKind.OPERATION, Mechanism.LOAD)
    assert fact.factor is not None
    assert 8 < fact.factor < 12
    assert not any(f.family is Family.TRAFFIC for f in assess(requests(Fault("front", slower=3.0))).anomalies)


def test_other_calls_name_every_service_that_their_operations_requests_pass() -> None:
    found = assess(requests(Fault("cart", returns_early=True)))
    (fact,) = (fact for fact in found.anomalies if fact.kind is AnomalyKind.STRUCTURE and fact.service == "cart")
    assert fact.passed == tuple(sorted(CALLS))


def test_repeated_calls_are_told() -> None:
    made = requests(Fault("stock", fails=True))
    again = [
        replace(
            span,
            span_id=f"{span.span_id}{i}",
            parent_span_id=span.parent_span_id + ("" if span.operation == "call stock" else str(i)),
        )
        for span in made.spans
        if span.failed and (span.operation == "call stock" or span.service == "stock")
        for i in (1, 2)
    ]
    found = assess(Requests(made.spans + again))
    retries = [anomaly for anomaly in found.anomalies if anomaly.mechanism is Mechanism.RETRIES]
    assert [(anomaly.service, anomaly.peer) for anomaly in retries] == [("stock", "shop")]
    assert "makes 3 calls" in retries[0].summary


def test_half_of_the_requests_are_enough_and_no_stranger_is_blamed() -> None:
    for fault in FAULTS:
        made = requests(fault)
        kept = [span for span in made.spans if int(span.trace_id, 16) % 2]
        found = assess(Requests(kept))
        assert max(found.scores, key=lambda s: found.scores[s]) == fault.service
