"""Invariant: answers are judged strictly, and exactly as the reference scorer judges them where it is at hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.evals.scoring import (
    Interval,
    brier,
    brier_of_constant,
    calibration_error,
    calibration_interval,
    reliability,
    strict_rank,
    wilson,
)

SURE = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("ranking", "rank"),
    [
        ([("cart", 2.0), ("shop", 1.0)], 1),
        ([("shop", 2.0), ("cart", 1.0)], 2),
        ([("shop", 1.0), ("cart", 1.0)], 2),  # a tie counts against the truth, whichever comes first
        ([("cart", 1.0), ("shop", 1.0)], 2),
        ([("shop", 1.0)], None),
        ([("cart", math.nan), ("shop", 1.0)], None),
        ([("cart", 0.5), ("shop", 1.0), ("cart", 2.0)], 1),  # listed twice: the better score
        ([], None),
    ],
)
def test_the_rank_of_the_truth(ranking: list[tuple[str, float]], rank: int | None) -> None:
    assert strict_rank(ranking, "cart") == rank


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (19, 24, 0.5953, 0.9076), (5, 10, 0.2366, 0.7634)],
)
def test_the_score_interval(hits: int, n: int, low: float, high: float) -> None:
    found = wilson(hits, n)
    assert found.low == pytest.approx(low, abs=1e-4)
    assert found.high == pytest.approx(high, abs=1e-4)


def test_the_brier_score_of_the_best_constant_is_its_variance() -> None:
    answers = [(0.9, True), (0.8, True), (0.7, False), (0.1, False)]
    assert brier(answers) == pytest.approx((0.01 + 0.04 + 0.49 + 0.01) / 4)
    assert brier_of_constant(answers) == pytest.approx(0.25)


@given(SURE, st.floats(0, 1))
def test_no_constant_beats_the_best_one(answers: list[tuple[float, bool]], constant: float) -> None:
    assert brier([(constant, right) for _, right in answers]) >= brier_of_constant(answers) - 1e-12


@given(SURE)
def test_every_answer_is_in_one_bin(answers: list[tuple[float, bool]]) -> None:
    bins = reliability(answers)
    assert sum(each.answers for each in bins) == len(answers)
    assert all(each.low - 1e-12 <= each.confidence <= each.high + 1e-12 for each in bins)
    expected = sum(each.answers * abs(each.confidence - each.right) for each in bins) / len(answers)
    assert calibration_error(answers) == pytest.approx(expected)


def test_full_confidence_is_in_the_last_bin_and_a_bound_in_the_upper_one() -> None:
    assert [each.low for each in reliability([(1.0, True), (0.8, True)])] == [0.8]
    assert calibration_error([(1.0, True), (0.0, False)]) == 0.0
    assert calibration_error([(1.0, False)]) == 1.0


@given(SURE)
def test_the_bootstrap_is_repeatable_and_surrounds_possible_errors(answers: list[tuple[float, bool]]) -> None:
    found = calibration_interval(answers)
    assert found == calibration_interval(answers)
    assert -1e-12 <= found.low <= found.high <= 1 + 1e-12


def test_the_bootstrap_draws_again_what_was_seen() -> None:
    answers = [(0.5, number % 2 == 0) for number in range(100)]
    found = calibration_interval(answers)  # of |0.5 - the share of 100 coins that show heads|
    assert found.low == pytest.approx(0.0, abs=0.01)
    assert found.high == pytest.approx(2.24 * 0.05, abs=0.02)  # the 97.5 % quantile of |z| is 2.24
    assert calibration_interval([(0.75, True)]) == Interval(low=0.25, high=0.25)
