"""A price is one that is on the list, with its day; of anything else the cost is not known, and never guessed."""

from __future__ import annotations

import re

import pytest

from middlewatch.agents.language_model.prices import Price, listed_price
from middlewatch.records import Tokens


def test_each_kind_of_token_has_its_price() -> None:
    price = Price(input=2, output=10, cached=0.1, cache_written=2.5)
    tokens = Tokens(input=1_000_000, cached=10_000_000, cache_written=400_000, output=100_000, reasoning=90_000)
    assert price.dollars(tokens) == pytest.approx(2 + 1 + 1 + 1)  # what it thought is part of what it wrote


def test_a_snapshot_costs_what_its_model_does() -> None:
    found = listed_price("anthropic", "claude-haiku-4-5-20251001")
    assert found is not None
    assert found == listed_price("anthropic", "claude-haiku-4-5")
    assert re.fullmatch(r"2026-\d\d-\d\d", found.at)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("anthropic", "claude-haiku-9"),
        ("anthropic", "gpt-6-sol"),
        ("compatible", "claude-sonnet-5"),
        ("anthropic", "date"),
        ("anthropic", "claude-sonnet-5-fast"),
    ],
)
def test_what_is_not_on_the_list_has_no_price(provider: str, model: str) -> None:
    assert listed_price(provider, model) is None


def test_what_is_cached_costs_less_than_what_is_read_and_that_less_than_what_is_written() -> None:
    for provider, model in (("anthropic", "claude-sonnet-5-5"), ("openai", "gpt-6.2-sol")):
        found = listed_price(provider, model)
        assert found is not None
        assert found.price.cached < found.price.input < found.price.cache_written < found.price.output
