"""Invariants: spans are put together as they were made, whatever their order; a past is what was called before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.tools.trace_requests import Requests
from tests.unit.tools.span_table import Row, span_table

TREE = [
    Row(-1, "front", "GET /", 0, 100),
    Row(0, "front", "call cart", 10, 30),
    Row(1, "cart", "GET /cart", 15, 20),
    Row(0, "front", "call stock", 50, 40),
    Row(3, "stock", "GET /stock", 55, 20),
    Row(0, "front", "call cart", 95, 4),
]


def made(rows: list[Row]) -> Requests:
    return Requests.of(span_table(rows))


def both(first: list[Row], second: list[Row]) -> list[Row]:
    """Two requests."""
    return [*first, *(replace(row, parent=row.parent + len(first) if row.parent >= 0 else -1) for row in second)]


def test_the_tree_is_that_of_the_rows() -> None:
    found = made(TREE)
    assert found.parent.tolist() == [-1, 0, 1, 0, 3, 0]
    assert [sorted(level.tolist()) for level in found.levels] == [[0], [1, 3, 5], [2, 4]]
    assert found.self_ns.tolist() == [26_000_000, 10_000_000, 20_000_000, 20_000_000, 20_000_000, 4_000_000]
    assert found.trace_id(4) == "trace of 0"


@given(st.permutations(range(len(TREE))))
def test_the_order_of_the_rows_changes_nothing(order: list[int]) -> None:
    table = span_table(TREE)
    plain, mixed = Requests.of(table), Requests.of(table.take(order))
    assert mixed.self_ns.tolist() == [plain.self_ns.tolist()[i] for i in order]
    for number in ("behaviour", "past"):  # as numbers of names depend on their order, which spans share one is compared
        pairs = {(getattr(plain, number)[row], getattr(mixed, number)[i]) for i, row in enumerate(order)}
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_a_behaviour_is_a_set_of_kinds() -> None:
    once = TREE[:5]
    reordered = [once[0], replace(once[1], start_ms=60), once[2], replace(once[3], start_ms=5), once[4]]
    found = made(both(TREE, once))
    assert found.behaviour[0] == found.behaviour[6], "how often a kind is called does not matter"
    found = made(both(once, reordered))
    assert found.behaviour[0] == found.behaviour[5], "nor in which order"
    assert found.behaviour[0] != found.behaviour[1]


def test_a_past_is_what_the_ancestors_had_called_before() -> None:
    found = made(both(TREE, TREE))
    assert found.past.tolist()[:6] == found.past.tolist()[6:]
    later = [TREE[0], replace(TREE[1], start_ms=60), *TREE[2:5]]
    swapped = made(both(TREE, later))
    assert swapped.past[2] != swapped.past[8], "cart is reached after stock was called"
    assert swapped.past[0] == swapped.past[6]


@given(st.integers(-3000, 3000))
def test_a_wrong_clock_of_a_called_service_changes_no_past(skew: int) -> None:
    skewed = made([replace(row, start_ms=row.start_ms + skew) if row.service == "cart" else row for row in TREE])
    assert skewed.past.tolist() == made(TREE).past.tolist()
    assert skewed.calls[2].tolist() == made(TREE).calls[2].tolist()


def test_calls_are_those_of_a_service_from_inside_of_it() -> None:
    found = made(
        [
            Row(-1, "front", "GET /", 0, 100),
            Row(0, "front", "handler", 2, 90),
            *(replace(r, parent=r.parent + 1) for r in TREE[1:5]),
        ]
    )
    caller, callee, wait = found.calls
    calls = {(c, found.services[s]): w for c, s, w in zip(caller.tolist(), callee.tolist(), (wait / 1e6).tolist(), strict=True)}
    assert calls[1, "cart"] == pytest.approx(8.0)
    assert calls[0, "cart"] == pytest.approx(2.0), "the handler was the child that called"
    assert (2, "stock") not in calls


def test_what_lies_below() -> None:
    found = made(TREE)
    below = found.above(np.array([False] * 4 + [True, False]))
    assert below.tolist() == [True, False, False, True, False, False]


def test_no_spans_and_unknown_parents_do_no_harm() -> None:
    nothing = made([])
    assert (nothing.size, nothing.behaviour.tolist(), nothing.past.tolist(), nothing.calls[0].tolist()) == (0, [], [], [])
    orphan = made([Row(7, "a", "x"), Row(1, "a", "itself")])
    assert orphan.parent.tolist() == [-1, -1]
    assert orphan.trace_id(0) == ""
