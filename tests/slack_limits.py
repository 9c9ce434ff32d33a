"""What Slack takes: the documented limits of Block Kit, checked as the Web API does, by nothing that the face itself uses.

https://docs.slack.dev/reference/block-kit. Only what the face may use is known; anything else is a fault. The limit on all blocks
together is documented nowhere: 12,000 characters of text are what Slack's people named (slackapi/bolt-js#2509).
"""

from __future__ import annotations

import json
import re
from typing import Any

_PARSED = re.compile(r"<(?!\Z)|>|&(?!(?:amp|lt|gt);)")
"""What Slack would obey in a text that it parses."""
_USER = re.compile(r"[UW][A-Z0-9]{1,31}")
_GROUP = re.compile(r"S[A-Z0-9]{1,31}")
_TEXTS_TOGETHER = 12_000
_JSON_TOGETHER = 13_000


class Fault(AssertionError):
    """Slack would refuse it."""


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "strict")) // 2


def need(condition: object, what: str) -> None:
    if not condition:
        raise Fault(what)


def check_notification(text: str) -> None:
    """The text beside blocks, which is parsed."""
    need(isinstance(text, str) and text, "a text")
    need(units(text) <= 4000, "text of at most 4,000 characters")
    need(not _PARSED.search(text), f"nothing in the text that is obeyed: {text!r}")


def check_message(blocks: list[dict[str, Any]]) -> None:
    need(1 <= len(blocks) <= 50, f"at most 50 blocks, not {len(blocks)}")
    _check(blocks, {"header", "rich_text", "actions", "divider"})
    need(_texts(blocks) <= _TEXTS_TOGETHER, f"msg_blocks_too_long: {_texts(blocks)} characters of text")
    need(units(json.dumps(blocks, ensure_ascii=False)) <= _JSON_TOGETHER, "msg_blocks_too_long as JSON")


def check_view(view: dict[str, Any]) -> None:
    need(view["type"] == "modal", "a modal")
    need(
        set(view) <= {"type", "callback_id", "private_metadata", "title", "submit", "close", "blocks"}, f"known fields: {set(view)}"
    )
    for name in ("title", "submit", "close"):
        if name in view:
            _plain(view[name], 24)
    need(units(view.get("private_metadata", "")) <= 3000, "3,000 characters of private metadata")
    need(units(view.get("callback_id", "")) <= 255, "255 characters of a callback id")
    need(1 <= len(view["blocks"]) <= 100, "at most 100 blocks")
    has_input = any(block["type"] == "input" for block in view["blocks"])
    need(not has_input or "submit" in view, "a modal with an input needs a submit button")
    _check(view["blocks"], {"header", "rich_text", "divider", "input"})
    need(len(json.dumps(view)) <= 250_000, "250 KB of a view")


def _check(blocks: list[dict[str, Any]], kinds: set[str]) -> None:
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    need(len(set(ids)) == len(ids), f"block ids that differ: {ids}")
    for block in blocks:
        kind = block.get("type")
        need(kind in kinds, f"a known kind of block, not {kind!r}")
        need(units(block.get("block_id", "x")) <= 255, "255 characters of a block id")
        _BLOCKS[str(kind)](block)


def _fields(value: dict[str, Any], required: set[str], optional: frozenset[str] = frozenset()) -> None:
    need(isinstance(value, dict), "an object")
    need(
        required <= set(value) <= required | optional | {"type", "block_id"}, f"fields {required} and {set(optional)}: {set(value)}"
    )


def _plain(value: dict[str, Any], most: int) -> None:
    _fields(value, {"text"}, frozenset({"emoji"}))
    need(value["type"] == "plain_text", "plain text")
    need(1 <= units(value["text"]) <= most, f"1 to {most} characters, not {units(value['text'])}")
    need(value.get("emoji") is False, "no emoji out of text")


def _header(block: dict[str, Any]) -> None:
    _fields(block, {"text"})
    _plain(block["text"], 150)


def _divider(block: dict[str, Any]) -> None:
    _fields(block, set())


def _input(block: dict[str, Any]) -> None:
    _fields(block, {"label", "element"}, frozenset({"optional"}))
    _plain(block["label"], 2000)
    element = block["element"]
    _fields(element, {"action_id"}, frozenset({"multiline", "max_length"}))
    need(element["type"] == "plain_text_input", "a text input")
    need(1 <= element.get("max_length", 1) <= 3000, "at most 3,000 characters of input")


def _actions(block: dict[str, Any]) -> None:
    _fields(block, {"elements"})
    need(1 <= len(block["elements"]) <= 25, "1 to 25 elements")
    ids = [element["action_id"] for element in block["elements"]]
    need(len(set(ids)) == len(ids), "action ids that differ")
    for element in block["elements"]:
        _fields(element, {"text", "action_id", "value"}, frozenset({"style", "confirm"}))
        need(element["type"] == "button", "a button")
        _plain(element["text"], 75)
        need(units(element["value"]) <= 2000, "2,000 characters of value")
        need(units(element["action_id"]) <= 255, "255 characters of an action id")
        need(element.get("style", "primary") in {"primary", "danger"}, "a style")
        if "confirm" in element:
            dialog = element["confirm"]
            _fields(dialog, {"title", "text", "confirm", "deny"})
            for name, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
                _plain(dialog[name], most)


def _rich_text(block: dict[str, Any]) -> None:
    _fields(block, {"elements"})
    need(block["elements"], "an element")
    total = 0
    for element in block["elements"]:
        kind = element["type"]
        if kind == "rich_text_list":
            _fields(element, {"elements", "style"})
            need(element["style"] in {"bullet", "ordered"}, "a style of lists")
            need(element["elements"], "a line")
            for line in element["elements"]:
                need(line["type"] == "rich_text_section", "lines are sections")
                total += _section(line)
        else:
            need(kind in {"rich_text_section", "rich_text_preformatted"}, f"a known element, not {kind!r}")
            total += _section(element, only_text=kind == "rich_text_preformatted")
    need(total <= 3000, f"3,000 characters in a block, not {total}")


def _section(element: dict[str, Any], *, only_text: bool = False) -> int:
    _fields(element, {"elements"})
    need(element["elements"], "an element")
    total = 0
    for part in element["elements"]:
        match part["type"]:
            case "text":
                _fields(part, {"text"}, frozenset({"style"}))
                need(part["text"], "a text that is not empty")
                need(set(part.get("style", {})) <= {"bold", "code"}, "a known style")
                total += units(part["text"])
            case "link" if not only_text:
                _fields(part, {"url", "text"})
                need(part["url"].startswith(("https://", "http://")), "a link of ours")
                total += units(part["text"])
            case "user" if not only_text:
                _fields(part, {"user_id"})
                need(_USER.fullmatch(part["user_id"]), "a user's id")
            case "usergroup" if not only_text:
                _fields(part, {"usergroup_id"})
                need(_GROUP.fullmatch(part["usergroup_id"]), "a group's id")
            case "broadcast" if not only_text:
                _fields(part, {"range"})
                need(part["range"] in {"here", "channel", "everyone"}, "a known range")
            case other:
                raise Fault(f"an element {other!r}")
    return total


_BLOCKS = {"header": _header, "divider": _divider, "input": _input, "actions": _actions, "rich_text": _rich_text}


def _texts(value: Any) -> int:
    if isinstance(value, dict):
        return sum(units(item) if name == "text" and isinstance(item, str) else _texts(item) for name, item in value.items())
    return sum(map(_texts, value)) if isinstance(value, list) else 0


def texts_in(value: Any) -> list[str]:
    """Everything that is read."""
    if isinstance(value, dict):
        return [
            text
            for name, item in value.items()
            for text in ([item] if name == "text" and isinstance(item, str) else texts_in(item))
        ]
    return [text for item in value for text in texts_in(item)] if isinstance(value, (list, tuple)) else []
