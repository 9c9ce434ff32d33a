"""Invariants: the service whose code says something else leads, with or without spans; traffic, silence, what comes after the
window and what was known before say nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewatch.records import AnomalyKind, Assessment, Brief, Family, Mechanism, Symptom, Window
from middlewatch.records.errors import SourceUnavailable
from middlewatch.telemetry.sources import Answer
from middlewatch.tools.logs import assess_logs
from tests.unit.tools.synthetic_request_sources import Logs, Traces, request_sources
from tests.unit.tools.synthetic_requests import BEGAN, CALLS, Fault, Line, Requests, at, requests, without_span_ids
from tests.unit.tools.synthetic_telemetry import DETECTED, END, brief

RETURNS = Fault("cart", returns_early=True)
FAULTS = [RETURNS, Fault("shop", returns_early=True), Fault("store", fails=True), Fault("stock", fails=True)]


def assess(made: Requests, asked: Brief | None = None, **changes: object) -> Assessment:
    """The assessment of requests; `changes` are fields of the log source."""
    return assess_logs(request_sources(made, logs=partial(Logs, **changes)), asked or brief())  # type: ignore[arg-type]  # test fields


def leader(found: Assessment) -> str:
    return max(found.scores, key=lambda service: found.scores[service])


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
@pytest.mark.parametrize("seen", [lambda made: made, without_span_ids], ids=["spans", "no span ids"])
def test_the_service_with_the_fault_leads(fault: Fault, seen: Callable[[Requests], Requests]) -> None:
    found = assess(seen(requests(fault)))
    assert leader(found) == fault.service
    assert found.scores[fault.service] > max(1.0, *found.usual_tops)
    assert sorted(found.scores) == sorted(CALLS)


def test_a_quiet_system_blames_nobody() -> None:
    found = assess(requests())
    assert set(found.scores.values()) == {0.0}
    assert (found.anomalies, found.notes) == ((), ())
    assert len(found.usual_tops) > 20
    assert len(found.cleared) == 5


def test_more_traffic_is_no_fault() -> None:
    more = Requests()
    for seed in range(2, 6):
        extra = requests(seed=seed, minutes=3)
        more += extra
    for made in (requests() + more, without_span_ids(requests() + more)):
        assert max(assess(made).scores.values()) < 0.1


@settings(max_examples=6)
@given(st.permutations(sorted(CALLS)), st.sampled_from(FAULTS))
def test_other_names_change_nothing_else(names: list[str], fault: Fault) -> None:
    made = requests(fault, minutes=12)
    rename = dict(zip(sorted(CALLS), names, strict=True))
    plain, renamed = assess(made), assess(made.renamed(rename))
    assert renamed.scores == pytest.approx({rename[service]: score for service, score in plain.scores.items()})
    assert renamed.usual_tops == pytest.approx(plain.usual_tops)


def test_nothing_after_the_window_is_used() -> None:
    quiet = requests(after_end=5)
    glaring = requests(Fault("stock", fails=True, returns_early=True, start=END, end=END + timedelta(minutes=9)), after_end=5)
    assert assess(glaring).model_dump() == assess(quiet).model_dump()


def test_known_earlier_incidents_are_no_baseline() -> None:
    known = Window(start=DETECTED - timedelta(minutes=14), end=DETECTED - timedelta(minutes=5))
    made = requests(replace(RETURNS, start=known.start, end=known.end), RETURNS, minutes=22)
    told, untold = (assess(made, brief(earlier=windows)) for windows in ([known], []))
    assert told.scores["cart"] > 2 * untold.scores["cart"]
    assert 3 * max(told.usual_tops) < max(untold.usual_tops)


def test_a_new_line_is_shown_with_its_rate_its_span_and_the_raw_text() -> None:
    found = assess(requests(RETURNS)).anomalies
    new = next(a for a in found if "no such order" in a.subject)
    assert (new.kind, new.service, new.unit, new.baseline, new.factor) == (AnomalyKind.LOG_PATTERN, "cart", "1/min", 0.0, None)
    assert new.observed == pytest.approx(12, rel=0.2)
    assert '"GET /cart"' in new.summary
    assert new.onset is not None
    assert abs((new.onset.at - BEGAN).total_seconds()) <= 30
    assert new.query.name == "log_patterns"
    assert [sample.text for sample in new.samples] == ["no such order, nothing to do"] * 3
    assert all(sample.trace_id and sample.span_id and sample.time >= BEGAN for sample in new.samples)


def test_a_vanished_line_is_shown_as_it_was() -> None:
    gone = next(a for a in assess(requests(RETURNS)).anomalies if a.observed == 0.0)
    assert gone.baseline == pytest.approx(12, rel=0.2)
    assert gone.samples[0].text.startswith("end of order in")
    assert gone.samples[0].time < BEGAN


def test_errors_are_called_errors_and_their_masked_parts_are_found_in_the_raw_lines() -> None:
    failed = next(a for a in assess(requests(Fault("store", fails=True))).anomalies if "failed" in a.subject)
    assert failed.family is Family.ERRORS
    assert "ERROR" in failed.summary
    assert all(sample.text.startswith("order failed after ") for sample in failed.samples)


def test_of_two_equal_changes_the_severe_one_counts_more() -> None:
    made = requests()
    said = {"cart": ("INFO", "hm"), "stock": ("ERROR", "hm"), "store": ("ERROR", "hm\nTraceback (most recent call last):")}
    for span in [span for span in made.spans if span.start >= BEGAN and span.operation.startswith("GET")]:
        if span.service in said:
            severity, body = said[span.service]
            made.lines.append(Line(span.start, span.service, severity, body, span.trace_id, span.span_id))
    found = assess(without_span_ids(made)).anomalies  # without requests there is no order in which one explains the other
    evidence = {a.service: a.strength for a in found if a.subject.startswith("hm")}
    assert evidence["cart"] < evidence["stock"] < evidence["store"] < 1.5 * evidence["cart"]


def test_what_a_callee_explains_is_taken_from_its_callers() -> None:
    scores = assess(requests(Fault("store", fails=True))).scores
    assert scores["store"] > 1.5 * max(scores["cart"], scores["shop"], scores["front"])


def test_spans_that_say_nothing_any_more_are_noticed() -> None:
    made = requests()
    made.lines = [line for line in made.lines if line.service != "cart" or line.time < BEGAN]
    found = assess(made)
    assert leader(found) == "cart"
    assert found.scores["cart"] > 1.0


def test_minutes_without_any_log_line_are_an_outage_of_logging() -> None:
    made = requests()
    made.lines = [line for line in made.lines if not at(-150) <= line.time < at(30)]
    assert max(assess(made).scores.values()) < 0.1


def test_sampled_traces_are_a_note_and_logs_still_decide() -> None:
    made = requests(RETURNS)
    sampled = Requests([span for span in made.spans if int(span.trace_id[-2:], 16) % 10 == 0], made.lines)
    found = assess(sampled)
    assert leader(found) == "cart"
    assert any("sampled" in note for note in found.notes)


def test_lines_without_trace_ids_are_a_note() -> None:
    assert any("no trace ids" in note for note in assess(without_span_ids(requests())).notes)


def test_no_logs_are_a_note_and_no_verdict() -> None:
    found = assess(Requests(requests().spans))
    assert (found.scores, found.notes) == ({}, ("no logs",))
    assert found.edges


def test_logs_that_end_before_the_incident_are_a_note_and_no_verdict() -> None:
    made = requests()
    found = assess(Requests(made.spans, [line for line in made.lines if line.time < at(-600)]))
    assert found.scores == {}
    assert "no log lines in the window of the incident" in found.notes
    assert (found.freshness[0].lag_seconds or 0) > 600, "the report says since when, of every signal alike"
    assert not any(note.startswith("no log lines after") for note in found.notes)


def test_a_source_without_a_service_map_still_has_logs() -> None:
    class Mapless(Traces):
        def edges(self, window: Window, *, step_seconds: int) -> Answer:
            raise SourceUnavailable(f"no answer for {window.seconds} s in steps of {step_seconds} s")

    found = assess_logs(request_sources(requests(RETURNS), traces=Mapless), brief())
    assert leader(found) == "cart"
    assert any("without a service map" in note for note in found.notes)


def test_bounds_are_reported() -> None:
    assert "logs: only 7 rows were read" in assess(requests(), bound="only 7 rows were read").notes
    assert any("history" in note for note in assess(requests(RETURNS), longest_seconds=7000.0).notes)


def test_the_symptoms_service_is_cleared_first() -> None:
    assert assess(requests(RETURNS), brief(symptom=Symptom(service="front"))).cleared[0].startswith('"front"')


def test_hostile_lines_stay_quotations() -> None:
    made = requests(RETURNS)
    made.lines = [replace(line, body=line.body.replace("no such", "\x1b[2J'); DROP TABLE\n")) for line in made.lines]
    for anomaly in assess(made).anomalies:
        assert anomaly.summary.isprintable()


def test_a_line_that_says_who_is_not_reached_blames_that_one() -> None:
    made = requests()
    for span in [
        span for span in made.spans if span.start >= BEGAN and span.service == "shop" and span.operation.startswith("GET")
    ]:
        body = "GET http://stock:8080/ failed: connection refused"
        made.lines.append(Line(span.start + timedelta(milliseconds=5), "shop", "ERROR", body, span.trace_id, span.span_id))
    found = assess(made)
    assert leader(found) == "stock"
    fact = next(a for a in found.anomalies if "refused" in a.subject)
    assert (fact.service, fact.peer, fact.mechanism) == ("shop", "stock", Mechanism.UNREACHABLE)
    assert sum("refused" in a.subject for a in found.anomalies) == 1, "a fact about both ends is told once"


def test_a_new_value_in_a_line_of_a_service_that_deviates_is_told() -> None:
    made = requests(RETURNS)
    for span in [span for span in made.spans if span.service == "cart" and span.operation.startswith("GET")]:
        status = 503 if span.start >= BEGAN else 200
        made.lines.append(Line(span.start, "cart", "INFO", f"status {status}", span.trace_id, span.span_id))
    fact = next(a for a in assess(made).anomalies if a.query.name == "log_examples")
    assert (fact.service, fact.baseline, fact.observed) == ("cart", 0.0, 1.0)
    assert '"503" in 100 %' in fact.summary


def test_without_traces_the_time_between_lines_finds_the_slow_connection() -> None:
    made = requests(Fault("store", delay_ms=80.0))
    found = assess(Requests([], made.lines))
    assert leader(found) == "store"
    assert ("front", "shop") in found.edges
    slow = next(a for a in found.anomalies if a.family is Family.LATENCY)
    assert slow.kind is AnomalyKind.EDGE
    assert slow.unit == "ms"
    assert (slow.observed or 0) > 2 * (slow.baseline or 0)
    assert not any(a.family is Family.LATENCY for a in assess(made).anomalies), "traces tell it better"


def test_clocks_that_disagree_do_not_move_the_blame() -> None:
    made = requests(Fault("store", fails=True))
    ahead = timedelta(seconds=2)
    skewed = Requests(
        [replace(span, start=span.start + ahead) if span.service in ("shop", "store") else span for span in made.spans],
        [replace(line, time=line.time + ahead) if line.service in ("shop", "store") else line for line in made.lines],
    )
    assert leader(assess(skewed)) == "store"


def test_what_is_no_longer_written_where_another_was_not_reached_speaks_against_both() -> None:
    """`shop` cannot reach `cart`: its handler says so, and does not end as usual."""
    made = requests()
    lost = {(span.trace_id, span.span_id) for span in made.spans if span.operation == "GET /shop" and span.start >= BEGAN}
    assert lost
    made.lines = [
        replace(line, severity="ERROR", body="order failed: GET /cart of cart: ConnectError")
        if (line.trace_id, line.span_id) in lost and line.body.startswith("end")
        else line
        for line in made.lines
    ]
    scores = assess(made).scores
    assert scores["cart"] >= scores["shop"] > 0
