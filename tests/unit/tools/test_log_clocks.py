"""Invariants: clocks that can agree are taken to agree, and offsets add up along calls whatever the services are called."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.tools.log_clocks import SYNCHRONISED_MICROS, clock_offsets


def clocks(*rows: tuple[str, str, int, int, int]) -> pa.Table:
    names = ("caller", "callee", "calls", "least", "most")
    types = (pa.string(), pa.string(), pa.uint64(), pa.int64(), pa.int64())
    columns = zip(*rows, strict=True) if rows else ([],) * len(names)
    return pa.table({name: pa.array(list(column), kind) for name, column, kind in zip(names, columns, types, strict=True)})


def test_clocks_agree_where_nothing_speaks_against_it() -> None:
    assert clock_offsets(clocks(("a", "b", 9, -300, 500))) == {"a": 0, "b": 0}
    assert clock_offsets(clocks(("a", "b", 9, 900, 1200))) == {"a": 0, "b": 0}, "a span that is cut to milliseconds"


def test_a_call_that_lies_outside_of_its_parent_tells_the_difference() -> None:
    assert clock_offsets(clocks(("a", "b", 9, 1_999_000, 2_001_000))) == {"a": 0, "b": 2_000_000}
    assert clock_offsets(clocks(("b", "a", 9, 1_999_000, 2_001_000))) == {"a": 0, "b": -2_000_000}


def test_the_most_frequent_way_to_a_service_counts() -> None:
    found = clock_offsets(clocks(("a", "b", 9, 100_000, 100_000), ("b", "c", 9, 20_000, 20_000), ("a", "c", 2, 999_000, 999_000)))
    assert found == {"a": 0, "b": 100_000, "c": 120_000}


def test_no_calls_tell_nothing() -> None:
    assert clock_offsets(clocks()) == {}


@given(st.lists(st.integers(-3_000_000, 3_000_000), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_true_offsets_are_found_along_any_tree_of_calls(ahead: list[int], draw: object) -> None:
    rows = []
    for callee in range(1, len(ahead)):
        caller = draw.randrange(callee)  # type: ignore[attr-defined]  # random.Random
        difference = ahead[callee] - ahead[caller]
        rows.append((str(caller), str(callee), callee, difference - 1, difference + 1))
    found = clock_offsets(clocks(*rows))
    for service in range(len(ahead)):
        assert abs(found[str(service)] - found["0"] - (ahead[service] - ahead[0])) <= SYNCHRONISED_MICROS * 1.1 * len(ahead)
