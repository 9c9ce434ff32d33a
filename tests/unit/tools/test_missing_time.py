"""Invariants: lost time is named by what follows it, and not at all where all of an operation became slower."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import Mechanism
from middlewatch.tools.missing_time import MissingTime, missing_time
from middlewatch.tools.trace_requests import Requests
from tests.unit.tools.span_table import Row, span_table


def handler(before_query: float = 1.0, own: float = 4.0, before_call: float = 1.0, *, query: str = "SELECT orders") -> list[Row]:
    """An operation with a query and a call of another service."""
    call_at = before_query + 2.0 + before_call
    return [
        Row(-1, "orders", "GET /orders", 0, call_at + 5.0 + own),
        Row(0, "orders", query, before_query, 2.0),
        Row(0, "orders", "call stock", call_at, 5.0),
        Row(2, "stock", "GET /stock", call_at + 1, 3.0),
    ]


def named(before: list[Row], after: list[Row], operation: str = "GET /orders", *, skew_ms: float = 0.0) -> MissingTime:
    rows: list[Row] = []
    for request in [before] * 5 + [after] * 5:
        skewed = (replace(row, start_ms=row.start_ms + skew_ms) if row.service == "stock" else row for row in request)
        rows += [replace(row, parent=row.parent + len(rows) if row.parent >= 0 else -1) for row in list(skewed)]
    requests = Requests.of(span_table(rows))
    of_operation = np.array([row.operation == operation for row in rows])
    late = np.arange(len(rows)) >= 5 * len(before)
    return missing_time(requests, operation, of_operation & ~late, of_operation & late)


def test_time_before_a_query_is_a_wait_for_a_connection() -> None:
    found = named(handler(), handler(before_query=300.0))
    assert found.mechanism is Mechanism.POOL_WAIT
    assert '"SELECT orders"' in found.where


def test_time_before_a_call_is_the_setting_up_of_a_connection() -> None:
    found = named(handler(), handler(before_call=300.0))
    assert found.mechanism is Mechanism.CONNECTION_SETUP
    assert '"call stock"' in found.where


def test_time_before_a_message_is_its_own() -> None:
    """A message is handed over in a moment, and dealt with at leisure."""
    message = [Row(-1, "orders", "GET /orders", 0, 10.0), Row(0, "orders", "send", 2.0, 1.0), Row(1, "stock", "process", 3.0, 20.0)]
    late = [
        Row(-1, "orders", "GET /orders", 0, 310.0),
        Row(0, "orders", "send", 302.0, 1.0),
        Row(1, "stock", "process", 303.0, 20.0),
    ]
    assert named(message, late, skew_ms=-400.0).mechanism is Mechanism.OWN_CODE


def test_time_after_everything_is_its_own() -> None:
    assert named(handler(), handler(own=300.0)) == MissingTime(Mechanism.OWN_CODE)


@given(st.floats(2, 100))
def test_what_became_slower_all_over_is_its_own(factor: float) -> None:
    found = named(handler(), handler(factor * 1.0, factor * 4.0, factor * 1.0))
    assert found.mechanism is Mechanism.OWN_CODE
    assert not found.where


@given(st.sampled_from([-2000.0, 2000.0]), st.sampled_from(["before_query", "before_call", "own"]))
def test_the_clock_of_a_called_service_changes_nothing(skew_ms: float, part: str) -> None:
    slow = handler(**{part: 300.0})  # type: ignore[arg-type]  # one of the durations
    assert named(handler(), slow, skew_ms=skew_ms) == named(handler(), slow)


@pytest.mark.parametrize(
    ("operation", "mechanism"),
    [
        ("SELECT orders", Mechanism.UNINSTRUMENTED),
        ("HTTP wait_for_connection stock:80", Mechanism.POOL_WAIT),
        ("HTTP connection_setup stock:80", Mechanism.CONNECTION_SETUP),
        ("DNS lookup stock", Mechanism.CONNECTION_SETUP),
        ("socket connect 10.0.0.7:80", Mechanism.CONNECTION_SETUP),
    ],
)
def test_spans_of_the_conventions_say_it_themselves(operation: str, mechanism: Mechanism) -> None:
    assert named(handler(query=operation), handler(query=operation), operation).mechanism is mechanism


def test_a_pool_that_has_spans_of_its_own_names_the_wait_before_them() -> None:
    found = named(handler(query="HTTP wait_for_connection"), handler(before_query=300.0, query="HTTP wait_for_connection"))
    assert found.mechanism is Mechanism.POOL_WAIT


def test_too_few_spans_name_nothing() -> None:
    requests = Requests.of(span_table(handler()))
    one = np.array([True, False, False, False])
    assert missing_time(requests, "GET /orders", one, one) == MissingTime(Mechanism.OWN_CODE)
