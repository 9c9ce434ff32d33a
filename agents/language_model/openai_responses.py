"""OpenAI's Responses API, with the package `openai`. Nothing is stored there: every request has the whole dialogue.

Caching is by prefix and by itself; requests of one prefix are sent to one cache by a key that is made of that prefix. From gpt-5.6
on a prefix is found again only where a breakpoint ended it, so turns that say so get one.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

import httpx2
import openai

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
from middlewatch.agents.language_model.seam import NOTHING, AnswerSpec, Asked, Replied, Reply, Request, ToolSpec
from middlewatch.agents.language_model.transport import limits, model_client
from middlewatch.agents.language_model.usage import Bounds, Said, count, tokens_of, written_bytes
from middlewatch.records import CallOutcome, Tokens

NAME: Final = "openai"

_HANDED_BACK: Final = frozenset({"message", "function_call", "reasoning"})


class OpenAIResponses:
    """The dialect."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._place = connection.place
        self._client = openai_client(connection)

    def body(self, request: Request) -> dict[str, Any]:
        """The body of the HTTP request."""
        body: dict[str, Any] = {
            "model": self._connection.model,
            "instructions": request.system,
            "input": self._input(request),
            "max_output_tokens": request.most_tokens,
            "store": False,
            "prompt_cache_key": _cache_key(request),
        }
        if self._connection.effort:
            body["reasoning"] = {"effort": request.effort.value}
            body["include"] = ["reasoning.encrypted_content"]  # nothing is stored, so its thoughts have to be handed back
        if request.tools:
            body["tools"] = [_tool(tool) for tool in request.tools]
        if request.answer is not None:
            body["text"] = {"format": _format(request.answer)}
        return body

    async def send(self, body: dict[str, Any], seconds: float) -> Received:
        """Send it once.

        Raises:
            Trouble: it was answered with an error.
        """
        try:
            raw = await self._client.responses.with_raw_response.create(**body, timeout=limits(seconds))
        except openai.APIStatusError as error:
            raise refusal(self._connection, error) from None
        return Received(raw.content, raw.headers.get("x-request-id"))

    def tokens(self, answer: Json, bounds: Bounds) -> Tokens:
        """What it cost."""
        usage = answer.get("usage")
        said = Said(
            prompt=count(usage, "input_tokens"),
            cached=count(usage, "input_tokens_details", "cached_tokens"),
            cache_written=count(usage, "input_tokens_details", "cache_write_tokens"),
            output=count(usage, "output_tokens"),
            thought=count(usage, "output_tokens_details", "reasoning_tokens"),
        )
        return tokens_of(said, bounds, written_bytes(answer.get("output")))

    def reply(self, answer: Json, request: Request) -> Reply:
        """What the answer says.

        Raises:
            Trouble: it is no answer, or the model refused, or was cut off.
        """
        if answer.get("object") != "response":
            raise malformed(self._place, "sent an answer that is no response")
        self._check_status(answer)
        items = objects(answer.get("output"), self._place, "output")
        check_size(list(items), request, self._place)
        text = "".join(self._said(item) for item in items if item.get("type") == "message")
        asked = [item for item in items if item.get("type") == "function_call"]
        calls = checked_calls(
            [tool_call(item.get("call_id"), item.get("name"), item.get("arguments"), self._place) for item in asked], self._place
        )
        found = None if calls else answer_in(text, request)
        shown = [item.get(name) for item in items if item.get("type") == "reasoning" for name in ("summary", "content")]
        return Reply(Replied(text, calls, (NAME, items), thoughts=json.dumps(shown) if any(shown) else ""), NOTHING, found)

    def _check_status(self, answer: Json) -> None:
        match answer.get("status"), answer.get("incomplete_details"):
            case "completed", _:
                return
            case "incomplete", {"reason": "content_filter"}:
                raise Trouble("The model's answer was held back by its provider's filter.", CallOutcome.REFUSED)
            case "incomplete", _:
                raise cut()
            case "failed", _:
                raise Trouble(f"{self._place} failed while the model answered.", CallOutcome.FAILED)
        raise malformed(self._place, "sent an answer of no known state")

    def _said(self, item: Json) -> str:
        parts = objects(item.get("content"), self._place, "content")
        if any(part.get("type") == "refusal" for part in parts):
            raise Trouble("The model refused to answer.", CallOutcome.REFUSED)
        return "".join(text_of(part.get("text"), self._place, "a text") for part in parts if part.get("type") == "output_text")

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()

    def _input(self, request: Request) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        for turn in request.turns:
            if isinstance(turn, Replied):
                items += _replied(turn)
                continue
            items += [{"type": "function_call_output", "call_id": r.call.id, "output": r.text} for r in turn.results]
            if turn.text:
                part: dict[str, Any] = {"type": "input_text", "text": turn.text}
                if turn.cached and self._connection.breakpoints:
                    part["prompt_cache_breakpoint"] = {"mode": "explicit"}
                items.append({"type": "message", "role": "user", "content": [part]})
        return items


def openai_client(connection: Connection) -> openai.AsyncOpenAI:
    """A client of the package that asks once, and sends only what it is told to."""
    key = connection.key
    return openai.AsyncOpenAI(
        api_key=key.get_secret_value() if key is not None else "none",
        base_url=connection.url,
        max_retries=0,
        http_client=model_client(connection),
    )


def refusal(connection: Connection, error: openai.APIStatusError) -> Trouble:
    """What an answer with an error status comes to."""
    response = error.response
    try:
        body = json_object(response.content, connection.place, "an error")
    except (Trouble, httpx2.ResponseNotRead):
        body = None
    return refused(connection.place, response.status_code, response.headers, body, key_name=connection.key_name)


def _cache_key(request: Request) -> str:
    """The same for all requests that begin the same; it says nothing of what they say."""
    shared = [turn.text for turn in request.turns if isinstance(turn, Asked) and turn.cached]
    return "middlewatch-" + hashlib.sha256(json.dumps([request.system, *shared]).encode()).hexdigest()[:24]


def _tool(tool: ToolSpec) -> dict[str, Any]:
    # not strict: that form wants every argument, and ours have defaults; whoever runs the tool checks them anyway
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.schema),
        "strict": False,
    }


def _format(answer: AnswerSpec) -> dict[str, Any]:
    """The form of the answer. It stands before all else in the cache, so its name is no other for another dialogue."""
    return {"type": "json_schema", "name": "answer", "schema": dict(answer.schema), "strict": True}


def _replied(turn: Replied) -> list[dict[str, Any]]:
    """As the model sent it; its thoughts only where they came whole, for without that the server looks for what it never stored."""
    match turn.raw:
        case (name, list(items)) if name == NAME:
            kept = [dict(item) for item in items if item.get("type") in _HANDED_BACK]
            return [item for item in kept if item["type"] != "reasoning" or item.get("encrypted_content")]
    said: list[dict[str, Any]] = []
    if turn.text:
        said.append({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": turn.text}]})
    return said + [
        {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": json.dumps(dict(call.arguments))}
        for call in turn.calls
    ]
