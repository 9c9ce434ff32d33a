"""Invariant: customers come as a Poisson process with the mix that was planned, the same ones for the same seed."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from middlewatch.evals.lab.data import CATEGORIES
from middlewatch.evals.lab.load import Customers, Met, opening_round


def test_gaps_are_exponential() -> None:
    customers = Customers(seed=1)
    gaps = [customers.gap_seconds(10.0) for _ in range(4000)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(0.1, rel=0.06)
    assert deviation == pytest.approx(mean, rel=0.1)  # the mark of the exponential distribution


def test_the_mix_is_as_planned() -> None:
    customers = Customers(seed=1)
    kinds = Counter(re.split(r"[/?]", customers.next_visit().requests[-1][1])[1] for _ in range(4000))
    shares = {kind: count / 4000 for kind, count in kinds.items()}
    assert shares == pytest.approx({"products": 0.42, "categories": 0.23, "checkout": 0.2, "customers": 0.15}, abs=0.03)


def test_the_same_seed_brings_the_same_customers() -> None:
    first, second = (Customers(seed=5) for _ in range(2))
    assert [first.next_visit() for _ in range(50)] == [second.next_visit() for _ in range(50)]


def test_the_opening_round_sees_every_category() -> None:
    assert len({visit.requests for visit in opening_round()}) == CATEGORIES


def test_a_day_has_a_noon_and_a_night_and_its_mean_is_the_rate() -> None:
    customers = Customers(seed=2)
    factors = [customers.at_this_hour(second, 60.0) for second in range(60)]
    assert sum(factors) / 60 == pytest.approx(1.0)
    assert min(factors) == pytest.approx(0.7, abs=0.01)
    assert max(factors) == pytest.approx(1.3, abs=0.01)


def test_a_customer_pays_only_for_what_got_into_the_cart() -> None:
    customers = Customers(seed=4)
    visits = [visit for _ in range(200) if len((visit := customers.next_visit()).requests) > 1]
    assert visits
    for visit in visits:
        (_, cart), (_, checkout) = visit.requests
        assert cart.startswith("/cart?")
        assert checkout.startswith("/checkout?")
        assert re.findall(r"customer=(\d+)", cart) == re.findall(r"customer=(\d+)", checkout)


def test_what_customers_met_with_is_told_of_the_last_seconds() -> None:
    met = Met()
    for number in range(20):
        met.note(failed=number < 5, seconds=number / 100)
    assert met.report() == {"sent": 20, "failed": 5, "requests_per_second": 2.0, "failing": 0.25, "p95_seconds": 0.19}
    assert Met().report()["failing"] is None
