"""A language model behind HTTP: one call is requests until one is answered, in time, and whatever goes wrong is a `ModelFailure`.

What a provider's protocol looks like is its dialect; how it is asked again, timed, cancelled and bounded is the same for all.
"""

from __future__ import annotations

import json
import threading
import weakref
from dataclasses import dataclass, replace
from typing import Any, Protocol

from middlewatch.agents.language_model.connection import Connection
from middlewatch.agents.language_model.decoding import Json, json_object, request_id
from middlewatch.agents.language_model.in_flight import Dropped, Line
from middlewatch.agents.language_model.retrying import Tally, Trouble, persist
from middlewatch.agents.language_model.seam import NOTHING, ModelFailure, Reply, Request
from middlewatch.agents.language_model.transport import lost
from middlewatch.agents.language_model.usage import Bounds, read_again
from middlewatch.records import CallOutcome, Tokens


@dataclass(frozen=True, slots=True)
class Received:
    """What came back, as it was on the wire."""

    content: bytes
    request_id: str | None


class Dialect(Protocol):
    """What one protocol says and means."""

    def body(self, request: Request) -> dict[str, Any]:
        """The body of the HTTP request."""
        ...

    async def send(self, body: dict[str, Any], seconds: float) -> Received:
        """Send it once. What the provider's package throws beside that means that no answer came.

        Raises:
            Trouble: it was answered with an error.
        """
        ...

    def tokens(self, answer: Json, bounds: Bounds) -> Tokens:
        """What the answer says that it cost, within bounds. It never fails: what is wrong in it is as good as not there."""
        ...

    def reply(self, answer: Json, request: Request) -> Reply:
        """What the answer says; its tokens are not filled in.

        Raises:
            Trouble: it is no answer, or the model refused, or was cut off.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class RemoteModel:
    """One model of one provider. Where nobody closes it, it is closed once nobody holds it any more."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self.provider, self.name, self.host = connection.provider.value, connection.model, connection.host
        self._place = connection.place
        self._dialect = dialect
        self._line = Line()
        self._closed = weakref.finalize(self, self._line.close, dialect.close)
        self._closed.atexit = False  # the thread is a daemon

    def respond(self, request: Request, *, seconds: float, cancelled: threading.Event) -> Reply:
        """Ask once, as `LanguageModel.respond` says.

        Raises:
            ModelFailure: whatever the reason.
        """
        if cancelled.is_set():
            raise ModelFailure("The call was cancelled.", CallOutcome.CANCELLED, attempts=0)
        if seconds <= 0:
            raise ModelFailure("There was no time left for the call.", CallOutcome.TIMED_OUT, attempts=0)
        body, tally = self._dialect.body(request), Tally()
        bounds = Bounds(len(json.dumps(body, ensure_ascii=False).encode()), request.most_tokens)
        try:
            received = self._line.run(
                lambda: persist(lambda left: self._sent(body, left), tally, seconds=seconds),
                seconds=seconds,
                cancelled=cancelled,
            )
        except Dropped:
            raise _failed("The call was cancelled.", CallOutcome.CANCELLED, tally, bounds) from None
        except TimeoutError:
            raise _failed(f"{self._place} did not answer within {seconds:.3g} s.", CallOutcome.TIMED_OUT, tally, bounds) from None
        except Trouble as trouble:
            failure = _failed(trouble.message, trouble.outcome, tally, bounds, remedy=trouble.remedy)
            failure.again, failure.obstacle = trouble.again and trouble.billed, trouble.obstacle
            raise failure from None
        return self._understood(received, request, tally, bounds)

    async def _sent(self, body: dict[str, Any], seconds: float) -> Received:
        try:
            return await self._dialect.send(body, seconds)
        except Trouble:
            raise
        except Exception as error:  # noqa: BLE001  whatever a provider's package throws, none of it leaves the seam
            raise lost(self._place, error) from None

    def _understood(self, received: Received, request: Request, tally: Tally, bounds: Bounds) -> Reply:
        tokens = bounds.doubtful
        try:
            answer = json_object(received.content, self._place, "an answer")
            tokens = self._dialect.tokens(answer, bounds)
            reply = self._dialect.reply(answer, request)
        except Trouble as trouble:
            raise _failed(trouble.message, trouble.outcome, tally, bounds, tokens=tokens, remedy=trouble.remedy) from None
        spent = _all(tokens, tally, bounds)
        turn = replace(reply.turn, tokens=read_again(tokens.output, reply.turn.raw))
        return replace(reply, turn=turn, tokens=spent, attempts=tally.sent, request_id=request_id(received.request_id))

    def close(self) -> None:
        """Drop what is under way and let go of connections."""
        self._closed()


def _all(tokens: Tokens, tally: Tally, bounds: Bounds) -> Tokens:
    return sum((bounds.doubtful for _ in range(tally.doubtful)), tokens)


def _failed(
    message: str, outcome: CallOutcome, tally: Tally, bounds: Bounds, *, tokens: Tokens = NOTHING, remedy: str = ""
) -> ModelFailure:
    spent = _all(tokens, tally, bounds)
    return ModelFailure(message, outcome, tokens=spent, attempts=tally.sent, remedy=remedy)
