"""Requests with an idempotency key: repeated with the same key, one is done once and gets the same answer."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from pydantic import Field

from middlewatch.context_store.idempotency import Begun, Busy, Done, IdempotencyStore
from middlewatch.context_store.script import Server
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.records import Record, digest_of
from middlewatch.records.errors import BadInput, Conflict, MiddlewatchError


class KeyUsed(BadInput):
    """The idempotency key stands for another request."""


class UnderWay(Conflict):
    """The same request is being done."""

    seconds = 1
    """When it is worth asking again."""


class Answer(Record):
    """What a request was answered, as it is given again."""

    status: int = Field(ge=100, le=599)
    body: str
    media_type: str = "application/json"
    headers: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """One attempt at a request."""

    at: datetime
    """When the request was made first: the same in every attempt."""
    name: str = ""
    """Of the request, the same in every attempt and of no other request; empty where it has no key."""


def first_turn() -> Turn:
    """Of a request without a key."""
    return Turn(datetime.now(UTC))


class Idempotency:
    """The keyed requests of a tenant."""

    def __init__(self, server: Server, tenant: str) -> None:
        self._store = IdempotencyStore(server, tenant)

    def once(self, who: str, key: str, request: bytes, do: Callable[[Turn], Answer]) -> tuple[Answer, bool]:
        """Do a request, unless it was done.

        A process that dies after doing it and before keeping the answer leaves it to be done again: what `do` makes must follow
        from its `Turn`, so that it is made once.

        Args:
            who: whose key it is: another one's is another key.
            key: that they gave the request. It is kept as a digest alone.
            request: all that it asks.
            do: does it. What it raises is not kept: the request may be tried again.

        Returns:
            The answer; whether it was given before.

        Raises:
            KeyUsed: the key was given to another request.
            UnderWay: somebody does it now.
        """
        digest, holder = digest_of("once", who, key), uuid4().hex
        # Keyed with what is not kept, so that nobody who reads the store can try what a request may have held.
        fingerprint = hmac.new(key.encode(), request, hashlib.sha256).hexdigest()
        match self._store.begin(digest, fingerprint, holder):
            case Done(text):
                return record_from(Answer, text), True
            case Busy(seconds):
                problem = UnderWay(
                    remedy=f"Ask again in a moment; within {math.ceil(seconds)} s it is done, or may be tried again."
                )
                raise problem
            case Begun(since):
                turn = Turn(since, digest_of(digest, since.isoformat()))
            case _:
                raise KeyUsed(remedy="Give each request a key of its own, such as a new UUID.")
        try:
            answer = do(turn)
            text = text_of(answer)
        except BaseException:  # an interrupt too: while the key is held nobody can try again
            with suppress(MiddlewatchError):  # then its time runs out
                self._store.end(digest, holder, "")
            raise
        self._store.end(digest, holder, text)
        return answer, False
