"""Invariant: text from telemetry stands in a summary as one printable quotation, whatever it holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.tools.wording import clock, duration, listed, quantity, quoted


@given(st.text())
def test_a_quotation_is_one_printable_line_with_two_quotation_marks(text: str) -> None:
    shown = quoted(text)
    assert shown.isprintable()
    assert shown.count('"') == 2
    assert len(shown) <= 122


def test_a_stack_trace_is_read_as_one_line() -> None:
    assert quoted("GET /quotes failed\nTraceback:\r\n  in app") == '"GET /quotes failed Traceback: in app"'


@pytest.mark.parametrize("hostile", ["\x1b[31mred", "two\nlines", "right\u202eleft", 'say "yes"'])
def test_control_characters_do_not_survive(hostile: str) -> None:
    assert not set(quoted(hostile)) & {"\x1b", "\n", "\u202e"}


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.31234, "1", "0.312"),
        (0.31234, "", "0.312"),
        (97.049, "%", "97 %"),
        (1234567.0, "By", "1,234,567 By"),
        (12.0, "{request}", "12"),
        (0.0, "s", "0 s"),
        (0.000000012, "s", "1.20e-08 s"),
        (5.0, "1/s", "5 1/s"),
        (1.0, "<b>", "1"),
        (float("inf"), "s", "inf s"),
        (-1e70, "s", "-1.00e+70 s"),
    ],
)
def test_quantities_have_three_digits_and_a_harmless_unit(value: float, unit: str, shown: str) -> None:
    assert quantity(value, unit) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (-840, "14 min"), (7200, "2 h"), (7500, "2 h 5 min")]
)
def test_durations_read_as_people_say_them(seconds: int, shown: str) -> None:
    assert duration(timedelta(seconds=seconds)) == shown


def test_times_are_in_utc_and_long_lists_are_cut() -> None:
    assert clock(datetime(2026, 11, 21, 2, 3, 15, tzinfo=UTC)) == "02:03:15 UTC"
    assert listed(["a", "b", "c"], most=2) == '"a", "b" and 1 more'
