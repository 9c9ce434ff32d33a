"""Invariant: no call is longer than it may be, whatever tools answer; and the count is an upper bound, without any tokenizer."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.agents.language_model.scripted import Line, dialogues, spoken
from middlewatch.agents.language_model.seam import Asked, Replied, Request, ToolCall, ToolResult
from middlewatch.agents.reasoning.dialogue import PROMPT_TOKENS
from middlewatch.agents.reasoning.quoting import CLOSES, OPENS
from middlewatch.agents.reasoning.size import request_tokens, tokens_at_most
from middlewatch.records import AgentName, AnomalyKind, Tokens
from tests.unit.agents.reasoning.scene import GOOD, REASONED, FakeTools, Scene
from tests.unit.agents.reasoning.test_digest import PATHOLOGICAL
from tests.unit.agents.shared_context import anomaly

LETTERS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=60)


@given(st.text(max_size=300))
def test_it_is_by_bytes_but_for_letters_and_the_blank_before_a_word(text: str) -> None:
    """No tokenizer of bytes can make more of these."""
    counted = "".join(c for c in text if not (c.isascii() and c.isalpha()) and c != " ")
    size = tokens_at_most(text)
    assert len(counted.encode()) <= size <= len(text.encode())
    assert size >= tokens_at_most(counted)


@given(LETTERS)
def test_letters_of_others_are_joined_in_pairs_at_most(word: str) -> None:
    quoted = tokens_at_most(f"{OPENS}{word}{CLOSES}") - tokens_at_most(OPENS + CLOSES)
    assert -(-len(word) // 2) <= quoted <= len(word)
    assert quoted >= tokens_at_most(word)


@pytest.mark.parametrize("word", ["aGVsbGogdABybGQ", "qzxjk", "xkcdvbnm", "a" * 40, "AbCdEfGh"])
def test_letters_that_read_like_no_word_are_not_joined(word: str) -> None:
    assert tokens_at_most(word) == len(word)


def test_what_was_written_is_read_again_with_its_thoughts() -> None:
    call = ToolCall("1", "assess_logs", {"service": "cart"})
    request = Request("", (Asked("Look."), Replied("", (call,)), Asked(results=(ToolResult(call, "nothing"),))))
    asked, replied, result = request.turns
    assert isinstance(replied, Replied)
    thought = replace(request, turns=(asked, replace(replied, tokens=1400), result))
    assert request_tokens(thought) > 1400 + request_tokens(replace(request, turns=(asked, result))) - 50


@pytest.mark.parametrize(("name", "scale"), [*((name, 1.0) for name in PATHOLOGICAL), ("English", 1.5)])
def test_no_call_is_longer_than_it_may_be_whatever_tools_answer(name: str, scale: float) -> None:
    """Models that look at as much as they may; a provider that counts more than we do is counted by its measure."""
    found = tuple(anomaly("cause", 7.0 + n, AnomalyKind.LOG_PATTERN, f"{n} {PATHOLOGICAL[name]}"[:2000]) for n in range(60))
    numbers = itertools.count()

    def say(request: Request) -> Line:
        tokens = Tokens(input=int(scale * request_tokens(request)), output=100)
        if request.tools and spoken(request) < 2:
            return Line(calls=tuple(("assess_traces", {"n": next(numbers)}) for _ in range(6)), tokens=tokens)
        return replace(dialogues(GOOD)(request), tokens=tokens)

    scene = Scene(say, asked=(AgentName.TRACES,))
    assert scene.mind is not None
    scene.mind = replace(scene.mind, tools=FakeTools(found=found))
    scene.run()
    assert len(scene.scripted.requests) > 4
    later = [request for request in scene.scripted.requests if spoken(request)]
    assert later
    assert all(request_tokens(request) <= PROMPT_TOKENS for request in scene.scripted.requests)
    assert all(request_tokens(request) * scale <= PROMPT_TOKENS for request in later)
    assert any(
        "«" in result.text for request in later for turn in request.turns if isinstance(turn, Asked) for result in turn.results
    )


def test_a_call_that_would_be_longer_is_not_made() -> None:
    scene = Scene(lambda request: Line(answer=REASONED, tokens=Tokens(input=10 * request_tokens(request), output=5)))
    report = scene.run().report
    assert report is not None
    scene = Scene(lambda _request: Line(text="?", tokens=Tokens(input=20_000, output=5)), asked=(AgentName.LOGS,))
    report = scene.run().report
    assert report is not None
    assert (
        "The logs agent's model had no budget left for another call: it would be too long; its rules stand alone." in report.missing
    )
