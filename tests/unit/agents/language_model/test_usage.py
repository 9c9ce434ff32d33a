"""Whatever a provider says that a call cost, it is at least what the texts need and at most what they allow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.agents.language_model.usage import OVERHEAD_TOKENS, Bounds, Said, count, tokens_of
from middlewatch.records import Tokens

COUNT = st.none() | st.integers(min_value=0, max_value=2**70)
SOUND = Said(prompt=1000, cached=600, cache_written=100, output=90, thought=40)


def test_what_is_possible_is_believed() -> None:
    found = tokens_of(SOUND, Bounds(4000, 2000), 200)
    assert found == Tokens(input=300, cached=600, cache_written=100, output=90, reasoning=40)


@given(COUNT, COUNT, COUNT, COUNT, COUNT, st.integers(0, 10**6), st.integers(1, 32_000), st.integers(0, 10**5))
def test_nothing_else_is(  # noqa: PLR0917  each part by itself
    prompt: int | None,
    cached: int | None,
    kept: int | None,
    output: int | None,
    thought: int | None,
    sent: int,
    most: int,
    written: int,
) -> None:
    found = tokens_of(Said(prompt, cached, kept, output, thought), Bounds(sent, most), written)
    assert sent // 24 <= found.prompt <= sent + OVERHEAD_TOKENS
    assert written // 24 <= found.output <= max(most, written)
    assert found.reasoning <= found.output


def test_where_nothing_is_said_it_is_rather_too_much() -> None:
    found = tokens_of(Said(None, None, None, None, None), Bounds(3000, 2000), 300)
    assert (found.prompt, found.output) == (1000, 100)
    assert Bounds(3000, 2000).doubtful == Tokens(input=1000, output=2000)


@pytest.mark.parametrize("value", [-1, 1.5, True, "7", None, [7], {}])
def test_what_is_no_count_is_none(value: Any) -> None:
    assert count({"a": {"b": value}}, "a", "b") is None
    assert count(value, "a") is None
    assert count({"a": {"b": 7}}, "a", "b") == 7
