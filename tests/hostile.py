"""Text as an attacker would have it in telemetry: what ends a quotation, a line or a sentence, and what a terminal obeys."""

from __future__ import annotations

from hypothesis import strategies as st

_PIECES = (
    "a",
    "deploy",
    ", ",
    '"',
    "'",
    "\\",
    ";",
    ": ",
    "\n",
    "\r",
    "\t",
    "\0",
    "\x1b[2J",
    "\x9b",
    "\x7f",
    "\u2028",
    "\u202e",
    "\ufeff",
    "😀",
)

HOSTILE = st.lists(st.sampled_from(_PIECES) | st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).map("".join)
"""Without lone surrogates, which no source can deliver."""

MARKUP = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</title></style></svg><svg onload=alert(1)>",
    "{{ 7 * 7 }} {% include 'base.html' %}",
    "a\u202eb\x1b[2J\x00",
    "<!--",
)
"""What a page would run, or obey, or swallow the rest of itself for, if it took it as markup or as a template."""
