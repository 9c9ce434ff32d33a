"""What calls of language models add up to: by day, agent and model, small enough to be kept beside a headline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date

from pydantic import Field

from middlewatch.records.base import Record
from middlewatch.records.language_model import CallOutcome, ModelCall, Tokens

_UNTOLD = frozenset({CallOutcome.TIMED_OUT, CallOutcome.CANCELLED, CallOutcome.FAILED})
"""Of calls that ended so, no provider says what they took."""


class ModelSum(Record):
    """Calls together."""

    calls: int = Field(default=0, ge=0, description="that were made, with their retries")
    unanswered: int = Field(default=0, ge=0, description="of these: refused, cut, given up, failed, malformed or cancelled")
    not_made: int = Field(default=0, ge=0, description="beside these: calls that a budget did not allow")
    bounded: int = Field(default=0, ge=0, description="of the calls: nobody said what they took, so the most is counted")
    tokens: Tokens = Tokens()
    dollars: float | None = Field(
        default=0.0, ge=0.0, description="of the calls whose price is known; null where nothing is known of what they cost"
    )
    unpriced: int = Field(default=0, ge=0, description="calls whose price is not known: what they cost comes on top")
    seconds: float = Field(default=0.0, ge=0.0, description="that calls took, added up; several run at a time")
    longest_seconds: float = Field(default=0.0, ge=0.0, description="that one call took")

    @property
    def mean_seconds(self) -> float | None:
        """That a call took; None where there was none."""
        return self.seconds / self.calls if self.calls else None

    def __add__(self, other: ModelSum) -> ModelSum:
        unpriced = self.unpriced + other.unpriced
        return ModelSum(
            calls=self.calls + other.calls,
            unanswered=self.unanswered + other.unanswered,
            not_made=self.not_made + other.not_made,
            bounded=self.bounded + other.bounded,
            tokens=self.tokens + other.tokens,
            dollars=_known(round((self.dollars or 0.0) + (other.dollars or 0.0), 6), unpriced),
            unpriced=unpriced,
            seconds=round(self.seconds + other.seconds, 3),
            longest_seconds=max(self.longest_seconds, other.longest_seconds),
        )

    @classmethod
    def of(cls, call: ModelCall) -> ModelSum:
        """One call."""
        if call.outcome is CallOutcome.OVER_BUDGET:
            return cls(not_made=1)
        return cls(
            calls=1,
            unanswered=int(call.outcome is not CallOutcome.ANSWERED),
            bounded=int(call.outcome in _UNTOLD and call.tokens != Tokens()),
            tokens=call.tokens,
            dollars=call.dollars,
            unpriced=int(call.dollars is None),
            seconds=call.seconds,
            longest_seconds=call.seconds,
        )


def _known(dollars: float, unpriced: int) -> float | None:
    """What is said of dollars: nothing where only calls that cost nothing, such as failed ones, have a price."""
    return None if unpriced and not dollars else dollars


class ModelSpend(Record):
    """What one agent's calls of one model on one day add up to, in one investigation."""

    day: date = Field(description="UTC, on which the calls began")
    agent: str = Field(description="an agent, or 'challenger', 'writer'")
    provider: str
    model: str
    sum: ModelSum


def spends(calls: Sequence[ModelCall]) -> tuple[ModelSpend, ...]:
    """The sums of an investigation's calls, in order of day, agent and model."""
    found: dict[tuple[date, str, str, str], ModelSum] = {}
    for call in calls:
        key = (call.started_at.astimezone(UTC).date(), call.agent, call.provider, call.model)
        found[key] = found.get(key, ModelSum()) + ModelSum.of(call)
    return tuple(
        ModelSpend(day=day, agent=agent, provider=provider, model=model, sum=added)
        for (day, agent, provider, model), added in sorted(found.items(), key=lambda item: item[0])
    )


def summed(rows: Iterable[ModelSpend]) -> ModelSum:
    """All together."""
    return sum((row.sum for row in rows), ModelSum())
