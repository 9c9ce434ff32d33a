"""Invariants: one bad instance is named, several are not; pauses stop everything in a process at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.tools.instances import outlier, stood_still
from middlewatch.tools.trace_requests import Requests
from tests.unit.tools.span_table import Row, span_table

SEEDS = st.integers(0, 2**32 - 1)


def found(shifts: list[float], *, seed: int = 1, spans: int = 40, usual: list[float] | None = None) -> int:
    """Instances with what their value rises by after the onset."""
    rng = np.random.default_rng(seed)
    instance = rng.integers(0, len(shifts), 2 * spans * len(shifts))
    after = np.arange(instance.size) >= instance.size // 2
    value = rng.normal(0.0, 0.3, instance.size) + np.array(usual or [0.0] * len(shifts))[instance]
    return outlier(instance, value + np.where(after, np.array(shifts)[instance], 0.0), ~after, after)


@given(SEEDS)
def test_the_one_bad_instance_is_found(seed: int) -> None:
    assert found([0.0, 2.0, 0.0], seed=seed) == 1
    assert found([0.0, 2.0], seed=seed) == 1


@given(SEEDS)
def test_all_bad_or_all_good_is_no_outlier(seed: int) -> None:
    assert found([2.0, 2.0, 2.0], seed=seed) == -1
    assert found([2.0, 2.0, 0.0], seed=seed) == -1


def test_one_that_was_always_slower_is_no_outlier() -> None:
    assert found([0.0, 0.0], usual=[0.0, 3.0]) == -1
    assert found([1.0, 1.0], usual=[0.0, 3.0]) == -1


def test_one_instance_alone_and_too_few_spans_are_no_outlier() -> None:
    assert found([2.0]) == -1
    assert outlier(np.array([0, 1, 0, 1]), np.array([0.0, 0.0, 0.0, 9.0]), np.arange(4) < 2, np.arange(4) >= 2) == -1


def test_an_instance_that_is_new_is_compared_with_all_of_before() -> None:
    instance = np.array([0] * 20 + [0, 1] * 10)
    value = np.array([0.0, 0.1] * 10 + [0.05, 1.0] * 10)
    after = np.arange(40) >= 20
    assert outlier(instance, value, ~after, after) == 1


def still(*, pauses: bool, operations: int = 3, slow_share: float = 0.2, seed: int = 1) -> bool:
    """Ten spans a second of one service for two minutes; in the second one some are slow, in pauses or at random."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(1200):
        start = 100.0 * i
        took = float(rng.normal(10.0, 1.0))
        if start >= 60_000:
            if pauses and start % 5000 >= 4000:  # a second in five: all go on at its end
                took += 5000 - start % 5000
            elif not pauses and rng.random() < slow_share:
                took += 500.0
        rows.append(Row(-1, "a", f"operation {i % operations}", start, took))
    requests = Requests.of(span_table(rows))
    after = requests.start_ns >= 60_000_000_000
    return stood_still(requests, 0, ~after, after)


def test_pauses_of_a_whole_process_are_seen() -> None:
    assert still(pauses=True)


@pytest.mark.parametrize("slow_share", [0.05, 0.2, 1.0])
def test_what_is_slow_at_random_or_always_is_no_pause(slow_share: float) -> None:
    assert not still(pauses=False, slow_share=slow_share)


def test_one_operation_that_stops_is_no_process_that_does() -> None:
    assert not still(pauses=True, operations=1)


def test_nothing_slow_is_no_pause() -> None:
    assert not still(pauses=False, slow_share=0.0)
