"""How the text of others stands in a `Sentence`: as a quotation, which nothing in it can end."""

from __future__ import annotations

import re

LONGEST_QUOTATION = 120
"""Characters of a quotation; longer text is cut, so that a summary stays one line."""

QUOTATION = re.compile(r'"([^"]*)"')
"""One as `quoted` makes it; its group is what stands inside."""
_BREAKS = re.compile(r"[\t\n\r]+ *")
"""What breaks or indents the lines of a text such as a stack trace."""


def cut(text: str, longest: int) -> str:
    """A text of at most so many characters; where something is missing it ends so."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def quoted(text: str, *, longest: int = LONGEST_QUOTATION) -> str:
    """Text of others as a quotation: on one line, cut, control and invisible characters replaced, quotation marks turned.

    Args:
        text: as it came.
        longest: characters between the quotation marks.
    """
    text = cut(_BREAKS.sub(" ", text), longest)
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text).replace('"', "'")
    return f'"{shown}"'
