"""One call after the other of one dialogue: set aside what it may cost, ask, settle what it did cost, and keep a record of it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

from middlewatch.agents.language_model.reach import Reach
from middlewatch.agents.language_model.retrying import pause
from middlewatch.agents.language_model.seam import LanguageModel, ModelFailure, Reply, Request
from middlewatch.agents.reasoning.bounded import bounded
from middlewatch.agents.reasoning.size import request_tokens
from middlewatch.records import CallOutcome, Claim, ModelCall, Purpose, Tokens, UtcDatetime

GRACE_SECONDS = 1.0
"""That an implementation of the seam may be late; after it the call is given up from the outside (chosen, not derived)."""

UNCERTAIN: Final = frozenset({CallOutcome.TIMED_OUT, CallOutcome.CANCELLED})
"""How a call ends of which nobody knows what it cost: what was set aside for it stays spent."""


class Reservation(Protocol):
    """What was set aside for one call. Where nobody settles it, it stays spent."""

    def settle(self, tokens: Tokens) -> None:
        """Give back what was not needed."""
        ...


class Account(Protocol):
    """What an investigation may still spend."""

    def reserve(self, tokens: Tokens) -> Reservation:
        """Set aside what a call may take at most.

        Raises:
            ModelFailure: that is more than is left; its outcome is `over_budget`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Price:
    """What tokens of a model cost."""

    dollars: Callable[[Tokens], float | None] = lambda _: None
    """None where it is not known."""
    dated: str = ""


class Unlimited:
    """An account that refuses nothing; for evaluations and tests."""

    def reserve(self, tokens: Tokens) -> Reservation:  # noqa: ARG002  as the protocol has it
        """Nothing is set aside."""
        return self

    def settle(self, tokens: Tokens) -> None:
        """Nothing was."""


def believed(said: Tokens, most: Tokens) -> Tokens:
    """What is counted of what a provider says: no more than was set aside, so that no budget is overdrawn by calls in flight.

    Args:
        said: by the provider.
        most: that the texts can be, and that the model was allowed to write; `input` is all that it reads.
    """
    cached = min(said.cached, most.input)
    kept = min(said.cache_written, most.input - cached)
    fresh = min(said.input, most.input - cached - kept)
    wrote = min(said.output, most.output)
    return Tokens(input=fresh, cached=cached, cache_written=kept, output=wrote, reasoning=min(said.reasoning, wrote))


@dataclass(slots=True)
class Caller:
    """Asks one model for one agent, within its account."""

    model: LanguageModel
    claim: Claim
    """Of the task that it is for."""
    agent: str
    purpose: Purpose
    account: Account = field(default_factory=Unlimited)
    price: Price = Price()
    kept: Callable[[ModelCall], None] = lambda _: None
    """Told of every call, as soon as it is over."""
    clock: Callable[[], UtcDatetime] = lambda: datetime.now(UTC)
    reach: Reach = field(default_factory=Reach)
    """What is known of the model's server: no call is made, and nothing set aside for one, that is known to be of no use."""
    calls: list[ModelCall] = field(default_factory=list)

    def ask(self, request: Request, *, seconds: float, cancelled: threading.Event) -> Reply:
        """One call; another where the first came to nothing, may succeed the second time, and may have been billed.

        Raises:
            ModelFailure: it came to nothing, there was no budget for it, or it was known to be of no use.
        """
        ends = time.monotonic() + seconds
        try:
            return self._once(request, seconds, cancelled)
        except ModelFailure as failure:
            rest = pause(1, None, random.random())  # noqa: S311  jitter
            left = ends - time.monotonic() - rest
            if not failure.again or left <= 0 or cancelled.wait(rest):
                raise
        return self._once(request, left, cancelled)

    def _once(self, request: Request, seconds: float, cancelled: threading.Event) -> Reply:
        at, began = self.clock(), time.monotonic()
        most = Tokens(input=request_tokens(request), output=request.most_tokens)
        investigation = self.claim.task.investigation
        try:
            self.reach.check(investigation)
            reserved = self.account.reserve(most)
        except ModelFailure as failure:
            self._keep(at, began, failure.tokens, failure=failure)
            raise
        try:
            reply = self._reply(request, most, seconds, cancelled)
        except ModelFailure as failure:
            self.reach.failed(failure, investigation)
            tokens = believed(failure.tokens, most)
            self._keep(at, began, tokens, failure=failure)
            if failure.outcome not in UNCERTAIN or tokens != Tokens():
                reserved.settle(tokens)
            raise
        self.reach.answered()
        tokens = believed(reply.tokens, most)
        self._keep(at, began, tokens, reply=reply)  # first: who dies between the two leaves no cost out
        reserved.settle(tokens)
        return reply

    def _reply(self, request: Request, most: Tokens, seconds: float, cancelled: threading.Event) -> Reply:
        try:
            return bounded(
                lambda: self.model.respond(request, seconds=seconds, cancelled=cancelled), seconds + GRACE_SECONDS, cancelled
            )
        except TimeoutError:
            raise ModelFailure("The model did not answer in time.", CallOutcome.TIMED_OUT) from None
        except ModelFailure:
            raise
        except Exception as error:  # whatever an answer breaks, its call is recorded, and the rules stand
            message = f"What the model sent cannot be read ({type(error).__name__})."
            raise ModelFailure(message, CallOutcome.MALFORMED, tokens=most) from error

    def _keep(
        self, at: UtcDatetime, began: float, tokens: Tokens, *, reply: Reply | None = None, failure: ModelFailure | None = None
    ) -> None:
        call = ModelCall(
            id=f"{self.claim.task.id}-{self.claim.attempt}-{len(self.calls) + 1}",
            tenant=self.claim.task.tenant,
            investigation=self.claim.task.investigation,
            agent=self.agent,
            purpose=self.purpose,
            provider=self.model.provider,
            model=self.model.name,
            started_at=at,
            seconds=round(time.monotonic() - began, 3),
            attempts=reply.attempts if reply else failure.attempts if failure else 0,
            outcome=failure.outcome if failure else CallOutcome.ANSWERED,
            problem=failure.message if failure else "",
            tokens=tokens,
            dollars=self.price.dollars(tokens) if tokens != Tokens() else 0.0,
            priced_at=self.price.dated,
        )
        self.calls.append(call)
        self.kept(call)
