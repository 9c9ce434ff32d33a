"""Invariant: foreign text renders as its own text. No renderer finds a link, an image, HTML, a heading or a table in it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from middlewatch.frontends.markdown import code, plain, quote
from middlewatch.frontends.quotation import Quotation
from tests.hostile import HOSTILE

RENDERER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
PIECES = (
    *("`", "``", "```", "~~~", "|", "\\", "[", "]", "](http://evil.test)", "![x](//evil.test/a.png)", "<img src=x>", "<!--", "-->"),
    *(
        "# ",
        "- ",
        "1. ",
        "> ",
        "---",
        "===",
        "*",
        "**",
        "_",
        "__",
        "~~",
        "&lt;",
        "&#64;",
        "<http://evil.test>",
        "[a]: http://evil.test",
    ),
    *(
        "http://evil.test",
        "www.evil.test",
        "evil.test",
        "ftp://evil.test",
        "root@evil.test",
        "@everyone",
        "#1",
        "|---|",
        "    ",
        "$x$",
    ),
)
MARKDOWN = st.lists(st.sampled_from(PIECES) | HOSTILE | st.sampled_from((" ", '"')), min_size=1, max_size=10).map("".join)
LINKED = re.compile(r"(?i)\w[.][^\W\d_]|:/|@\w|#\d|mailto:")
"""What renderers that link by themselves (GFM's autolinks, linkify, mentions) look for in text outside of code."""


def leaves(markdown: str) -> list[Token]:
    """The tokens inside blocks, of a text that is one paragraph, item or cell."""
    return [leaf for token in RENDERER.parse(markdown) for leaf in token.children or ()]


def text_of(found: list[Token]) -> str:
    return " ".join(" ".join(leaf.content for leaf in found).split())


@given(MARKDOWN)
def test_a_line_renders_as_its_own_text_wherever_it_stands(text: str) -> None:
    line, cell = plain(text), plain(text, in_table=True)
    assert "\n" not in line
    assert "|" not in cell
    for markdown, blocks in (
        (line, {"paragraph_open"}),
        (f"- {line}", {"bullet_list_open", "list_item_open", "paragraph_open"}),
        (f"| a |\n| --- |\n| {cell} |", {"table_open", "thead_open", "tbody_open", "tr_open", "th_open", "td_open"}),
    ):
        tokens = RENDERER.parse(markdown)
        assert {token.type for token in tokens if token.type.endswith("_open")} <= blocks
        assert {token.type for token in tokens if not token.type.endswith(("_open", "_close"))} <= {"inline"}
        found = leaves(markdown)
        assert {leaf.type for leaf in found} <= {"text", "code_inline"}
        assert not any(LINKED.search(leaf.content) for leaf in found if leaf.type == "text")
    letters = re.sub(r"[^\w]", "", Quotation().clean(text))
    assert re.sub(r"[^\w]", "", text_of(leaves(line))) == letters, "nothing is lost"


@given(MARKDOWN)
def test_a_code_span_holds_the_whole_text(text: str) -> None:
    cleaned = Quotation().clean(text).strip(" ")
    assert [(leaf.type, leaf.content.strip()) for leaf in leaves(code(text))] == ([("code_inline", cleaned)] if cleaned else [])


@given(st.lists(MARKDOWN, min_size=1, max_size=5).map("\n".join))
def test_what_a_person_typed_stays_in_its_quotation(text: str) -> None:
    tokens = RENDERER.parse(quote(text) + "\n\nours")
    assert [token.type for token in tokens[-3:]] == ["paragraph_open", "inline", "paragraph_close"]
    opened = {token.type for token in tokens if token.type.endswith("_open")}
    assert opened <= {"blockquote_open", "paragraph_open"}
    assert {leaf.type for token in tokens for leaf in token.children or ()} <= {"text", "code_inline", "hardbreak", "softbreak"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('"a.b" of "checkout-api" is 3.1 s, usually 0.3 s (10x)', "`a.b` of `checkout-api` is 3.1 s, usually 0.3 s (10x)"),
        ("2 of 3 done at 01:46:20 UTC: 61 %", "2 of 3 done at 01:46:20 UTC: 61 %"),
        ('"a""b"', "`a` `b`"),
        ("1. no list", "`1.` no list"),
        ('""', '`""`'),
    ],
)
def test_sentences_stay_readable(text: str, line: str) -> None:
    assert plain(text) == line
