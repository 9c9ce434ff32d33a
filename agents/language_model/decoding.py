"""Reading what came back: JSON that is what it says it is, the structured answer in a text, and the arguments of calls."""

from __future__ import annotations

import json
import re
from typing import NoReturn, cast

from pydantic import JsonValue

from middlewatch.agents.language_model.retrying import Trouble
from middlewatch.agents.language_model.seam import Request, ToolCall
from middlewatch.records import CallOutcome

Json = dict[str, JsonValue]

MOST_CALLS = 32
"""Of tools in one reply; what is run of them is for whoever asked to decide."""
LONGEST_NAME = 200
SPARE_BYTES = 65_536
BYTES_OF_TOKEN = 16
"""A reply that is handed back may have so many bytes for each token that the model was allowed to write, and some to spare."""

MOST_LEVELS = 64
"""Of JSON; what is nested deeper is no answer, and more than can be walked through (chosen: tools and answers have five)."""

_FENCE = "```"
_THOUGHT, _THOUGHT_ENDS = "<think>", "</think>"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def malformed(host: str, what: str) -> Trouble:
    """A server or a model that keeps to no form."""
    return Trouble(f"{host} {what}.", CallOutcome.MALFORMED, billed=True)


def cut() -> Trouble:
    """An answer that is not whole."""
    return Trouble(
        "The model reached the most that it may write before it had answered.",
        CallOutcome.CUT,
        remedy="Raise `answer_tokens` in models.toml: what a model thinks counts in it.",
    )


def json_object(content: bytes | str, host: str, what: str) -> Json:
    """A JSON object.

    Raises:
        Trouble: it is none. NaN, infinities, numbers of thousands of digits and halves of characters are no JSON here, nor is what
            is nested too deep.
    """
    found = _object(content)
    if found is None:
        raise malformed(host, f"sent {what} that is no JSON object")
    return found


def _object(content: bytes | str) -> Json | None:
    try:
        found = json.loads(content, parse_constant=_refuse)
        if not isinstance(found, dict) or _levels(found) > MOST_LEVELS:
            return None
        json.dumps(found, ensure_ascii=False).encode()  # half of a surrogate pair is no text: nothing could send or store it
    except (ValueError, RecursionError):
        return None
    return cast("Json", found)


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _levels(found: JsonValue) -> int:
    """How deep JSON is nested; no more than one too many are counted."""
    level, deep = [found], 0
    while level and deep <= MOST_LEVELS:
        inner = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level, deep = [child for children in inner for child in children], deep + 1
    return deep


def answer_in(text: str, request: Request, *, lenient: bool = False) -> Json | None:
    """The structured answer in a text; None where none was asked for, or the text is no JSON object.

    Args:
        text: what the model wrote.
        request: what it was asked.
        lenient: take it out of a Markdown fence and from behind its thoughts, for servers that force no form on it.
    """
    if request.answer is None:
        return None
    return _object(_bare(text) if lenient else text)


def _bare(text: str) -> str:
    """Without thoughts before it and a fence around it. No regular expression: a hostile text keeps one busy for minutes."""
    text = text.strip()
    if text.startswith(_THOUGHT) and _THOUGHT_ENDS in text:
        text = text.partition(_THOUGHT_ENDS)[2].strip()
    if text.startswith(_FENCE) and text.endswith(_FENCE):
        text = text.strip("`").strip().removeprefix("json")
    return text


def objects(value: JsonValue, host: str, what: str) -> list[Json]:
    """A list of JSON objects.

    Raises:
        Trouble: it is none.
    """
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise malformed(host, f"sent no list of {what}")
    return cast("list[Json]", value)


def text_of(value: JsonValue, host: str, what: str) -> str:
    """A text; an empty one where there is null.

    Raises:
        Trouble: it is something else.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise malformed(host, f"sent {what} that is no text")
    return value


def tool_call(identifier: JsonValue, name: JsonValue, arguments: JsonValue, host: str) -> ToolCall:
    """A call of a tool; whether there is such a tool, and whether it takes such arguments, is for others to say.

    Args:
        identifier: the model's own.
        name: of the tool.
        arguments: an object, or one as JSON in a text; an empty text for none.
        host: who answered.

    Raises:
        Trouble: it is none.
    """
    if isinstance(arguments, str):
        arguments = json_object(arguments or "{}", host, "arguments of a tool")
    named = all(isinstance(each, str) and 0 < len(each) <= LONGEST_NAME for each in (identifier, name))
    if not named or not isinstance(arguments, dict):
        raise malformed(host, "sent a call of a tool without an id, a name or arguments")
    return ToolCall(str(identifier), str(name), arguments)


def checked_calls(calls: list[ToolCall], host: str) -> tuple[ToolCall, ...]:
    """The calls of a reply.

    Raises:
        Trouble: there are too many, or two have one id.
    """
    if len(calls) > MOST_CALLS or len({call.id for call in calls}) != len(calls):
        raise malformed(host, "sent too many calls of tools at once, or two of one id")
    return tuple(calls)


def check_size(raw: JsonValue, request: Request, host: str) -> int:
    """Bytes of what has to be handed back.

    Raises:
        Trouble: there are more than the model was allowed to write.
    """
    size = len(json.dumps(raw))
    if size > SPARE_BYTES + BYTES_OF_TOKEN * request.most_tokens:
        raise malformed(host, "sent a reply that is longer than it was allowed to be")
    return size


def request_id(text: str | None) -> str:
    """The provider's id of a request, for its support; empty where it is none."""
    return text if text is not None and _REQUEST_ID.fullmatch(text) else ""
