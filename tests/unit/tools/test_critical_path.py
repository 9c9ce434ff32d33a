"""Invariants: the stretches add up to the request, only what was waited for is on the way, other clocks do not matter."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.tools.critical_path import PathSpan, Stretch, critical_path

MS = 1_000_000
REQUEST = [
    PathSpan("root", "", "front", "GET /", 0, 100 * MS),
    PathSpan("first", "root", "front", "call cart", 10 * MS, 30 * MS),
    PathSpan("cart", "first", "cart", "GET /cart", 15 * MS, 20 * MS),
    PathSpan("aside", "root", "front", "log", 12 * MS, 5 * MS),
    PathSpan("second", "root", "front", "call stock", 45 * MS, 50 * MS),
    PathSpan("stock", "second", "stock", "GET /stock", 46 * MS, 48 * MS),
]


def test_what_runs_beside_something_longer_is_not_on_the_way() -> None:
    found = {stretch.operation: stretch for stretch in critical_path(REQUEST)}
    assert "log" not in found
    assert found["GET /stock"] == Stretch("stock", "GET /stock", "", 48.0)
    assert found["call cart"] == Stretch("front", "call cart", "cart", 10.0)
    assert found["GET /"].milliseconds == pytest.approx(20.0)
    assert next(iter(found)) == "GET /stock", "the longest comes first"


@given(st.dictionaries(st.sampled_from(["cart", "stock"]), st.integers(-10_000, 10_000), min_size=1))
def test_clocks_of_other_services_may_be_wrong_by_seconds(skew: dict[str, int]) -> None:
    skewed = [replace(span, start_ns=span.start_ns + skew.get(span.service, 0) * MS) for span in REQUEST]
    assert critical_path(skewed) == critical_path(REQUEST)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 100), st.integers(0, 100)), max_size=12))
def test_the_stretches_add_up_to_the_request(spans: list[tuple[int, int, int]]) -> None:
    made = [PathSpan("0", "", "a", "root", 0, 100 * MS)]
    made += [PathSpan(str(i), str(min(p, i - 1)), "a", f"op {i}", s * MS, d * MS) for i, (p, s, d) in enumerate(spans, 1)]
    found = critical_path(made)
    assert sum(stretch.milliseconds for stretch in found) == pytest.approx(100.0, rel=1e-3)
    assert all(stretch.milliseconds >= 0 for stretch in found)


def test_rounded_moments_do_not_hide_what_was_waited_for() -> None:
    made = [PathSpan("0", "", "a", "root", 0, 5_000_000), PathSpan("1", "0", "a", "all of it", 1_000, 5_000_000)]
    assert critical_path(made)[0].operation == "all of it"


def test_nothing_has_no_path_and_a_loop_ends() -> None:
    assert critical_path([]) == ()
    assert critical_path([PathSpan("a", "b", "s", "x", 0, 5), PathSpan("b", "a", "s", "y", 0, 5)]) == ()
