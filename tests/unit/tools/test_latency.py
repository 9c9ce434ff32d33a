"""Invariants: the bound follows every change of unit, grows with the evidence, and neither noise nor drift alone passes it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.tools.baseline import Floats
from middlewatch.tools.latency import Latencies, masked_median
from middlewatch.tools.timeline import cumulative

SEEDS = st.integers(0, 2**32 - 1)
BUCKETS, ONSET = 160, 140


def latencies(values: list[list[float]], *, spans_per_request: int = 1) -> Latencies:
    """One key; the values of y in each bucket."""
    count, total, square = ([f(bucket) for bucket in values] for f in (len, sum, lambda b: sum(y * y for y in b)))
    requests = [n / spans_per_request for n in count]
    n, y, y_squared, seen_in = (cumulative(np.array([row], dtype=np.float64)) for row in (count, total, square, requests))
    return Latencies(n, y, y_squared, seen_in, np.array([False]))


def together(rows: list[Latencies], *, alike: bool = False) -> Latencies:
    """Several keys."""
    names = ("count", "total", "square", "requests")
    count, total, square, requests = (np.concatenate([getattr(row, name) for row in rows]) for name in names)
    return Latencies(count, total, square, requests, np.full(len(rows), alike))


def noise(seed: int, per_bucket: float, *, shift: float = 0.0, drift: float = 0.0, sd: float = 0.3) -> list[list[float]]:
    """Normal y, moved by `shift` from the onset on, and by a random walk of the minutes."""
    rng = np.random.default_rng(seed)
    minutes = rng.normal(0.0, drift, BUCKETS // 4)
    return [
        list(rng.normal(2.0 + minutes[i // 4] + (shift if i >= ONSET else 0.0), sd, int(rng.poisson(per_bucket))))
        for i in range(BUCKETS)
    ]


@given(SEEDS)
def test_noise_alone_seldom_passes_the_bound(seed: int) -> None:
    assert latencies(noise(seed, 5.0)).shift(ONSET, BUCKETS).bound[0] < 0.1


@given(SEEDS, st.sampled_from([0.5, 1.0, 3.0]))
def test_a_shift_is_found_and_never_overstated(seed: int, shift: float) -> None:
    found = latencies(noise(seed, 5.0, shift=shift)).shift(ONSET, BUCKETS)
    assert 0.5 * shift - 0.25 < found.bound[0] < shift
    assert found.effect[0] == pytest.approx(shift, abs=0.25)


@given(SEEDS, st.sampled_from([-7.0, 2.3, 9.2]))
def test_another_unit_of_time_changes_nothing_but_the_level(seed: int, unit: float) -> None:
    values = noise(seed, 5.0, shift=1.0)
    plain = latencies(values).shift(ONSET, BUCKETS)
    scaled = latencies([[y + unit for y in bucket] for bucket in values]).shift(ONSET, BUCKETS)
    assert scaled.bound == pytest.approx(plain.bound, abs=1e-6)
    assert scaled.before == pytest.approx(plain.before + unit, abs=1e-6)


@given(SEEDS)
def test_nothing_after_the_end_counts(seed: int) -> None:
    values = noise(seed, 5.0, shift=0.4)
    altered = values[: BUCKETS - 8] + [[50.0]] * 8
    plain, other = (latencies(v).shift(ONSET, BUCKETS - 8) for v in (values, altered))
    assert other.bound == pytest.approx(plain.bound)


def test_minutes_that_always_differ_make_the_bound_wider() -> None:
    steady, restless = (latencies(noise(7, 20.0, shift=0.8, drift=drift)).shift(ONSET, BUCKETS) for drift in (0.0, 0.4))
    assert steady.bound[0] > 0.4
    assert restless.bound[0] < 0.3


def test_a_tenth_more_or_less_comes_and_goes_however_precisely_it_is_measured() -> None:
    assert latencies(noise(7, 40.0, shift=0.1, sd=0.02)).shift(ONSET, BUCKETS).bound[0] == 0.0


def test_a_few_bad_minutes_in_the_past_do_not_move_the_baseline() -> None:
    values = noise(3, 5.0, shift=1.0)
    values[40:72] = [[y + 4.0 for y in bucket] for bucket in values[40:72]]
    assert latencies(values).shift(ONSET, BUCKETS).bound[0] > 0.5


def test_one_request_is_no_evidence_however_slow_it_is() -> None:
    values: list[list[float]] = [[2.0] for _ in range(ONSET)] + [[] for _ in range(BUCKETS - ONSET)]
    values[ONSET] = [9.0]
    assert latencies(values).shift(ONSET, BUCKETS).bound[0] == 0.0
    values[ONSET] = [9.0, 9.0]
    assert latencies(values).shift(ONSET, BUCKETS).bound[0] > 1.0


def test_an_operation_that_was_never_seen_before_has_nothing_to_be_compared_with() -> None:
    values: list[list[float]] = [[] for _ in range(ONSET)] + [[9.0] for _ in range(BUCKETS - ONSET)]
    found = latencies(values).shift(ONSET, BUCKETS)
    assert not found.comparable[0]
    assert found.bound[0] == 0.0


def test_sparse_keys_share_what_they_know_of_their_spread() -> None:
    rng = np.random.default_rng(5)
    keys = []
    for _ in range(30):  # three spans each before, that happen to agree in the first key
        values: list[list[float]] = [[] for _ in range(BUCKETS)]
        for bucket in (10, 50, 90):
            values[bucket] = [float(rng.normal(2.0, 0.8))]
        for bucket in (142, 146, 150):
            values[bucket] = [float(rng.normal(2.0, 0.8))]
        keys.append(values)
    for bucket in (10, 50, 90):
        keys[0][bucket] = [2.0]
    for bucket in (142, 146, 150):
        keys[0][bucket] = [3.0]
    rows = [latencies(values) for values in keys]
    assert rows[0].shift(ONSET, BUCKETS).bound[0] > 0.7
    assert together(rows).shift(ONSET, BUCKETS).bound[0] < 0.2


def test_many_spans_of_few_requests_are_few_observations() -> None:
    values: list[list[float]] = [[2.0 + 0.3 * (i % 3)] * 3 for i in range(ONSET)] + [[] for _ in range(BUCKETS - ONSET)]
    values[ONSET] = [3.0] * 12
    alone, of_two, of_one = (latencies(values, spans_per_request=n).shift(ONSET, BUCKETS).bound[0] for n in (1, 6, 12))
    assert alone > 1.5 * of_two
    assert of_one == 0.0


@pytest.mark.parametrize(("alike", "level", "found"), [(True, 6.0, True), (True, 2.4, False), (False, 6.0, False)])
def test_what_was_never_seen_before_is_compared_with_what_is_alike(alike: bool, level: float, found: bool) -> None:  # noqa: FBT001
    rng = np.random.default_rng(2)
    known = [latencies([[y + shift for y in bucket] for bucket in noise(i, 2.0)]) for i, shift in enumerate(rng.normal(0, 0.4, 12))]
    new = latencies([[] for _ in range(ONSET)] + [[level] for _ in range(BUCKETS - ONSET)])
    shift = together([*known, new], alike=alike).shift(ONSET, BUCKETS)
    assert (shift.bound[-1] > 1.0) == found
    assert shift.comparable[-1] == alike
    assert shift.bound[:-1].max() < 0.2


@given(st.lists(st.lists(st.floats(-5, 5), max_size=6), min_size=1, max_size=5))
def test_the_masked_median_is_that_of_what_is_left(values: list[list[float]]) -> None:
    width = max(len(row) for row in values)
    full: Floats = np.array([row + [np.nan] * (width - len(row)) for row in values])
    mask = np.array([[True] * len(row) + [False] * (width - len(row)) for row in values], dtype=bool).reshape(full.shape)
    expected = [float(np.median(row)) if row else 0.0 for row in values]
    assert masked_median(full, mask) == pytest.approx(expected)
