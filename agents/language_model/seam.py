"""The seam to language models: what is asked, what comes back, and how it fails. No provider's word is known behind it.

A dialogue is a sequence of turns. A model answers with text, with calls of tools, or with a structured answer; whoever asks runs
the tools and goes on with their results. Every implementation passes tests/contract/test_language_models.py.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from pydantic import JsonValue

from middlewatch.records import CallOutcome, Tokens
from middlewatch.records.errors import MiddlewatchError

NOTHING = Tokens()


class Effort(StrEnum):
    """How much a model may think, where it can be told."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Obstacle(StrEnum):
    """What stands in the way of every call, and not of one alone."""

    UNREACHED = "unreached"
    """Its server could not be reached, however often it was tried."""
    DENIED = "denied"
    """Its server refuses the key, or knows no such model: somebody has to mend it."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool that a model may ask for."""

    name: str
    description: str
    schema: Mapping[str, JsonValue]
    """JSON schema of its arguments, an object."""


@dataclass(frozen=True, slots=True)
class AnswerSpec:
    """The structured answer that is asked for, by a JSON schema (an object; every property required, none additional)."""

    name: str
    schema: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a model asks to be run. Nothing of it is checked yet."""

    id: str
    name: str
    arguments: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of it, for the model to read."""

    call: ToolCall
    text: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A turn of whoever asks. `cached`: what stands up to here is the same in many requests, and worth caching."""

    text: str = ""
    results: tuple[ToolResult, ...] = ()
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Replied:
    """A turn of the model, as it has to be handed back to it; `raw` is the provider's own form."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    raw: Any = None
    tokens: int = 0
    """That it took to write, thoughts included, which it reads again where they are handed back; 0 where nobody knows."""
    thoughts: str = ""
    """What is to be seen of the thoughts that are handed back with it."""


Turn = Asked | Replied


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    system: str
    """Who the model is here; the same for every agent and round, and so the first thing that is cached."""
    turns: tuple[Turn, ...]
    tools: tuple[ToolSpec, ...] = ()
    answer: AnswerSpec | None = None
    """The form of its last word; None for plain text."""
    most_tokens: int = 2000
    """That it may write, thought included."""
    effort: Effort = Effort.LOW


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said."""

    turn: Replied
    tokens: Tokens
    answer: Mapping[str, JsonValue] | None = None
    """The structured answer, parsed from JSON, not checked; None where tools are asked for, none was wanted, or none came."""
    request_id: str = ""
    attempts: int = 1


class ModelFailure(MiddlewatchError):
    """The language model gave no answer."""

    obstacle: Obstacle | None = None
    """What other calls would meet as well; None where nothing is known of them."""

    def __init__(
        self,
        message: str,
        outcome: CallOutcome,
        *,
        tokens: Tokens = NOTHING,
        attempts: int = 1,
        remedy: str = "",
        again: bool = False,
    ) -> None:
        """A call that came to nothing: the provider's own exceptions never leave the seam.

        Args:
            message: why, in words, without anything that the model or a server wrote.
            outcome: of which sort.
            tokens: what it may have cost all the same.
            attempts: requests that were sent.
            remedy: what the reader can do about it.
            again: another call may succeed. This one may have been billed, so it is for whoever keeps the account to make it.
        """
        super().__init__(message, remedy=remedy)
        self.outcome, self.tokens, self.attempts, self.again = outcome, tokens, attempts, again


class LanguageModel(Protocol):
    """One model of one provider."""

    @property
    def provider(self) -> str:
        """Such as 'anthropic'."""
        ...

    @property
    def name(self) -> str:
        """The provider's own name of the model."""
        ...

    @property
    def host(self) -> str:
        """Where text goes, in lower case, without a port; it is on the list of allowed hosts."""
        ...

    def respond(self, request: Request, *, seconds: float, cancelled: threading.Event) -> Reply:
        """Ask once; what is worth repeating is repeated within the time, with jitter.

        Args:
            request: what is asked.
            seconds: after which it is given up, retries and all.
            cancelled: gives it up at once when it is set.

        Raises:
            ModelFailure: whatever the reason.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
