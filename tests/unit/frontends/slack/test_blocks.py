"""Invariants: whatever the text, blocks stay within Slack's limits; no text is obeyed; what counts is whole or not there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewatch.frontends.slack import blocks
from middlewatch.frontends.slack.blocks import Block, Part, clip, fit, literal, notification, paragraph, units, words
from tests.hostile import HOSTILE
from tests.slack_limits import check_message, check_notification, texts_in

OBEYED = ("<!channel>", "<!here>", "<@U0LEO>", "<https://evil.example|log in>", "*b*", "_i_", "~s~", "`c`", "> q", "&lt;", ":tada:")
LONG = st.builds(lambda text, times: (text * times)[:3100], HOSTILE | st.sampled_from(OBEYED), st.integers(1, 3000))


def _block(kind: int, text: str) -> Block:
    made: list[Block] = [
        blocks.header(text),
        paragraph(words(text), words(text, bold=True), blocks.break_()),
        blocks.entry(text, text),
        blocks.items([[words(text, code=True)]] * (1 + kind // 5)),
    ]
    return made[kind % 4]


@settings(max_examples=50)
@given(st.lists(st.lists(st.tuples(st.integers(0, 60), LONG), min_size=1, max_size=4), min_size=1, max_size=12))
def test_any_parts_fit(parts: list[list[tuple[int, str]]]) -> None:
    check_message(list(fit([Part(tuple(_block(kind, text) for kind, text in part)) for part in parts])))


@given(LONG)
def test_a_notification_has_nothing_that_is_obeyed(text: str) -> None:
    check_notification(notification(text) or "-")


@given(LONG, st.integers(2, 400))
def test_a_text_is_cut_between_characters(text: str, most: int) -> None:
    cut = clip(text, most)
    assert units(cut) <= most
    cut.encode()
    assert cut == text or text.startswith(cut[:-1])


@given(st.lists(LONG, max_size=20))
def test_what_is_literal_is_whole_or_not_there(lines: list[str]) -> None:
    made = literal(lines)
    if made is None:
        assert any(units(line) > 3000 or not line or units(ascii(line)) > 3000 for line in lines)
        return
    shown = texts_in(list(made))
    assert [line.replace("\\x20", " ").replace(" ", "") for line in shown] == [
        blocks.SAY.clean(line).replace(" ", "") for line in lines
    ]
    kept = fit([Part(made, (paragraph(words("too long")),))])
    assert texts_in(list(kept)) in (shown, ["too long"])


@pytest.mark.parametrize("text", ["a  b", "a b ", "   ", "a\tb", "a\nb", "\u202eab", "\u200bx", "a\u00a0 b"])
def test_nothing_in_a_literal_line_hides(text: str) -> None:
    (made,) = literal([text]) or ()
    shown = texts_in(made)[0]
    assert shown.isprintable()
    assert "  " not in shown
    assert not shown.endswith(" ")


def test_texts_are_taken_literally_wherever_they_stand() -> None:
    """There is no mrkdwn anywhere, so nothing in a text is a format, a link or a mention."""
    for text in OBEYED:
        made = [_block(kind, text) for kind in range(4)]
        assert "mrkdwn" not in str(made)
        assert all(kind not in str(made) for kind in ("'user'", "'link'", "'broadcast'", "'emoji':True"))
        assert text in texts_in(made)


def test_what_is_left_out_is_counted() -> None:
    parts = [Part((blocks.header("x"),)) for _ in range(60)]
    kept = fit(parts)
    assert len(kept) == 50
    assert "11 more parts have no room here" in texts_in(list(kept))[-1]


def test_what_has_no_room_gives_way_and_what_comes_later_keeps_its_place() -> None:
    big: tuple[Any, ...] = tuple(paragraph(words("x" * 2900)) for _ in range(4))
    short = (paragraph(words("short")),)
    kept = fit([Part(short), Part(big, short), Part(short)])
    assert kept == (*short, *short, *short)


def test_a_buttons_value_is_never_cut() -> None:
    with pytest.raises(ValueError, match="2001"):
        blocks.button("a", "b", "x" * 2001)
