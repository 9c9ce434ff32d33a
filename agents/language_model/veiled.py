"""A language model without secrets: every text of a request is veiled as it leaves, and tool calls are unveiled as they come.

It stands around every model, whatever has been veiled before: what is veiled stays as it is, and what was forgotten is caught.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from pydantic import JsonValue

from middlewatch.agents.language_model.seam import Asked, LanguageModel, Replied, Reply, Request, ToolCall, Turn


class Veils(Protocol):
    """What veils and unveils; `context_store.placeholders.Placeholders` is it."""

    def veil(self, text: str) -> str:
        """The text as it may leave."""
        ...

    def unveil(self, text: str) -> str:
        """What was veiled, put back."""
        ...


@dataclass(frozen=True, slots=True)
class VeiledModel:
    """A model behind placeholders. What `respond` raises is the model's own."""

    model: LanguageModel
    veils: Veils

    @property
    def provider(self) -> str:
        return self.model.provider

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def host(self) -> str:
        return self.model.host

    def respond(self, request: Request, *, seconds: float, cancelled: threading.Event) -> Reply:
        """Ask with everything veiled. Tool calls of the reply name what is there, for nobody but the tools; its words do not.

        Words that it made up and that look like a secret are veiled at once: they are as long now as when they are handed back.
        """
        reply = self.model.respond(veiled(request, self.veils.veil), seconds=seconds, cancelled=cancelled)
        calls = tuple(_with_arguments(call, self.veils.unveil) for call in reply.turn.calls)
        return replace(reply, turn=replace(reply.turn, text=self.veils.veil(reply.turn.text), calls=calls))

    def close(self) -> None:
        self.model.close()


def veiled(request: Request, veil: Callable[[str], str]) -> Request:
    """A request as it leaves: every text of it veiled, so that it may be longer than before. Veiled again it stays as it is."""
    tools = tuple(replace(tool, description=veil(tool.description)) for tool in request.tools)
    turns = tuple(_turn(turn, veil) for turn in request.turns)
    return replace(request, system=veil(request.system), turns=turns, tools=tools)


def _turn(turn: Turn, veil: Callable[[str], str]) -> Turn:
    if isinstance(turn, Replied):  # `raw` is the provider's own form of what the model itself wrote: it has seen no secret
        return replace(turn, text=veil(turn.text), calls=tuple(_with_arguments(call, veil) for call in turn.calls))
    results = (replace(one, call=_with_arguments(one.call, veil), text=veil(one.text)) for one in turn.results)
    return Asked(veil(turn.text), tuple(results), turn.cached)


def _with_arguments(call: ToolCall, change: Callable[[str], str]) -> ToolCall:
    return replace(call, arguments=_changed(call.arguments, change))


def _changed(arguments: Mapping[str, JsonValue], change: Callable[[str], str]) -> dict[str, JsonValue]:
    return {name: _value(value, change) for name, value in arguments.items()}


def _value(value: JsonValue, change: Callable[[str], str]) -> JsonValue:
    match value:
        case str():
            return change(value)
        case list():
            return [_value(item, change) for item in value]
        case dict():
            return {name: _value(item, change) for name, item in value.items()}
        case _:
            return value
