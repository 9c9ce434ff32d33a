"""Foreign text on a terminal: names, log lines and sentences that contain them, made harmless and visible as foreign.

Whatever comes from telemetry, alerts or models passes `Quotation.clean` before it is printed, so it cannot move the cursor, change
colours, reorder a line, start a new one, or hide characters. Nothing is dropped: what cannot be shown is written as an escape.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import get_character_cell_size

_MARKS_IN_A_ROW = 2
"""Combining marks kept on one letter: enough for Vietnamese or Devanagari, too few to climb over the lines above."""

_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | frozenset(map(chr, range(0x180B, 0x1810)))
"""Letters and marks that print as nothing (Unicode's Default_Ignorable_Code_Point outside the Cf category, and blank Braille)."""

_VARIATION_SELECTORS = frozenset(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))

_PLAIN_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:/@-]*[A-Za-z0-9])?")

_TO_ASCII = str.maketrans(
    {
        "→": "->",
        "…": "...",
        "·": ",",
        "×": "x",  # noqa: RUF001  the multiplication sign is what is replaced
        "µ": "u",
        "μ": "u",
        "°": "",
        "≥": ">=",
        "≤": "<=",
        "±": "+-",
        "–": "-",  # noqa: RUF001  the en dash is what is replaced
        "—": "-",
        "“": '"',
        "”": '"',
        "‘": "'",  # noqa: RUF001  likewise
        "’": "'",  # noqa: RUF001  likewise
    }
)


@dataclass(frozen=True, slots=True)
class Quotation:
    """How text is written for one terminal."""

    ascii_only: bool = False
    """Whether the terminal shows nothing but ASCII."""

    def clean(self, text: str) -> str:
        r"""Text without anything that a terminal would obey.

        Control and format characters, line breaks, unassigned and private characters and right-to-left letters become escapes
        such as ``\n``, ``\x1b`` or ``\u202e``. Right-to-left letters count as dangerous because a terminal that applies the
        bidirectional algorithm shows the numbers after them in reverse order, so that "5 -> 7" reads "7 -> 5". Runs of spaces
        become one space, so that no foreign text lines up with a column of ours.

        Returns:
            One line. Cleaning it again changes nothing.
        """
        if self.ascii_only:
            text = text.translate(_TO_ASCII)
        written: list[str] = []
        marks_left = 0  # a mark before the first letter would change the character in front of the text
        previous = " "
        for character in text:
            kind = unicodedata.category(character)
            if kind == "Zs":
                written.append(" ")
                marks_left = 0
            elif character in _VARIATION_SELECTORS and unicodedata.category(previous) == "So":
                pass  # chooses between two drawings of the symbol before it, of different widths
            elif not self._shows(character) or (kind[0] == "M" and not marks_left):
                written.append(ascii(character)[1:-1])
                marks_left = 0
            else:
                written.append(character)
                marks_left = marks_left - 1 if kind[0] == "M" else _MARKS_IN_A_ROW
            previous = character
        return re.sub(" +", " ", "".join(written))

    def quoted(self, text: str) -> str:
        """Text in quotation marks; those inside it are turned into apostrophes, so that it cannot close them itself."""
        return '"' + self.clean(text).replace('"', "'") + '"'

    def line(self, text: str) -> str:
        """A line of a log, quoted. What breaks or indents it, as in a stack trace, is shown as a blank."""
        return self.quoted(re.sub(r"[\t\n\r]+", " ", text))

    def named(self, text: str) -> str:
        """A name as it is where it is plainly a name; quoted otherwise."""
        return text if _PLAIN_NAME.fullmatch(text) else self.quoted(text)

    def _shows(self, character: str) -> bool:
        if self.ascii_only:
            return character.isascii() and character.isprintable()
        return (
            unicodedata.category(character)[0] != "C"
            and unicodedata.category(character) not in {"Zl", "Zp"}
            and unicodedata.bidirectional(character) not in {"R", "AL", "AN"}
            and character not in _INVISIBLE
            and character not in _VARIATION_SELECTORS
        )


def cells(text: str) -> int:
    """How many terminal columns a cleaned text takes, at most: some characters became wide only in later versions of Unicode."""
    return len(text) if text.isascii() else sum(_cell(character) for character in text)


@lru_cache(maxsize=4096)
def _cell(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    wide = unicodedata.east_asian_width(character) in {"W", "F"}
    return 2 if wide else max(1, get_character_cell_size(character, "latest"))
