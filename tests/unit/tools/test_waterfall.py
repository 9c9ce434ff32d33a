"""A request as a waterfall: depths, own time, other clocks, what is left out, and hostile spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import Freshness, Lost, Mechanism, Query, Signal, Waterfall, Window
from middlewatch.telemetry.sources import Answer, Sources, TraceSource
from middlewatch.tools.waterfall import MOST_SPANS, NOBODY, Suspect, waterfall
from tests.unit.tools.synthetic_telemetry import sources

BEGAN = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
WINDOW = Window(start=BEGAN - timedelta(minutes=5), end=BEGAN + timedelta(minutes=5))


@dataclass(frozen=True)
class Row:
    """A span; times in milliseconds since the request began."""

    id: str
    parent: str
    service: str
    operation: str
    start: float
    lasts: float
    status: str = "Unset"


@dataclass
class Spans:
    """The spans of one request."""

    rows: Sequence[Row]
    bound: str = ""

    def relatives(self, window: Window, *, trace_id: str, limit: int = 1000) -> Answer:
        assert trace_id
        assert limit
        freshness = Freshness(signal=Signal.TRACES, watermark=BEGAN, horizon=window.end)
        return Answer(pa.table({}), Query(source="test", name="relatives", window=window), freshness, "")

    def spans(self, window: Window, *, services: Sequence[str] = (), trace_ids: Sequence[str] = (), limit: int = 1000) -> Answer:
        assert not services
        rows = sorted(self.rows, key=lambda row: -row.lasts)[:limit] if trace_ids == ["t"] else []
        table = pa.Table.from_pylist(
            [
                {
                    "trace_id": "t",
                    "span_id": row.id,
                    "parent_span_id": row.parent,
                    "service": row.service,
                    "instance": "a",
                    "operation": row.operation,
                    "start": BEGAN + timedelta(milliseconds=row.start),
                    "duration_ns": round(row.lasts * 1e6),
                    "status": row.status,
                }
                for row in rows
            ]
        )
        freshness = Freshness(signal=Signal.TRACES, watermark=BEGAN, horizon=window.end)
        return Answer(table, Query(source="test", name="spans", window=window), freshness, self.bound)


def seen(rows: Sequence[Row], *, suspect: Suspect = NOBODY, bound: str = "", trace: str = "t") -> Waterfall:
    held: Sources = replace(sources(), traces=cast("TraceSource", Spans(rows, bound)))
    return waterfall(held, trace, WINDOW, suspect=suspect)


REQUEST = [
    Row("root", "", "front", "GET /", 0, 100),
    Row("call", "root", "front", "GET /cart", 10, 60, "Error"),
    Row("cart", "call", "cart", "GET /cart", 15, 50),
    Row("query", "cart", "cart", "SELECT carts", 20, 30),
    Row("log", "root", "front", "log", 75, 5),
]


def test_it_is_a_tree_in_the_order_of_beginning_with_own_time() -> None:
    found = seen(REQUEST)
    assert [(line.span_id, line.depth) for line in found.spans] == [("root", 0), ("call", 1), ("cart", 2), ("query", 3), ("log", 1)]
    lines = {line.span_id: line for line in found.spans}
    assert [(own.start_ms, own.end_ms) for own in lines["root"].own] == [(0, 10), (70, 75), (80, 100)]
    assert lines["root"].own_ms == pytest.approx(35)
    assert lines["call"].failed
    assert not lines["cart"].failed
    assert [line.span_id for line in found.spans if line.critical] == ["root", "call", "cart", "query", "log"]
    assert (found.start, found.duration_ms, found.left_out, found.services) == (BEGAN, 100, 0, ("cart", "front"))
    assert found.notes == ()


def test_missing_time_is_told_by_what_it_is_lost_in() -> None:
    lines = {line.span_id: line for line in seen(REQUEST).spans}
    assert {own.kind for own in lines["root"].own} == {Lost.OWN}
    assert [(own.kind, own.words) for own in lines["call"].own] == [(Lost.BETWEEN, 'between "front" and "cart"')] * 2
    assert [own.kind for own in lines["query"].own] == [Lost.UNSEEN]
    waits = seen([REQUEST[0], Row("wait", "root", "front", "HTTP wait_for_connection", 10, 80)])
    assert [own.kind for own in waits.spans[1].own] == [Lost.WAITING]


def test_the_spans_that_the_fact_is_about_are_marked_and_told_what_the_analysis_knows() -> None:
    found = seen(REQUEST, suspect=Suspect(("cart", ""), "GET /cart", mechanism=Mechanism.POOL_WAIT))
    assert [line.span_id for line in found.spans if line.culprit] == ["cart"]
    (cart,) = (line for line in found.spans if line.culprit)
    assert [(own.kind, own.words) for own in cart.own] == [(Lost.OWN, ""), (Lost.WAITING, "waiting for a connection")]
    assert [line.span_id for line in seen(REQUEST, suspect=Suspect(span_id="log")).spans if line.culprit] == ["log"]


@given(st.integers(-10_000_000, 10_000_000))
def test_the_clock_of_another_service_may_be_wrong_by_hours(skew_ms: int) -> None:
    skewed = [replace(row, start=row.start + (skew_ms if row.service == "cart" else 0)) for row in REQUEST]
    lines = {line.span_id: line for line in seen(skewed).spans}
    assert lines["call"].start_ms - 0.01 <= lines["cart"].start_ms <= lines["call"].start_ms + 10.01
    assert lines["query"].start_ms - lines["cart"].start_ms == pytest.approx(5)
    assert lines["call"].own_ms == pytest.approx(10)
    assert bool(seen(skewed).notes) == (not 10 <= 15 + skew_ms <= 20)


def test_what_was_handed_over_may_be_dealt_with_later_and_never_before() -> None:
    message = [Row("send", "", "front", "send", 0, 2), Row("work", "send", "mail", "work", 500, 40)]
    assert [line.start_ms for line in seen(message).spans] == [0, 500]
    early = [message[0], replace(message[1], start=-500)]
    assert [line.start_ms for line in seen(early).spans] == [0, 0]
    assert "clocks differ by up to 500 ms" in seen(early).notes[0]


def test_of_a_large_request_the_telling_spans_are_shown_with_all_above_them() -> None:
    many = [Row(f"s{i}", "root", "front", "step", i / 100, 0.005) for i in range(2000)]
    deep = [Row("deep", "s1999", "front", "deep", 19.99, 0.001), Row("bad", "s1000", "front", "bad", 10.0, 0.001, "Error")]
    found = seen([REQUEST[0], *many, *deep], suspect=Suspect(span_id="deep"), bound="cut")
    ids = [line.span_id for line in found.spans]
    assert len(ids) == MOST_SPANS
    assert {"root", "s1999", "deep", "s1000", "bad"} <= set(ids)
    assert found.left_out == 2003 - MOST_SPANS == found.spans[0].below
    assert found.notes == ("cut",)


def test_of_a_request_that_is_gone_it_says_so() -> None:
    assert "no span of this request" in seen([]).reason
    assert seen(REQUEST, trace="other").spans == ()


def test_parts_whose_parents_were_not_recorded_are_shown_beside_each_other() -> None:
    found = seen([replace(row, parent="gone") if row.id == "cart" else row for row in REQUEST])
    assert [(line.span_id, line.depth) for line in found.spans if line.depth == 0] == [("root", 0), ("cart", 0)]
    assert "not recorded" in found.notes[0]


spans = st.builds(
    Row,
    st.sampled_from("abcdef"),
    st.sampled_from(["", *"abcdefg"]),
    st.sampled_from(["front", "cart"]),
    st.sampled_from(["GET /", "SELECT x", "DNS lookup"]),
    st.integers(-200, 200).map(float),
    st.integers(0, 200).map(float),
    st.sampled_from(["Unset", "Error"]),
)


@given(st.lists(spans, max_size=12))
def test_whatever_spans_say_each_is_shown_once_and_own_time_lies_inside(rows: list[Row]) -> None:
    found = seen(rows)
    assert sorted(line.span_id for line in found.spans) == sorted({row.id for row in rows})
    for line in found.spans:
        assert 0 <= line.own_ms <= line.duration_ms + 1e-6
        edges = [edge for own in line.own for edge in (own.start_ms, own.end_ms)]
        assert edges == sorted(edges)
        assert all(line.start_ms - 1e-6 <= edge <= line.start_ms + line.duration_ms + 1e-6 for edge in edges)
        assert line.start_ms >= -1e-6
        assert line.start_ms + line.duration_ms <= found.duration_ms + 1e-6
