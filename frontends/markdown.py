"""Foreign text in Markdown, made harmless: no renderer finds a link, an image, HTML, a heading or a mention in it.

Words that are plainly words stay as they are. Whatever else a text holds (a name with dots, an address, a quotation) stands in a
code span, in which renderers obey nothing; its fence is longer than any run of backticks inside. So nothing depends on what a
certain renderer lets be escaped, and the text can still be read without one.
"""

from __future__ import annotations

import re

from middlewatch.frontends.quotation import Quotation

_SAY = Quotation()
_PIECE = re.compile(r'"(?P<quotation>[^"]*)"|[^ "]+|"| +')
_LETTER = r"[^\W_]"
_PLAIN = re.compile(rf"\(*{_LETTER}(?:{_LETTER}|['/+%-]|[.,:](?=\d))*\)*[%.,;:?]*|[→=×–-]|[%.,;:?)]+")  # noqa: RUF001  marks of our sentences
"""A word in which no renderer finds anything: dots and colons only between digits or at its end, so no domain and no scheme."""
_BEGINS_A_BLOCK = re.compile(r"\d{1,9}[.)]|[=-]")
"""At the beginning of a line these make a list, a heading or a rule."""


def plain(text: str, *, in_table: bool = False) -> str:
    r"""One line of foreign text, or of ours with foreign text in it.

    Args:
        text: anything. Line breaks and control characters are written as escapes such as ``\n``.
        in_table: whether it stands in a table's cell, which a vertical bar would end.

    Returns:
        A line that renders as its own text, and can stand at the beginning of one.
    """
    line = ""
    for found in _PIECE.finditer(_SAY.clean(text).strip(" ")):
        quotation, piece = found["quotation"], found[0]
        begins = not line and _BEGINS_A_BLOCK.fullmatch(piece)
        if piece.isspace() or (_PLAIN.fullmatch(piece) and not begins):
            line += piece
            continue
        span = code(piece if not quotation or quotation.isspace() else quotation, in_table=in_table)
        line += f" {span}" if line.endswith("`") else span  # side by side, two fences would be another one
    return line


def code(text: str, *, in_table: bool = False) -> str:
    """Text as a code span, which it cannot end. A vertical bar is written as an escape in a table."""
    inside = _SAY.clean(text).strip(" ")
    if in_table:
        inside = inside.replace("|", r"\x7c")
    if not inside:
        return ""
    fence = "`" * (max(map(len, re.findall("`+", inside)), default=0) + 1)
    pad = " " if inside.startswith("`") or inside.endswith("`") else ""
    return f"{fence}{pad}{inside}{pad}{fence}"


def quote(text: str) -> str:
    """Lines that a person typed, as a block quotation."""
    lines = [plain(line) for line in re.split(r"\r\n|[\n\r]", text)]
    following = [*lines[1:], ""]
    return "\n".join(f"> {line}\\" if line and more else f"> {line}" for line, more in zip(lines, following, strict=True))
