"""Anthropic's Messages API, with the package `anthropic`.

Caching: a prefix of tools, system text and turns is read from the cache where it is the same to the byte, so all agents must be
given the same tools and the same form of answer. Breakpoints stand at the system text, at turns that say so, and, where tools may
be called and so another request is likely, at the last turn.
"""

from __future__ import annotations

from typing import Any, Final, cast

import anthropic
import httpx2

from middlewatch.agents.language_model.connection import Connection
from middlewatch.agents.language_model.decoding import (
    Json,
    answer_in,
    check_size,
    checked_calls,
    cut,
    json_object,
    malformed,
    objects,
    text_of,
    tool_call,
)
from middlewatch.agents.language_model.http_errors import refused
from middlewatch.agents.language_model.remote import Received
from middlewatch.agents.language_model.retrying import Trouble
from middlewatch.agents.language_model.seam import NOTHING, Asked, Replied, Reply, Request
from middlewatch.agents.language_model.transport import limits, model_client
from middlewatch.agents.language_model.usage import Bounds, Said, count, tokens_of, written_bytes
from middlewatch.records import CallOutcome, Tokens

NAME: Final = "anthropic"
MOST_CACHED_TURNS: Final = 2
"""Of the four breakpoints that a request may have; the system text and the last turn take one each."""

_VERSION: Final = {"anthropic-version": "2023-06-01"}
"""Of the API, in which this is written."""
_EPHEMERAL: Final = {"type": "ephemeral"}
_ENDED: Final = frozenset({"end_turn", "stop_sequence", "tool_use"})
_CUT: Final = frozenset({"max_tokens", "model_context_window_exceeded"})


class AnthropicMessages:
    """The dialect."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._place = connection.place
        key = connection.key
        self._client = anthropic.AsyncAnthropic(
            api_key=key.get_secret_value() if key is not None else "none",
            base_url=connection.url,
            max_retries=0,
            open_telemetry=False,
            http_client=model_client(connection, _VERSION),
        )

    def body(self, request: Request) -> dict[str, Any]:
        """The body of the HTTP request."""
        body: dict[str, Any] = {
            "model": self._connection.model,
            "max_tokens": request.most_tokens,
            "system": [{"type": "text", "text": request.system, "cache_control": _EPHEMERAL}],
            "messages": _messages(request),
        }
        if self._connection.thinking:
            body["thinking"] = {"type": self._connection.thinking}
        output: dict[str, Any] = {"effort": request.effort.value} if self._connection.effort else {}
        if request.tools:
            body["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": dict(tool.schema)} for tool in request.tools
            ]
        if request.answer is not None:
            # what its schemas may not say, such as a smallest number, is told in the description
            output["format"] = {"type": "json_schema", "schema": anthropic.transform_schema(dict(request.answer.schema))}
        if output:
            body["output_config"] = output
        return body

    async def send(self, body: dict[str, Any], seconds: float) -> Received:
        """Send it once.

        Raises:
            Trouble: it was answered with an error.
        """
        try:
            raw = await self._client.messages.with_raw_response.create(**body, timeout=limits(seconds))
        except anthropic.APIStatusError as error:
            raise self._refused(error.response) from None
        response = raw.http_response
        return Received(response.content, response.headers.get("request-id"))

    def _refused(self, response: httpx2.Response) -> Trouble:
        try:
            body = json_object(response.content, self._place, "an error")
        except (Trouble, httpx2.ResponseNotRead):
            body = None
        return refused(self._place, response.status_code, response.headers, body, key_name=self._connection.key_name)

    def tokens(self, answer: Json, bounds: Bounds) -> Tokens:
        """What it cost. The prompt is told in three parts here, of which none is in another."""
        usage = answer.get("usage")
        fresh, read, kept = (
            count(usage, name) for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        )
        said = Said(
            prompt=None if fresh is None else fresh + (read or 0) + (kept or 0),
            cached=read,
            cache_written=kept,
            output=count(usage, "output_tokens"),
            thought=count(usage, "output_tokens_details", "thinking_tokens"),
        )
        return tokens_of(said, bounds, written_bytes(answer.get("content")))

    def reply(self, answer: Json, request: Request) -> Reply:
        """What the answer says.

        Raises:
            Trouble: it is no answer, or the model refused, or was cut off.
        """
        why = answer.get("stop_reason")
        if why == "refusal":
            raise Trouble("The model refused to answer.", CallOutcome.REFUSED)
        if why in _CUT:
            raise cut()
        if answer.get("type") != "message" or why not in _ENDED:
            raise malformed(self._place, "sent an answer that is no message")
        blocks = objects(answer.get("content"), self._place, "content")
        check_size(cast("list[Any]", blocks), request, self._place)
        text = "".join(text_of(block.get("text"), self._place, "a text") for block in blocks if block.get("type") == "text")
        asked = [block for block in blocks if block.get("type") == "tool_use"]
        calls = checked_calls(
            [tool_call(block.get("id"), block.get("name"), block.get("input"), self._place) for block in asked], self._place
        )
        if why == "tool_use" and not calls:
            raise malformed(self._place, "announced a call of a tool and sent none")
        found = None if calls else answer_in(text, request)
        thoughts = "".join(str(block.get("thinking", "")) for block in blocks)
        return Reply(Replied(text, calls, (NAME, blocks), thoughts=thoughts), NOTHING, found)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()


def _messages(request: Request) -> list[dict[str, Any]]:
    """Turns that alternate, as the protocol wants them; the last breakpoints that are asked for."""
    messages: list[dict[str, Any]] = []
    marked = [turn for turn in request.turns if isinstance(turn, Asked) and turn.cached][-MOST_CACHED_TURNS:]
    for turn in request.turns:
        role, blocks = ("user", _asked(turn)) if isinstance(turn, Asked) else ("assistant", _replied(turn))
        if blocks and any(turn is one for one in marked):
            blocks[-1]["cache_control"] = _EPHEMERAL
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        elif blocks:
            messages.append({"role": role, "content": blocks})
    if request.tools and messages and messages[-1]["role"] == "user":
        messages[-1]["content"][-1]["cache_control"] = _EPHEMERAL
    return messages


def _asked(turn: Asked) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = [
        {"type": "tool_result", "tool_use_id": result.call.id, "content": result.text, "is_error": result.failed}
        for result in turn.results
    ]
    return results + ([{"type": "text", "text": turn.text}] if turn.text else [])


def _replied(turn: Replied) -> list[dict[str, Any]]:
    """As the model sent it, its thoughts included, which it wants to have back; made up where another model said it."""
    match turn.raw:
        case (name, list(blocks)) if name == NAME:
            return [dict(block) for block in blocks]
    text = [{"type": "text", "text": turn.text}] if turn.text else []
    calls = [{"type": "tool_use", "id": call.id, "name": call.name, "input": dict(call.arguments)} for call in turn.calls]
    return [*text, *calls]
