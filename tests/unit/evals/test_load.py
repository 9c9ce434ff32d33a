"""Invariant: customers come as a Poisson process with the mix that was planned, the same ones for the same seed."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from middlewatch.evals.lab.data import CATEGORIES
from middlewatch.evals.lab.load import Customers, opening_round


def test_gaps_are_exponential() -> None:
    customers = Customers(seed=1)
    gaps = [customers.gap_seconds(10.0) for _ in range(4000)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(0.1, rel=0.06)
    assert deviation == pytest.approx(mean, rel=0.1)  # the mark of the exponential distribution


def test_the_mix_is_as_planned() -> None:
    customers = Customers(seed=1)
    kinds = Counter(re.split(r"[/?]", customers.next_visit().path)[1] for _ in range(4000))
    shares = {kind: count / 4000 for kind, count in kinds.items()}
    assert shares == pytest.approx({"products": 0.45, "categories": 0.25, "checkout": 0.15, "customers": 0.15}, abs=0.03)


def test_the_same_seed_brings_the_same_customers() -> None:
    first, second = (Customers(seed=5) for _ in range(2))
    assert [first.next_visit() for _ in range(50)] == [second.next_visit() for _ in range(50)]


def test_the_opening_round_sees_every_category() -> None:
    assert len({visit.path for visit in opening_round()}) == CATEGORIES
