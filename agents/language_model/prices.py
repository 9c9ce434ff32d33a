"""What a call of a language model costs: a dated list of prices, which the user's own go before."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydantic import Field

from middlewatch.records import Record, Tokens

_MILLION = 1_000_000
_DATED = re.compile(r"-\d{8}$|-\d{4}-\d{2}-\d{2}$")
"""A snapshot of a model is named by its day and costs what the model does."""


class Price(Record):
    """US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float = Field(ge=0, description="read from the provider's cache")
    cache_written: float = Field(ge=0, description="read and kept there")

    def dollars(self, tokens: Tokens) -> float:
        """What these tokens cost."""
        read = tokens.input * self.input + tokens.cached * self.cached + tokens.cache_written * self.cache_written
        return round((read + tokens.output * self.output) / _MILLION, 6)


@dataclass(frozen=True, slots=True)
class Priced:
    """A price, and since when it is known to be one."""

    price: Price
    at: str
    """A day such as 2026-11-06; 'models.toml' where the user wrote it."""


def listed_price(provider: str, model: str) -> Priced | None:
    """The price on the list that comes with middlewatch; None where the model is not on it."""
    prices = _list().get(provider, {})
    return prices.get(model) or prices.get(_DATED.sub("", model))


@cache
def _list() -> Mapping[str, Mapping[str, Priced]]:
    """Model -> price, of each provider."""
    written = tomllib.loads(files(__package__).joinpath("prices.toml").read_text(encoding="utf-8"))
    return {
        provider: {
            model: Priced(Price.model_validate(price), entries["date"].isoformat())
            for model, price in entries.items()
            if model != "date"
        }
        for provider, entries in written.items()
    }
