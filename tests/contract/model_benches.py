"""Every implementation of the seam, each with what stands behind it, so that one suite asks all of them the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from middlewatch.agents.language_model.allowed_hosts import AllowedHosts
from middlewatch.agents.language_model.connection import Connection, ProviderName
from middlewatch.agents.language_model.opening import open_model
from middlewatch.agents.language_model.scripted import Line, Script, ScriptedModel
from middlewatch.agents.language_model.seam import AnswerSpec, Asked, LanguageModel, Reply, Request, ToolSpec
from tests.model_ends.anthropic_end import AnthropicEnd
from tests.model_ends.chat_end import ChatEnd
from tests.model_ends.end import KEY, MODEL, ModelEnd, served
from tests.model_ends.openai_end import OpenAIEnd

ENDS: dict[ProviderName, type[ModelEnd]] = {
    ProviderName.ANTHROPIC: AnthropicEnd,
    ProviderName.OPENAI: OpenAIEnd,
    ProviderName.COMPATIBLE: ChatEnd,
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "claims": {"type": "array", "items": {"type": "string", "maxLength": 300}, "maxItems": 5},
        "probability": {"type": "number", "minimum": 0, "maximum": 1},
        "verdict": {"type": "string", "enum": ["stands", "refuted"]},
    },
    "required": ["claims", "probability", "verdict"],
    "additionalProperties": False,
}
ANSWER = AnswerSpec("reasoning", SCHEMA)
TOOL = ToolSpec(
    "metrics_of_service",
    "Metrics of one service.",
    {
        "type": "object",
        "properties": {"service": {"type": "string"}, "hours": {"type": "number", "default": 1}},
        "required": ["service"],
    },
)
QUESTION = Request("You look at metrics.", (Asked("What is known.", cached=True), Asked("What do you make of it?")))


@dataclass
class Bench:
    """A model, and the end behind it where there is one."""

    model: LanguageModel
    end: ModelEnd | None = None

    def says(self, *lines: Line) -> None:
        """What it says, in turn; the last line again and again."""
        said = iter([*lines[:-1]])

        def say(_: object) -> Line:
            return next(said, lines[-1])

        if self.end is not None:
            self.end.say = say
        elif isinstance(self.model, ScriptedModel):
            self.model.script = say

    def ask(self, request: Request = QUESTION, *, seconds: float = 20, cancelled: threading.Event | None = None) -> Reply:
        return self.model.respond(request, seconds=seconds, cancelled=cancelled or threading.Event())


def connection(
    provider: ProviderName, url: str, *, effort: bool = True, thinking: str = "", breakpoints: bool = True
) -> Connection:
    return Connection(
        provider,
        MODEL,
        url,
        None if provider is ProviderName.COMPATIBLE else SecretStr(KEY),
        "MIDDLEWATCH_TEST_KEY",
        AllowedHosts.of(["127.0.0.1"]),
        effort,
        thinking,
        breakpoints,
    )


@contextmanager
def remote(provider: ProviderName) -> Iterator[tuple[Bench, ModelEnd]]:
    end = ENDS[provider]()
    with served(end) as url:
        model = open_model(connection(provider, url))
        try:
            yield Bench(model, end), end
        finally:
            model.close()


@contextmanager
def scripted() -> Iterator[Bench]:
    unsaid: Script = lambda _: Line("It is as it is.")  # noqa: E731  one line of a script
    yield Bench(ScriptedModel(unsaid))
