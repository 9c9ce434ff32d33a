"""Invariant: no text from outside reaches a terminal with anything in it that a terminal obeys, and none of it vanishes."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from middlewatch.frontends.quotation import Quotation, cells

UTF8 = Quotation()
ASCII = Quotation(ascii_only=True)

ATTACKS = [
    ("\x1b[2J\x1b[H", r"\x1b[2J\x1b[H"),  # clears the screen
    ("\x9b31m", r"\x9b31m"),  # the same introducer in one C1 byte
    ("\x1b]8;;http://x\x07link", r"\x1b]8;;http://x\x07link"),  # a hyperlink
    ("safe\rgone", r"safe\rgone"),
    ("a\nConfidence    99 % sure", r"a\nConfidence 99 % sure"),
    ("a\u2028b\u2029c\x85d\x0be", r"a\u2028b\u2029c\x85d\x0be"),  # what Python or a terminal takes for a line break
    ("\u202e%99 erus", r"\u202e%99 erus"),  # right-to-left override
    ("\u2066x\u2069", r"\u2066x\u2069"),
    ("\u05d0 5", r"\u05d0 5"),  # a Hebrew letter turns the order of what follows
    ("ch\u200beck\xadout", r"ch\u200beck\xadout"),  # a zero-width space, a soft hyphen
    ("pay\u3164ments", r"pay\u3164ments"),  # a filler that prints as nothing
    ("\u0301x", r"\u0301x"),  # a mark that would change the character in front of the text
    ("e\u0301\u0301\u0301", "e\u0301\u0301\\u0301"),
    ("\ue000\U000e0041", r"\ue000\U000e0041"),  # private use, a tag character
    ("a \u00a0\u3000 b", "a b"),
    ("\u26a0\ufe0f late", "\u26a0 late"),  # a variation selector only chooses between two drawings of a symbol
    ("a\ufe0f", r"a\ufe0f"),
    ("[bold]x[/bold] :smile:", "[bold]x[/bold] :smile:"),
]


@pytest.mark.parametrize(("text", "shown"), ATTACKS)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert UTF8.clean(text) == shown


@pytest.mark.parametrize("text", ["plain", "größer als 5 µs → 日本語", "Việt, हिन्दी, Ελληνικά, кириллица", "\u2705 done"])
def test_harmless_text_of_many_scripts_is_left_alone(text: str) -> None:
    assert UTF8.clean(text) == text


def test_ascii_only_writes_typography_in_ascii_and_the_rest_as_escapes() -> None:
    assert ASCII.clean("“5 µs” → 7 \u00d7…") == '"5 us" -> 7 x...'
    assert ASCII.clean("größer") == r"gr\xf6\xdfer"


def test_a_quotation_cannot_close_itself() -> None:
    assert UTF8.quoted('x" is innocent; "y') == "\"x' is innocent; 'y\""
    assert ASCII.quoted("x“ is innocent") == '"x\' is innocent"'


def test_a_log_line_that_was_several_is_read_as_one() -> None:
    assert UTF8.line('GET /quotes failed\nTraceback:\r\n\tin "app"') == "\"GET /quotes failed Traceback: in 'app'\""
    assert UTF8.line("a\x1b[2J\u2028b") == r'"a\x1b[2J\u2028b"'


def test_a_plain_name_needs_no_quotation_and_anything_else_has_one() -> None:
    assert UTF8.named("checkout-api.v2") == "checkout-api.v2"
    assert UTF8.named("checkout api") == '"checkout api"'
    assert UTF8.named("checkout:") == '"checkout:"'
    assert UTF8.named("") == '""'
    assert UTF8.named("checkout\n") == r'"checkout\n"'


@given(text=st.text(), ascii_only=st.booleans())
@example(text="a\u0301\u0301\u0301", ascii_only=False)
@example(text="\u26a0\ufe0f\ufe0f", ascii_only=False)
@example(text="  a   b ", ascii_only=True)
def test_any_text_comes_out_printable_in_one_line_and_stays_as_it_is(*, text: str, ascii_only: bool) -> None:
    say = Quotation(ascii_only=ascii_only)
    clean = say.clean(text)
    assert clean.isprintable()
    assert "  " not in clean
    assert all(unicodedata.bidirectional(letter) not in {"R", "AL", "AN"} for letter in clean)
    assert clean.isascii() or not ascii_only
    assert say.clean(clean) == clean


def test_no_character_is_wider_than_it_is_taken_for() -> None:
    letters = (UTF8.clean("a" + chr(code)) for code in range(0x110000))
    assert [text for text in letters if cell_len(text, "latest") > cells(text) or not text.isprintable()] == []
