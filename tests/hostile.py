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
