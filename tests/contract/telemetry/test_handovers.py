"""Who handles what another sent over a queue or in a batch: an edge of the service map, and shown with the request that sent it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from middlewatch.records import Scope, Window
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.handovers import MOST_TRACES, relatives
from middlewatch.tools.service_map import service_map
from middlewatch.tools.waterfall import waterfall
from tests.telemetry_data import moment

HOUR = Window(start=moment(0), end=moment(3600))
TEXTS = pa.list_(pa.string())


def span(trace: str, identity: str, service: str, **given: Any) -> dict[str, Any]:
    """A span; `at` in seconds, `links` as pairs of trace and span."""
    return {
        "trace": trace,
        "id": identity,
        "service": service,
        "at": 10.0,
        "kind": "Internal",
        "links": (),
        "id_": "",
        "parent": "",
        **given,
    }


def stored(database: ClickHouse, tenant: str, *spans: dict[str, Any], recording: str = "") -> Sources:
    columns = {
        "Tenant": [tenant] * len(spans),
        "Recording": [recording] * len(spans),
        "Timestamp": pa.array([moment(one["at"]) for one in spans], pa.timestamp("us", tz="UTC")),
        "TraceId": [one["trace"] for one in spans],
        "SpanId": [one["id"] for one in spans],
        "ParentSpanId": [one["parent"] for one in spans],
        "SpanName": [f"{one['service']} {one['id']}" for one in spans],
        "SpanKind": [one["kind"] for one in spans],
        "ServiceName": [one["service"] for one in spans],
        "Duration": pa.array([5_000_000] * len(spans), pa.uint64()),
        "StatusCode": ["Unset"] * len(spans),
        "CorrelationId": [one["id_"] for one in spans],
        "Links.TraceId": pa.array([[trace for trace, _ in one["links"]] for one in spans], TEXTS),
        "Links.SpanId": pa.array([[identity for _, identity in one["links"]] for one in spans], TEXTS),
        "Links.TraceState": pa.array([[""] * len(one["links"]) for one in spans], TEXTS),
        "Links.Attributes": pa.array([[[]] * len(one["links"]) for one in spans], pa.list_(pa.map_(pa.string(), pa.string()))),
    }
    database.insert("otel_traces", pa.table(columns))
    return database.sources(Scope(tenant=tenant), moment(3600))


def edges(sources: Sources) -> dict[tuple[str, str], int]:
    return {(edge.caller, edge.callee): edge.calls for edge in service_map(sources, HOUR)}


SENT = span("t1", "send", "shop", kind="Producer")
HANDLED = span("t2", "handle", "mail", kind="Consumer", at=12.0)


def test_a_link_to_a_span_of_another_trace_is_an_edge(database: ClickHouse, tenant: str) -> None:
    assert edges(stored(database, tenant, SENT, {**HANDLED, "links": [("t1", "send")]})) == {("shop", "mail"): 1}


def test_a_batch_was_sent_by_all_that_it_names(database: ClickHouse, tenant: str) -> None:
    batch = {**HANDLED, "links": [("t1", "send"), ("t3", "other"), ("t9", "nobody")]}
    assert edges(stored(database, tenant, SENT, span("t3", "other", "billing"), batch)) == {
        ("billing", "mail"): 1,
        ("shop", "mail"): 1,
    }


def test_a_correlation_id_that_both_have_is_one_too(database: ClickHouse, tenant: str) -> None:
    assert edges(stored(database, tenant, {**SENT, "id_": "c"}, {**HANDLED, "id_": "c"})) == {("shop", "mail"): 1}


def test_of_several_that_sent_it_the_last_one_before_counts(database: ClickHouse, tenant: str) -> None:
    early = span("t0", "early", "import", kind="Producer", at=5.0, id_="c")
    late = span("t4", "late", "export", kind="Producer", at=13.0, id_="c")
    assert edges(stored(database, tenant, early, {**SENT, "id_": "c"}, late, {**HANDLED, "id_": "c"})) == {("shop", "mail"): 1}


def test_a_link_and_a_correlation_id_count_once(database: ClickHouse, tenant: str) -> None:
    both = {**HANDLED, "id_": "c", "links": [("t1", "send")]}
    assert edges(stored(database, tenant, {**SENT, "id_": "c"}, both)) == {("shop", "mail"): 1}


@pytest.mark.parametrize(
    "handled",
    [
        {**HANDLED, "id_": "another"},
        {**HANDLED, "id_": "c", "kind": "Server"},
        {**HANDLED, "id_": "c", "at": 9.0},
        {**HANDLED, "id_": "c", "service": "shop"},
        {**HANDLED, "links": [("t1", "another")]},
    ],
)
def test_what_does_not_fit_is_no_edge(database: ClickHouse, tenant: str, handled: dict[str, Any]) -> None:
    assert edges(stored(database, tenant, {**SENT, "id_": "c"}, handled)) == {}


def test_calls_are_counted_as_ever_beside_it(database: ClickHouse, tenant: str) -> None:
    """The same question as where nothing is linked."""
    call = span("t1", "call", "stock", parent="send")
    without = edges(stored(database, tenant, SENT, call))
    assert without == {("shop", "stock"): 1}
    # What was asked a moment ago is not asked again.
    linked = stored(database, tenant, {**HANDLED, "links": [("t1", "send")]})
    later = Window(start=moment(0), end=moment(3599))
    assert {(e.caller, e.callee): e.calls for e in service_map(linked, later)} == {**without, ("shop", "mail"): 1}


@pytest.mark.parametrize("how", ["link", "correlation id"])
def test_both_requests_are_shown_together(database: ClickHouse, tenant: str, how: str) -> None:
    by = {"links": [("t1", "send")]} if how == "link" else {"id_": "c-7"}
    given = {} if how == "link" else {"id_": "c-7"}
    root = span("t1", "root", "front")
    inner = span("t2", "inner", "mail", parent="handle", at=12.001)
    sources = stored(database, tenant, root, {**SENT, **given, "parent": "root"}, {**HANDLED, **by}, inner)
    for trace in ("t1", "t2"):
        found = waterfall(sources, trace, HOUR)
        assert [(line.span_id, line.depth) for line in found.spans] == [("root", 0), ("send", 1), ("handle", 2), ("inner", 3)]
        lines = {line.span_id: line for line in found.spans}
        assert lines["handle"].start_ms == pytest.approx(2000)
        assert not lines["handle"].critical, "nobody waited for it"
        assert lines["send"].own_ms == pytest.approx(5), "what is handed over takes nothing of its time"
        (note,) = found.notes
        assert "another request belongs to this one" in note
        assert ('"c-7"' in note) is (how != "link")


def test_of_many_that_belong_together_some_are_shown_and_the_others_counted(database: ClickHouse, tenant: str) -> None:
    handled = [span(f"h{n:03}", f"handle-{n}", "mail", at=20.0 + n, links=[("t1", "send")]) for n in range(30)]
    found = relatives(stored(database, tenant, SENT, *handled), "t1", HOUR)
    assert found.traces == tuple(f"h{n:03}" for n in range(MOST_TRACES))
    assert found.note == f"30 other requests belong to this one by links, of which {MOST_TRACES} are shown"


def test_spans_that_handle_one_another_in_a_circle_do_no_harm(database: ClickHouse, tenant: str) -> None:
    one, other = {**SENT, "links": [("t2", "handle")]}, {**HANDLED, "links": [("t1", "send")]}
    assert len(waterfall(stored(database, tenant, one, other), "t1", HOUR).spans) == 2


def test_nothing_of_another_tenant_or_after_the_horizon_belongs(database: ClickHouse, tenant: str) -> None:
    stored(database, f"{tenant}-b", {**HANDLED, "id_": "c", "links": [("t1", "send")]})
    stored(database, tenant, {**SENT, "id_": "c"}, {**HANDLED, "at": 3599.999, "id_": "c", "links": [("t1", "send")]})
    sources = database.sources(Scope(tenant=tenant), moment(3600))
    assert relatives(sources, "t1", HOUR).traces == ()
    assert edges(sources) == {}
    assert HOUR.end - HOUR.start == timedelta(hours=1)
