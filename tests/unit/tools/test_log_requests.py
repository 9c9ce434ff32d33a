"""Invariants: a request weighs the same however often it repeats a span, and a span that no trace has is told by its first line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from middlewatch.records import Window
from middlewatch.tools import log_requests
from middlewatch.tools.log_requests import Requests
from middlewatch.tools.log_units import Run, Units
from middlewatch.tools.timeline import Question, Timeline

START = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
TIME = pa.timestamp("us", tz="UTC")
SIZE = 8
PATTERNS = {("shop", "a"): 0, ("shop", "b"): 1, ("cart", "a"): 2}


def table(*spans: tuple[int, str, str, float, Mapping[str, float]]) -> pa.Table:
    """Request, service, operation, beginning in seconds, and lines with how much later they came."""
    rows = [
        {
            "trace": trace,
            "service": service,
            "operation": operation,
            "began": START + timedelta(seconds=began),
            "ended": START + timedelta(seconds=began + 2),
            "patterns": list(lines),
            "times": [START + timedelta(seconds=began + after) for after in lines.values()],
        }
        for trace, service, operation, began, lines in spans
    ]
    types = {"trace": pa.uint64(), "service": pa.string(), "operation": pa.string(), "began": TIME, "ended": TIME}
    return pa.Table.from_pylist(
        rows, schema=pa.schema(list((types | {"patterns": pa.list_(pa.string()), "times": pa.list_(TIME)}).items()))
    )


def requests(
    rows: pa.Table, *, severe: tuple[bool, ...] = (False, False, False), silent: tuple[int, ...] = (), hidden: tuple[int, ...] = ()
) -> Requests:
    masks = [np.isin(np.arange(SIZE), at) for at in (silent, hidden)]
    window = Window(start=START, end=START + timedelta(seconds=15 * SIZE))
    timeline = Timeline(window=window, size=SIZE, hidden=masks[1], question=Question((SIZE - 1,), SIZE))
    return Requests.of(rows, PATTERNS, np.array(severe, dtype=bool), masks[0], timeline)


def shares(found: Requests) -> list[tuple[str, str, bool, int, float, float]]:
    """Of each key its run and pattern, how many units had it, and of how many."""
    runs = [found.runs[run] for run in found.key_run]
    counts = zip(runs, found.key_pattern.tolist(), found.all.present[:, -1].tolist(), found.all.units[:, -1].tolist(), strict=True)
    return sorted((run.service, run.operation, run.opening, pattern, present, units) for run, pattern, present, units in counts)


def test_spans_of_one_kind_share_the_weight_of_their_request() -> None:
    found = requests(table((1, "shop", "GET", 1, {"a": 0}), (1, "shop", "GET", 2, {}), (2, "shop", "GET", 3, {"a": 0})))
    assert shares(found) == [("shop", "GET", False, 0, 1.5, 2.0)]


def test_spans_that_no_trace_has_are_compared_with_those_that_open_alike_too() -> None:
    found = requests(table((1, "shop", "", 1, {"a": 0, "b": 1}), (2, "shop", "", 2, {"b": 0})))
    assert shares(found) == [
        ("shop", "", False, 0, 1.0, 2.0),
        ("shop", "", False, 1, 2.0, 2.0),
        ("shop", "", True, 0, 1.0, 1.0),
        ("shop", "", True, 1, 1.0, 1.0),
        ("shop", "", True, 1, 1.0, 1.0),
    ]
    assert found.written.sum() == 3, "each line is counted once"


def test_spans_stay_in_the_order_of_their_beginning() -> None:
    units = Units.of(
        table((1, "shop", "", 1, {"a": 0}), (2, "cart", "GET", 2, {"a": 0}), (3, "shop", "", 3, {"b": 1})), PATTERNS, {}
    )
    assert (np.diff(units.began) >= 0).all()
    assert sorted({(run.service, run.operation) for run in units.runs}) == [("cart", "GET"), ("shop", "")]
    assert Run("shop", "", opening=True) in units.runs
    assert [units.runs[run].service for run in units.run[units.unit]] == [
        {0: "shop", 1: "shop", 2: "cart"}[pattern] for pattern in units.pattern.tolist()
    ]


def test_lines_of_unknown_patterns_are_left_out_and_their_spans_are_not() -> None:
    found = requests(table((1, "shop", "GET", 1, {"a": 0}), (2, "shop", "GET", 2, {"unheard of": 0})))
    assert shares(found) == [("shop", "GET", False, 0, 1.0, 2.0)]


def test_spans_in_silent_and_hidden_buckets_do_not_count() -> None:
    rows = table(*[(i, "shop", "GET", 15 * i + 1, {"a": 0}) for i in range(4)])
    assert shares(requests(rows, silent=(1,), hidden=(3,))) == [("shop", "GET", False, 0, 2.0, 2.0)]


def test_requests_with_a_severe_line_anywhere_are_not_sound() -> None:
    found = requests(
        table((1, "shop", "GET", 1, {"a": 0}), (1, "cart", "GET", 2, {"a": 0}), (2, "shop", "GET", 3, {"a": 0})),
        severe=(False, False, True),
    )
    place = [found.runs[run].service for run in found.key_run].index("shop")
    assert (found.all.units[place, -1], found.sound.units[place, -1]) == (2.0, 1.0)


def test_a_missing_line_is_missed_where_a_later_one_comes_or_at_the_end() -> None:
    rows = [(i, "shop", "GET", i, {"a": 0.5, "b": 1.0}) for i in range(5)]
    found = requests(table(*rows, (5, "shop", "GET", 10, {"b": 1.0}), (6, "shop", "GET", 20, {})))
    key = found.key_pattern.tolist().index(0)
    missing = np.array([5, 6], dtype=np.intp)
    assert (found.missed(key, missing) - found.began[missing]).tolist() == [1_000_000, 2_000_000]


def test_the_keys_with_most_lines_before_or_after_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_requests, "MOST_KEYS", 2)
    rows = [(i, "shop", "GET", i, {"a": 0}) for i in range(5)]
    late = (9, "cart", "GET", 15 * (SIZE - 1), {"a": 0})
    found = requests(table(*rows, (6, "shop", "GET", 6, {"b": 0}), late))
    assert sorted(found.key_pattern.tolist()) == [0, 2]


def test_of_few_requests_severe_lines_are_expected_as_often_as_severe_lines_usually_are() -> None:
    spans = [(i, "shop", "buy", float(i), {"a": 0.0} | ({"b": 1.0} if i < 2 else {})) for i in range(10)]
    spans.append((10, "cart", "add", 15.0 * (SIZE - 1), {"a": 0.0}))
    found = requests(table(*spans), severe=(False, True, True))
    assert found.all.alike is not None
    assert found.all.alike == pytest.approx([10.5 / 11, 2.5 / 11, 2.5 / 11])
    assert found.change(SIZE - 1, SIZE).bound[2] > 0.0


def test_many_requests_say_themselves_what_is_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_requests, "MANY_REQUESTS", 2)
    assert requests(table(*((i, "shop", "buy", float(i), {"a": 0.0}) for i in range(10)))).all.alike is None


def test_no_rows_are_no_keys() -> None:
    assert shares(requests(table())) == []
