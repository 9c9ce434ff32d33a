"""A page of text for a terminal: labelled paragraphs and tables that fit its width, with or without colour.

The layout is what foreign text must not imitate: labels stand in the first column, everything else is indented, and every piece of
text passes `Quotation.clean` on its way in, so it can neither start a line nor leave the one that it is on.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import groupby, zip_longest

from middlewatch.frontends.quotation import Quotation, cells

NARROWEST = 40
WIDEST = 120
"""Lines longer than this are hard to follow with the eyes; a wider terminal keeps its margin."""
_GUTTER = 14
_SIDE_BY_SIDE = 60
"""From this width on, a label stands beside its text; below, above it."""
INDENT = 2
_GAP = "  "
_SMALLEST_ELASTIC = 14
"""A table whose elastic column would be narrower than this is written row by row instead."""
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:%|[nuµm]?s|min|h|d|[KMGT]?i?B|nats)(?!\w))")
_NO_BREAK = "\u00a0"


class Tone(Enum):
    """What a piece of text means, beyond its words. The value is the SGR parameter; none but the sixteen standard colours, so
    that the terminal's own theme decides how they look.
    """

    PLAIN = ""
    STRONG = "1"
    SOFT = "2"
    FAULT = "31"
    WAIT = "33"
    WORK = "36"
    CHANGE = "35"


@dataclass(frozen=True, slots=True)
class Span:
    """Text in one tone."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    header: str = ""
    elastic: bool = False
    """Takes the width that the others leave; its cells are cut where they are longer. One column of a table is elastic."""
    right: bool = False
    prefix: str = ""
    """Stands before the cell where the columns do not fit under each other."""


Row = Sequence[Span]


@dataclass(slots=True)
class Page:
    """Lines, collected from top to bottom."""

    width: int
    say: Quotation = field(default_factory=Quotation)
    _lines: list[tuple[Span, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.width = min(max(self.width, NARROWEST), WIDEST)

    def text(self, *, color: bool) -> str:
        """Everything, each line ended by a line feed."""
        return "".join(_painted(line, color=color) + "\n" for line in self._lines)

    def blank(self) -> None:
        """An empty line."""
        self._lines.append(())

    def entry(self, label: str, *spans: Span, bullet: str = "") -> None:
        """A paragraph with its label, which has at most 13 characters; words keep their tone."""
        lines = self._wrapped(spans, self._entry_width - len(bullet))
        heads = [Span(bullet), *[Span(" " * len(bullet))] * (len(lines) - 1)]
        self._labelled(label, [(head, *line) for head, line in zip(heads, lines, strict=True)])

    def short_entry(self, label: str, *spans: Span, tail: str = "", most_lines: int = 1) -> None:
        """The same on few lines: cut where it is too long, but never so that the tail is lost."""
        *above, last = self._wrapped(spans, self._entry_width, most_lines)
        room = self._entry_width - cells(tail)
        if sum(cells(span.text) for span in last) > room and len(above) + 1 < most_lines:
            self._labelled(label, [*above, last, (Span(tail.lstrip()),)])
        else:
            self._labelled(label, [*above, (*self._fitted(last, room), Span(tail))])

    def command(self, label: str, words: Sequence[str]) -> None:
        """A command line that can be pasted into a shell: where it is too long it goes on after a backslash.

        Args:
            label: as of an entry.
            words: already quoted for the shell. None of them is broken: one that is too long stands on a line of its own.
        """
        lines = [""]
        for number, word in enumerate(map(self.say.clean, words), 1):
            more = 0 if number == len(words) else len(" \\")
            if lines[-1] and cells(lines[-1]) + 1 + cells(word) + more > self._entry_width:
                lines[-1] += " \\"
                lines.append(word)
            else:
                lines[-1] = f"{lines[-1]} {word}".lstrip()
        self._labelled(label, [(Span(line, Tone.SOFT),) for line in lines])

    def literal(self, label: str, text: str, *, bullet: str = "", tone: Tone = Tone.PLAIN) -> None:
        """A line that is shown exactly and whole: where it goes on, a space ends the line, or a backslash where there was none.

        Of spaces in a row all but the first are written as escapes, and so is one at the end, so that none is lost.
        """
        room = self._entry_width - len(bullet)
        lines = _broken(self.say.clean(re.sub(r"(?<= ) | $", r"\\x20", text)), room)
        heads = [bullet, *[" " * len(bullet)] * (len(lines) - 1)]
        self._labelled(label, [(Span(head), Span(line, tone)) for head, line in zip(heads, lines, strict=True)])

    @property
    def _entry_width(self) -> int:
        return self.width - (_GUTTER if self.width >= _SIDE_BY_SIDE else INDENT)

    def _labelled(self, label: str, lines: Sequence[tuple[Span, ...]]) -> None:
        beside = self.width >= _SIDE_BY_SIDE
        if label and not beside:
            self._lines.append((Span(label, Tone.STRONG),))
        indent = self.width - self._entry_width
        for number, line in enumerate(lines):
            head = Span(label.ljust(indent) if beside and number == 0 else " " * indent, Tone.STRONG)
            self._lines.append((head, *line))

    def paragraph(self, *spans: Span, indent: int = INDENT, hang: int = 0, most_lines: int | None = None) -> None:
        """Wrapped text without a label.

        Args:
            spans: what it says.
            indent: columns before every line.
            hang: further columns before every line but the first.
            most_lines: cut after so many lines.
        """
        lines = self._wrapped(spans, self.width - indent - hang)
        if most_lines is not None and len(lines) > most_lines:
            lines = [*lines[: most_lines - 1], self._fitted(lines[most_lines - 1], self.width - indent - hang, cut=True)]
        for number, line in enumerate(lines):
            self._lines.append((Span(" " * (indent + (hang if number else 0))), *line))

    def heading(self, label: str, *spans: Span) -> None:
        """A line above a table or a list: the label, and a remark on the same line."""
        head = label.ljust(_GUTTER) if self.width >= _SIDE_BY_SIDE else f"{label}{_GAP}"
        self._lines.append((Span(head, Tone.STRONG), *self._fitted(self._cleaned(spans), self.width - len(head))))

    def table(self, columns: Sequence[Column], rows: Sequence[Row], label: str = "", below: Sequence[Sequence[Row]] = ()) -> None:
        """Rows under each other in columns; or, where the page is too narrow for that, each row as a small paragraph.

        Args:
            columns: what stands in each column; exactly one is elastic.
            rows: one cell a column, or fewer: then the last one takes the rest of the line.
            label: at the edge of the page, on the line of the headers; shorter than what stands before the first header.
            below: paragraphs under each row, if any: they are wrapped, so that nothing of them is cut.
        """
        columns = [replace(column, header=self.say.clean(column.header)) for column in columns]
        cleaned = [self._cleaned(row) for row in rows]
        whole = [row for row in cleaned if len(row) == len(columns)]
        elastic = next(index for index, column in enumerate(columns) if column.elastic)
        aligned = [row if len(row) == len(columns) else row[:-1] for row in cleaned]
        widths = [max([cells(row[index].text) for row in aligned if index < len(row)], default=0) for index in range(len(columns))]
        widths = [max(width, cells(column.header)) if width else 0 for column, width in zip(columns, widths, strict=True)]
        others = sum(width + len(_GAP) for index, width in enumerate(widths) if index != elastic and width)
        room = self.width - INDENT - others
        stacked = room < min(_SMALLEST_ELASTIC, widths[elastic])
        if stacked or not whole:
            self._lines += [(Span(label, Tone.STRONG),)] if label else []
        else:
            widths[elastic] = min(widths[elastic], room)
            if label or any(column.header for column in columns):
                self._aligned(columns, [Span(column.header, Tone.SOFT) for column in columns], widths)
            if label:
                headers = "".join(span.text for span in self._lines[-1])
                self._lines[-1] = (Span(label, Tone.STRONG), Span(headers[len(label) :], Tone.SOFT))
        for row, paragraphs in zip_longest(cleaned, below, fillvalue=()):
            if stacked:
                self._stacked(columns, row, elastic)
            else:
                self._aligned(columns, row, widths)
            for spans in paragraphs:
                self.paragraph(*spans, indent=2 * INDENT)

    def _aligned(self, columns: Sequence[Column], row: Row, widths: Sequence[int]) -> None:
        line = [Span(" " * INDENT)]
        left = self.width - INDENT
        for index, cell in enumerate(row):
            last = index == len(row) - 1
            width = left if last and len(row) < len(columns) else widths[index]
            if width > 0:
                line += self._padded(cell, width, right=columns[index].right)
                line.append(Span(_GAP))
                left -= width + len(_GAP)
        self._lines.append(tuple(line[:-1]))

    def _stacked(self, columns: Sequence[Column], row: Row, elastic: int) -> None:
        """What stands up to the elastic column on one line, the rest below it, each cell after its prefix."""
        head = [part for cell in row[: elastic + 1] if cell.text for part in (cell, Span(" "))]
        self._lines.append((Span(" " * INDENT), *self._fitted(head[:-1], self.width - INDENT)))
        rest: list[Span] = []
        for column, cell in zip(columns[elastic + 1 :], row[elastic + 1 :], strict=False):
            if cell.text:
                rest += [Span(column.prefix), cell, Span(", ")]
        if rest:
            self.paragraph(*rest[:-1], indent=2 * INDENT)

    def _padded(self, cell: Span, width: int, *, right: bool) -> list[Span]:
        fitted = self._fitted([cell], width)
        filler = Span(" " * (width - sum(cells(span.text) for span in fitted)))
        return [filler, *fitted] if right else [*fitted, filler]

    def _cleaned(self, spans: Iterable[Span]) -> list[Span]:
        return [Span(self.say.clean(span.text), span.tone) for span in spans]

    def _fitted(self, spans: Sequence[Span], width: int, *, cut: bool = False) -> tuple[Span, ...]:
        """Cleaned spans on one line; where they are too long (or `cut` says that more would follow) they end in an ellipsis."""
        ellipsis = ("..." if self.say.ascii_only else "…")[: max(0, width)]
        if not cut and sum(cells(span.text) for span in spans) <= width:
            return tuple(spans)
        room = width - cells(ellipsis)
        kept: list[Span] = []
        for span in spans:
            text = _first(span.text, room)
            kept.append(Span(text, span.tone))
            room -= cells(text)
            if len(text) < len(span.text):
                break
        return (*kept, Span(ellipsis, kept[-1].tone if kept else Tone.PLAIN))

    def _wrapped(self, spans: Sequence[Span], width: int, most_lines: float = math.inf) -> list[tuple[Span, ...]]:
        """Lines that fit; where there would be more than `most_lines`, the last one has all the rest."""
        letters = [(letter, span.tone) for span in self._cleaned(spans) for letter in _BEFORE_UNIT.sub(_NO_BREAK, span.text)]
        lines: list[list[tuple[str, Tone]]] = [[]]
        used = 0
        for is_space, group in groupby(letters, key=lambda letter: letter[0] == " "):
            word = list(group)
            size = cells("".join(letter for letter, _ in word))
            if used + size > width and used and not is_space and size <= width and len(lines) < most_lines:
                lines.append([])
                used = 0
            for letter, tone in word:
                if used + cells(letter) > width and len(lines) < most_lines:
                    lines.append([])
                    used = 0
                if is_space and not used:
                    continue
                lines[-1].append((letter, tone))
                used += cells(letter)
        return [_joined(line) for line in lines if line] or [()]


def _broken(text: str, width: int) -> list[str]:
    """The pieces of a line, each within the width: broken at a space; where none is near with a backslash, best after a comma."""
    lines = []
    while cells(text) > width:
        whole = len(_first(text, width))
        space = next((i for i in range(whole, whole // 2, -1) if text[i] == " " and text[i - 1] != "\\"), 0)
        if space:
            lines.append(text[:space])
            text = text[space + 1 :]
        else:
            piece = _first(text, width - 1)
            comma = max(piece.rfind(mark) for mark in ",:/")
            piece = piece[: comma + 1] if comma > whole // 2 else piece
            lines.append(piece + "\\")
            text = text[len(piece) :]
    return [*lines, text]


def _first(text: str, width: int) -> str:
    """The longest beginning of a text that fits."""
    used = 0
    for index, letter in enumerate(text):
        used += cells(letter)
        if used > width:
            return text[:index]
    return text


def _joined(letters: Iterable[tuple[str, Tone]]) -> tuple[Span, ...]:
    return tuple(
        Span("".join(letter for letter, _ in group).replace(_NO_BREAK, " "), tone)
        for tone, group in groupby(letters, key=lambda pair: pair[1])
    )


def _painted(line: Iterable[Span], *, color: bool) -> str:
    spans = list(line)
    while spans and not spans[-1].text.strip():
        spans.pop()
    if spans:
        spans[-1] = Span(spans[-1].text.rstrip(), spans[-1].tone)
    if not color:
        return "".join(span.text for span in spans)
    return "".join(
        f"\x1b[{span.tone.value}m{span.text}\x1b[0m" if span.tone.value and span.text.strip() else span.text for span in spans
    )
