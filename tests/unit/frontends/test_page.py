"""Invariant: a page is never wider than its terminal, its columns stay aligned, and only labels stand at its edge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from middlewatch.frontends.cli.page import NARROWEST, Column, Page, Span, Tone
from middlewatch.frontends.quotation import Quotation

COLUMNS = (Column(), Column("what", elastic=True), Column("how many", right=True, prefix="count "))


def rows(*texts: tuple[str, ...]) -> list[list[Span]]:
    return [[Span(text) for text in row] for row in texts]


def lines(page: Page) -> list[str]:
    return page.text(color=False).splitlines()


def test_an_entry_wraps_beside_its_label_or_below_it() -> None:
    wide, narrow = Page(60), Page(40)
    for page in (wide, narrow):
        page.entry(
            "Began", Span("at "), Span("01:46:20", Tone.STRONG), Span(", and then it went on for quite some time after that")
        )
    assert lines(wide) == [
        "Began         at 01:46:20, and then it went on for quite",
        "              some time after that",
    ]
    assert lines(narrow) == ["Began", "  at 01:46:20, and then it went on for", "  quite some time after that"]


def test_a_number_stays_with_its_unit() -> None:
    page = Page(40)
    page.paragraph(Span("from the usual to an observed value: 12 ms or more"))
    assert lines(page) == ["  from the usual to an observed value:", "  12 ms or more"]


def test_a_word_longer_than_the_page_is_cut_into_pieces() -> None:
    page = Page(40)
    page.paragraph(Span("x" * 50))
    assert lines(page) == ["  " + "x" * 38, "  " + "x" * 12]


def test_a_shortened_entry_keeps_its_tail() -> None:
    page = Page(60)
    page.short_entry("Next", Span("y" * 60), tail=" (2 more)")
    assert lines(page) == ["Next          " + "y" * 36 + "… (2 more)"]


@given(
    text=st.text(alphabet="ab \u65e5", max_size=200),
    tail=st.sampled_from(["", " (2 more)"]),
    width=st.integers(40, 80),
    most=st.integers(1, 3),
)
def test_an_entry_of_few_lines_is_cut_only_where_it_must_be(*, text: str, tail: str, width: int, most: int) -> None:
    whole, short = Page(width), Page(width)
    whole.entry("Next", Span(text))
    short.short_entry("Next", Span(text), tail=tail, most_lines=most)
    label = width < 60  # on a line of its own
    shown = short.text(color=False)
    assert len(lines(short)) <= most + label
    assert max(cell_len(line) for line in lines(short)) <= width
    assert shown.rstrip().endswith(tail.rstrip())
    if len(lines(whole)) < most + label:
        assert shown.split() == [*whole.text(color=False).split(), *tail.split()]


def test_a_paragraph_that_is_cut_says_so() -> None:
    page = Page(40, Quotation(ascii_only=True))
    page.paragraph(Span("word " * 30), most_lines=2)
    assert len(lines(page)) == 2
    assert lines(page)[1].endswith("...")


def test_columns_are_aligned_also_under_wide_letters() -> None:
    page = Page(60)
    page.table(COLUMNS, rows(("1", "日本語", "12"), ("2", "abc", "7"), ("3", "takes the rest of the line")), label="Seen")
    assert lines(page) == [
        "Seen what    how many",
        "  1  日本語        12",
        "  2  abc            7",
        "  3  takes the rest of the line",
    ]


def test_where_columns_do_not_fit_each_row_is_a_paragraph() -> None:
    page = Page(40)
    page.table(COLUMNS, rows(("1", "a rather long description of it", "twenty-two of them or more")), label="Seen")
    assert lines(page) == ["Seen", "  1 a rather long description of it", "    count twenty-two of them or more"]


@pytest.mark.parametrize("width", [60, 40])
def test_what_stands_below_a_row_is_wrapped_and_never_cut(width: int) -> None:
    page = Page(width)
    many = "7" if width > NARROWEST else "twenty-two of them or more"
    below = [[[Span("why " * 20), Span("said")]], []]
    page.table(COLUMNS, rows(("1", "abc", "12"), ("2", "a rather long description of it", many)), below=below)
    said = lines(page)
    assert ["1", "abc", "12"] in [line.split() for line in said] or width == NARROWEST
    assert " ".join(line.strip() for line in said if "why" in line or "said" in line) == "why " * 20 + "said"
    assert max(map(len, said)) <= width


@pytest.mark.parametrize("tone", [tone for tone in Tone if tone.value])
def test_colour_ends_where_its_text_ends(tone: Tone) -> None:
    page = Page(60)
    page.paragraph(Span("a", tone), Span(" b"))
    assert page.text(color=True) == f"  \x1b[{tone.value}ma\x1b[0m b\n"


TEXT = st.text(max_size=40) | st.text(alphabet="日x \n\x1b", max_size=90)


@given(
    width=st.integers(0, 200),
    cells=st.lists(st.lists(TEXT, min_size=1, max_size=3), max_size=4),
    label=st.sampled_from(["", "Seen"]),
    ascii_only=st.booleans(),
)
def test_any_table_fits(*, width: int, cells: list[list[str]], label: str, ascii_only: bool) -> None:
    page = Page(width, Quotation(ascii_only=ascii_only))
    page.table(COLUMNS, rows(*(tuple(row) for row in cells)), label=label)
    page.heading("Then", *(Span(text) for row in cells for text in row))
    written = page.text(color=False)
    assert all(cell_len(line, "latest") <= max(width, 40) and line.isprintable() for line in written.split("\n"))
    assert [line[:4] for line in written.split("\n") if line[:1].strip()] == [*([label] if label else []), "Then"]
