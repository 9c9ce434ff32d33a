"""Invariant: the text of others stands in a sentence as one printable quotation, whatever it holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records.quoting import quoted


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


def test_a_longer_quotation_is_cut_as_well() -> None:
    assert quoted("x" * 400, longest=300) == '"' + "x" * 299 + '…"'
