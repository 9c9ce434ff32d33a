"""A server that is compatible with chat completions, as Ollama and vLLM document theirs."""

from __future__ import annotations

import itertools
import json
from typing import Any

from middlewatch.agents.language_model.scripted import Line
from tests.model_ends.anthropic_end import wrong_usage
from tests.model_ends.end import Answer, Fault, ModelEnd, check_strict, need
from tests.model_ends.openai_end import OpenAIEnd

_KEYS = {"model", "max_tokens", "messages", "tools", "response_format", "reasoning_effort"}
_OBJECT = "answer with one JSON object of this schema and nothing else:\n"


class ChatEnd(ModelEnd):
    """It has no key, and no cache that it tells of."""

    path = "/chat/completions"

    def __init__(self) -> None:
        super().__init__()
        self.key = None
        self._numbers = itertools.count(1)
        self._errors = OpenAIEnd()

    @property
    def url(self) -> str:
        return "/v1"

    def schema(self, body: dict[str, Any]) -> dict[str, Any] | None:
        if "response_format" in body:
            found: dict[str, Any] = body["response_format"]["json_schema"]["schema"]
            return found
        _, _, asked = body["messages"][0]["content"].partition(_OBJECT)
        return json.loads(asked) if asked else None

    def check(self, body: dict[str, Any]) -> None:
        need({"model", "messages"} <= set(body) <= _KEYS, f"the keys of a request: {sorted(body)}")
        need(not {"tools", "response_format"} <= set(body), "no forced form where tools are offered")
        for tool in body.get("tools", []):
            need(set(tool) == {"type", "function"} and tool["type"] == "function", "a tool")
            need(set(tool["function"]) == {"name", "description", "parameters"}, "a function")
        if "response_format" in body:
            form = body["response_format"]["json_schema"]
            need(set(form) == {"name", "schema", "strict"}, "a form")
            check_strict(form["schema"])
        messages = body["messages"]
        need([message["role"] for message in messages].count("system") == 1 and messages[0]["role"] == "system", "one system text")
        open_calls: list[str] = []
        for message in messages:
            match message["role"]:
                case "assistant":
                    need(not open_calls, "a result for each call")
                    open_calls = [call["id"] for call in message.get("tool_calls", [])]
                    need(len(set(open_calls)) == len(open_calls), "ids of calls")
                case "tool":
                    need(set(message) == {"role", "tool_call_id", "content"}, "a result")
                    open_calls.remove(message["tool_call_id"])
                case "user":
                    need(set(message) == {"role", "content"} and message["content"] and not open_calls, "a turn")
        need(messages[-1]["role"] in {"user", "tool"} and not open_calls, "the user's turn last")

    def answer(self, body: dict[str, Any], line: Line, fault: Fault | None) -> dict[str, Any]:
        number = next(self._numbers)
        text = json.dumps(dict(line.answer)) if line.answer is not None else line.text
        if line.answer is not None and "tools" in body:
            text = f"<think>Which form was it?</think>\n```json\n{text}\n```"
        calls = [
            {
                "id": f"call_{number}_{index}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(dict(arguments))},
            }
            for index, (name, arguments) in enumerate(line.calls)
        ]
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        why = "tool_calls" if calls else "stop"
        if fault is Fault.BAD_ARGUMENTS:
            calls = [{"id": "", "type": "function", "function": {"name": "metrics_of_service", "arguments": "[1]"}}]
        if calls:
            message["tool_calls"] = calls
        if fault is Fault.REFUSAL:
            message |= {"content": None, "refusal": "I am sorry."}
        if fault is Fault.CUT_SHORT:
            message["content"], why = '{"half', "length"
        prompt, wrote = len(json.dumps(body)) // 4, len(json.dumps(message)) // 4
        found: dict[str, Any] = {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": why, "logprobs": None}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": wrote, "total_tokens": prompt + wrote},
        }
        return wrong_usage(found, fault)

    def error(self, fault: Fault) -> Answer:
        return self._errors.error(fault)
