"""Chat completions, as Ollama, vLLM and gateways serve them, with the package `openai` at a base URL.

Such servers differ. The form of an answer is forced by its schema only where no tools are offered: with both, many of them force
the form on every reply, and no tool is ever called. With tools the form is asked for in words, and read out of the text.
"""

from __future__ import annotations

import json
from typing import Any, Final

import openai
from pydantic import JsonValue

from middlewatch.agents.language_model.connection import Connection
from middlewatch.agents.language_model.decoding import (
    Json,
    answer_in,
    check_size,
    checked_calls,
    cut,
    malformed,
    objects,
    text_of,
    tool_call,
)
from middlewatch.agents.language_model.openai_responses import openai_client, refusal
from middlewatch.agents.language_model.remote import Received
from middlewatch.agents.language_model.retrying import Trouble
from middlewatch.agents.language_model.seam import NOTHING, Replied, Reply, Request, ToolCall
from middlewatch.agents.language_model.transport import limits
from middlewatch.agents.language_model.usage import Bounds, Said, count, tokens_of
from middlewatch.records import CallOutcome, Tokens

_ENDED: Final = frozenset({"stop", "tool_calls", "function_call"})


class ChatCompletions:
    """The dialect."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._place = connection.place
        self._client = openai_client(connection)

    def body(self, request: Request) -> dict[str, Any]:
        """The body of the HTTP request."""
        body: dict[str, Any] = {
            "model": self._connection.model,
            "max_tokens": request.most_tokens,
            "messages": [{"role": "system", "content": _system(request)}, *_messages(request)],
        }
        if self._connection.effort:
            body["reasoning_effort"] = request.effort.value
        if request.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)},
                }
                for tool in request.tools
            ]
        elif request.answer is not None:
            form = {"name": request.answer.name, "schema": dict(request.answer.schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body

    async def send(self, body: dict[str, Any], seconds: float) -> Received:
        """Send it once.

        Raises:
            Trouble: it was answered with an error.
        """
        try:
            raw = await self._client.chat.completions.with_raw_response.create(**body, timeout=limits(seconds))
        except openai.APIStatusError as error:
            raise refusal(self._connection, error) from None
        return Received(raw.content, raw.headers.get("x-request-id"))

    def tokens(self, answer: Json, bounds: Bounds) -> Tokens:
        """What it cost."""
        usage = answer.get("usage")
        said = Said(
            prompt=count(usage, "prompt_tokens"),
            cached=count(usage, "prompt_tokens_details", "cached_tokens"),
            cache_written=count(usage, "prompt_tokens_details", "cache_write_tokens"),
            output=count(usage, "completion_tokens"),
            thought=count(usage, "completion_tokens_details", "reasoning_tokens"),
        )
        return tokens_of(said, bounds, _written(answer.get("choices")))

    def reply(self, answer: Json, request: Request) -> Reply:
        """What the answer says.

        Raises:
            Trouble: it is no answer, or the model refused, or was cut off.
        """
        choices = objects(answer.get("choices"), self._place, "choices")
        message = choices[0].get("message") if len(choices) == 1 else None
        if not isinstance(message, dict):
            raise malformed(self._place, "sent an answer that is no chat completion")
        why = choices[0].get("finish_reason")
        if message.get("refusal") or why == "content_filter":
            raise Trouble("The model refused to answer.", CallOutcome.REFUSED)
        if why == "length":
            raise cut()
        if why not in _ENDED:
            raise malformed(self._place, "sent an answer that did not end")
        check_size(message, request, self._place)
        text = text_of(message.get("content"), self._place, "a text")
        asked = objects(message.get("tool_calls") or [], self._place, "calls")
        turn = len(request.turns)  # of ids that are made up: no two of a dialogue may be the same
        calls = checked_calls([self._call(f"call-{turn}-{n}", call) for n, call in enumerate(asked)], self._place)
        found = None if calls else answer_in(text, request, lenient=True)
        return Reply(Replied(text, calls), NOTHING, found)

    def _call(self, identifier: str, call: Json) -> ToolCall:
        function = call.get("function")
        if not isinstance(function, dict):
            raise malformed(self._place, "sent a call of no function")
        return tool_call(call.get("id") or identifier, function.get("name"), function.get("arguments"), self._place)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()


def _system(request: Request) -> str:
    if request.answer is None or not request.tools:
        return request.system
    schema = json.dumps(dict(request.answer.schema))
    return (
        f"{request.system}\n\nOnce you need no more tools, answer with one JSON object of this schema and nothing else:\n{schema}"
    )


def _messages(request: Request) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for turn in request.turns:
        if isinstance(turn, Replied):
            messages.append(_replied(turn))
            continue
        messages += [{"role": "tool", "tool_call_id": result.call.id, "content": result.text} for result in turn.results]
        if turn.text:
            messages.append({"role": "user", "content": turn.text})
    return messages


def _replied(turn: Replied) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": turn.text}
    if turn.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments))}}
            for call in turn.calls
        ]
    return message


def _written(choices: JsonValue) -> int:
    """Bytes that the model wrote and that are to be seen."""
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    return len(json.dumps([message.get(name) for name in ("content", "tool_calls")]).encode()) if isinstance(message, dict) else 0
