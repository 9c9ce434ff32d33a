"""Calls of language models as a report has them, for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from middlewatch.records import CallOutcome, ModelCall, ModelWork, Purpose, Report, Tokens
from tests.report_finding import finding

AT = datetime(2026, 11, 21, 1, 50, tzinfo=UTC)


def call(number: int, agent: str = "metrics", **update: object) -> ModelCall:
    """One that was answered in two seconds for a cent."""
    made = ModelCall(
        id=f"call-{number}",
        tenant="default",
        investigation=finding().investigation,
        agent=agent,
        purpose=Purpose.REASON,
        provider="anthropic",
        model="model-m",
        started_at=AT + timedelta(seconds=number),
        seconds=2.0,
        outcome=CallOutcome.ANSWERED,
        tokens=Tokens(input=1000, cached=3000, cache_written=500, output=200, reasoning=50),
        dollars=0.01,
        priced_at="2026-11-01",
    )
    return made.model_copy(update=update)


CALLS = (
    call(1),
    call(2, seconds=4.0),
    call(3, "challenger", outcome=CallOutcome.TIMED_OUT, tokens=Tokens(), dollars=None, provider="compatible", model='m "x"\x1b'),
    call(4, "writer", outcome=CallOutcome.OVER_BUDGET, tokens=Tokens(), dollars=0.0),
)


def reasoned(calls: tuple[ModelCall, ...] = CALLS) -> Report:
    """A report in which models worked."""
    return finding().model_copy(update={"models": ModelWork(calls=calls)})
