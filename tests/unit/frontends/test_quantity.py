"""Invariant: a number never loses what it says: its unit, that it differs from its baseline, that it is not certain."""

from __future__ import annotations

import doctest
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.frontends import quantity

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(quantity).failed == 0


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.31204, "s", "312 ms"),
        (0.99999, "s", "1 s"),
        (0.0, "ms", "0 s"),
        (86_000.0, "s", "23.9 h"),
        (3e-7, "s", "300 ns"),
        (-3.0, "ms", "-3 ms"),
        (1.5e9, "By", "1.4 GiB"),
        (200.0, "MiB", "200 MiB"),
        (2048.0, "By/s", "2 KiB/s"),
        (9.2, "1/s", "9.2 /s"),
        (12.34, "{request}/s", "12.3 request/s"),
        (0.5, "1", "50 %"),
        (28, "1", "28"),
        (99.98, "%", "99.98 %"),
        (42.0, "percent", "42 %"),
        (550.0, "millicores", "550 millicores"),
        (1904.0, "", "1,904"),
        (41_234_567.0, "", "41.2 M"),
        (float("nan"), "s", "unknown"),
        (float("-inf"), "By", "unknown"),
        (1e-9, "", "1.00e-09"),
    ],
)
def test_numbers_have_few_digits_and_a_human_unit(value: float, unit: str, shown: str) -> None:
    assert quantity.quantity(value, unit) == shown


def test_a_change_is_never_shown_as_none() -> None:
    assert quantity.pair(1.0001, 1.0002, "s") == "1.0001 s → 1.0002 s"
    assert quantity.pair(99.99, 100.0, "%") == "99.99 % → 100 %"
    assert quantity.pair(5.0, 5.0, "s") == "5 s → 5 s"
    assert quantity.pair(None, None, "s") == ""
    assert quantity.pair(0.0, 0.173, "1") == "0 % → 17.3 %"
    assert quantity.pair(0.9, 1.2, "1") == "0.9 → 1.2"


def test_factors() -> None:
    assert quantity.factor(652.5, 4, 2610) == "650x"
    assert quantity.factor(0.0, 3, 0) == "gone"
    assert quantity.factor(None, 0, 1904) == "new"
    assert quantity.factor(None, None, 3) == ""
    assert quantity.factor(1e9, 1e-9, 1) == ">99,999x"


def test_nothing_is_certain() -> None:
    assert [quantity.percent(p) for p in (0.0, 0.004, 0.82, 0.985, 0.999, 1.0)] == ["0 %", "<1 %", "82 %", "98 %", ">99 %", ">99 %"]
    assert [quantity.likelihood(p) for p in (1.0, 0.9, 0.66, 0.5, 0.1, 0.0)] == [
        "virtually certain",
        "very likely",
        "likely",
        "about as likely as not",
        "unlikely",
        "very unlikely",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "400 ms"), (46, "46 s"), (60, "1 min"), (340, "5 min 40 s"), (7500, "2 h 5 min"), (300_000, "3 d 11 h")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert quantity.duration(seconds) == shown


def test_that_anything_changed_is_unknown_without_telemetry() -> None:
    assert quantity.changed(0.0) == "unknown whether anything changed"
    assert quantity.changed(0.001) == "<1 % that anything changed"


def test_the_date_returns_when_it_is_another_one() -> None:
    moment = datetime(2026, 11, 20, 23, 59, 58, tzinfo=UTC)
    assert quantity.clock(moment, date(2026, 11, 20)) == "23:59:58"
    assert quantity.clock(moment, date(2026, 11, 21)) == "2026-11-20 23:59:58"


@given(NUMBERS, NUMBERS, st.sampled_from(["s", "ms", "By", "%", "", "1/s", "{x}/s", "kBy", "odd"]))
def test_any_numbers_can_be_shown(baseline: float, observed: float, unit: str) -> None:
    assert len(quantity.pair(baseline, observed, unit)) < 50
    assert len(quantity.factor(observed, baseline, observed)) <= 10


@given(st.floats(min_value=0, max_value=1e9))
def test_any_duration_can_be_shown(seconds: float) -> None:
    assert quantity.duration(seconds)
