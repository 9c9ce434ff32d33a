"""What a provider with a prompt cache would bill for a request: the real body of Anthropic's protocol, by the documented rules.

A prefix of tools, form of the answer, system text and messages that ends at a breakpoint is kept for five minutes from its last
use, and can be read once the model that it was sent to has begun to answer. Requests that are sent meanwhile read it afresh, and
keep it themselves. Another form of the answer is another prefix.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from middlewatch.agents.language_model.allowed_hosts import AllowedHosts
from middlewatch.agents.language_model.anthropic_messages import AnthropicMessages
from middlewatch.agents.language_model.connection import Connection, ProviderName
from middlewatch.agents.language_model.seam import Request
from middlewatch.agents.reasoning.size import OVERHEAD, tokens_at_most
from middlewatch.records import Tokens

FIRST_TOKEN_SECONDS: Final = 1.8
"""Until a model begins to answer, cached or not: as measured by others for a model of this size, on prompts of this length."""
TOKENS_A_SECOND: Final = 63.0
"""That it writes from then on: likewise."""
LIVES_SECONDS: Final = 300.0
LEAST_TOKENS: Final = 2048
"""Of a prefix that is kept. Documented as 1,024 for models of this size; users have measured twice that."""
CHARACTERS: Final = 3.0
"""Of a token, of JSON and plain English: the low end of what is said of tokenizers (3 to 4.5)."""


def likely(text: str) -> int:
    """Tokens of a text, as they are likely to be counted."""
    return round(len(text) / CHARACTERS)


class PromptCache:
    """One provider's, with one way to count tokens. Safe to use from many threads."""

    def __init__(self, counted: Callable[[str], int] = tokens_at_most) -> None:
        self._counted = counted
        self._there: dict[str, tuple[float, float]] = {}
        """Prefix -> from when, and until when it can be read."""
        self._lock = threading.Lock()
        allowed = AllowedHosts.of(["api.anthropic.com"])
        url = "https://api.anthropic.com"
        self._dialect = AnthropicMessages(Connection(ProviderName.ANTHROPIC, "m", url, None, "", allowed, effort=True))

    def tokens(self, request: Request, answer: str, at: float) -> Tokens:
        """What is billed.

        Args:
            request: what is asked.
            answer: all that the model writes.
            at: seconds by any clock, when it was sent.
        """
        with self._lock:
            read, begun, kept = self._prompt(request, at)
        return Tokens(input=read - kept, cached=begun, cache_written=kept - begun, output=self._counted(answer))

    def _prompt(self, request: Request, at: float) -> tuple[int, int, int]:
        """Tokens of all of it, up to where it was found, and up to where it is kept."""
        size = begun = kept = 0
        prefix = hashlib.sha256()
        marks: list[str] = []
        for text, ends in _parts(self._dialect.body(request)):
            prefix.update(text.encode() + b"\0")
            size += self._counted(text) + OVERHEAD
            since, until = self._there.get(prefix.hexdigest(), (at + 1, at))
            if since <= at <= until:
                begun = size
                self._there[prefix.hexdigest()] = since, at + LIVES_SECONDS
            if ends and size >= LEAST_TOKENS:
                kept = size
                marks.append(prefix.hexdigest())
        for mark in marks:
            since, until = self._there.get(mark, (at, 0.0))
            if until < at:
                self._there[mark] = at + FIRST_TOKEN_SECONDS, at + LIVES_SECONDS
        return size, begun, max(kept, begun)


def _parts(body: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """The prompt in its order, each part with whether a breakpoint ends it."""
    for tool in body.get("tools", []):
        yield json.dumps(tool), False
    yield json.dumps(body.get("output_config", {}).get("format", {})), False
    for block in body["system"]:
        yield block["text"], "cache_control" in block
    for message in body["messages"]:
        for block in message["content"]:
            yield _text(block), "cache_control" in block


def _text(block: dict[str, Any]) -> str:
    match block["type"]:
        case "text":
            return str(block["text"])
        case "tool_result":
            return str(block["content"])
        case _:
            return json.dumps(block)
