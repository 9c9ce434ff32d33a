"""Block Kit: messages that hold foreign text and stay within Slack's limits, whatever the text is.

Text is never mrkdwn. Everything that is read stands in rich text, whose elements Slack takes literally: nothing in them is a
mention, a link or a format unless the element says so. The short text of a notification, which Slack does parse, is escaped.

The limits are those of https://docs.slack.dev/reference/block-kit, and of chat.postMessage, which refuses blocks that are too long
together: at about 13,000 characters with the braces around them, as measured in slackapi/bolt-js issues 2509 and 2867.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from middlewatch.frontends.quotation import Quotation

Block = dict[str, Any]
Element = dict[str, Any]

MOST_BLOCKS = 50
MOST_CHARACTERS = 9000
"""Of all blocks of a message as JSON (chosen: two thirds of what was measured, for nobody promises it)."""
BLOCK_CHARACTERS = 3000
"""Of the text of one block. Documented for a section; rich text is held to it as well."""
HEADER_CHARACTERS = 150
BUTTON_CHARACTERS = 75
VALUE_CHARACTERS = 2000
NOTIFICATION_CHARACTERS = 300
"""Of the text of a notification (chosen, not derived: what fits a telephone's screen)."""
CONFIRM_CHARACTERS = 300
TITLE_CHARACTERS = 24
"""Of a modal's title and of the words on its buttons."""
ERROR_CHARACTERS = 150
"""Of what stands below an input (chosen, not derived)."""
_RESERVED = 300
"""Characters kept for the line that says how much was left out."""

SAY = Quotation()


@dataclass(frozen=True, slots=True)
class Part:
    """Blocks that stand together, or not at all."""

    blocks: tuple[Block, ...]
    otherwise: tuple[Block, ...] = ()
    """What stands in their place where there is no room for them."""


@dataclass(frozen=True, slots=True)
class Content:
    """A message."""

    text: str
    """What a notification says; escaped."""
    blocks: tuple[Block, ...]


def units(text: str) -> int:
    """How long Slack may take a text for: in UTF-16 code units, of which no way of counting finds more."""
    return len(text.encode("utf-16-le")) // 2


def clip(text: str, most: int) -> str:
    """The beginning of a text."""
    if units(text) <= most:
        return text
    kept = text.encode("utf-16-le")[: 2 * (most - 1)].decode("utf-16-le", "ignore")
    return kept.rstrip() + "…"


def _clean(text: str, most: int) -> str:
    """The beginning of a text as one line that nobody obeys. What lies far behind the end is not even looked at."""
    looked_at = text[: 2 * most]
    return clip(SAY.clean(looked_at) + ("…" if len(looked_at) < len(text) else ""), most)


def notification(text: str) -> str:
    """A line that Slack parses, so that nothing in it is a mention, a link or an entity."""
    shown = _clean(text, NOTIFICATION_CHARACTERS)
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str, most: int) -> Element:
    """A text object whose text is taken literally; a blank where there is none, which Slack refuses."""
    return {"type": "plain_text", "text": _clean(text, most).strip() or "-", "emoji": False}


# Elements of rich text


def words(text: str, *, bold: bool = False, code: bool = False, most: int = BLOCK_CHARACTERS) -> Element:
    """Foreign or own words on one line."""
    style = {name: True for name, wanted in (("bold", bold), ("code", code)) if wanted}
    return {"type": "text", "text": _clean(text, most) or " "} | ({"style": style} if style else {})


def break_() -> Element:
    """A new line."""
    return {"type": "text", "text": "\n"}


def link(url: str, text: str) -> Element:
    """A link; `url` is made by middlewatch alone."""
    return {"type": "link", "url": url, "text": _clean(text, BUTTON_CHARACTERS)}


def mention(user: str) -> Element:
    """Somebody, who is told; `user` is an id from the policy."""
    return {"type": "user", "user_id": user}


# Blocks


def header(text: str) -> Block:
    """A heading."""
    return {"type": "header", "text": plain(text, HEADER_CHARACTERS)}


def paragraph(*elements: Element) -> Block:
    """Lines of text; what is too long for one block is cut."""
    return _rich({"type": "rich_text_section", "elements": _within(elements, BLOCK_CHARACTERS)})


def entry(label: str, text: str, *, most: int = BLOCK_CHARACTERS - 100) -> Block:
    """A label and what it is about."""
    return paragraph(words(f"{label}: ", bold=True, most=90), words(text, most=most))


def items(lines: Sequence[Sequence[Element]]) -> Block:
    """A list; each line is cut so that all have room."""
    room = BLOCK_CHARACTERS // max(1, len(lines))
    elements = [{"type": "rich_text_section", "elements": _within(line, room)} for line in lines]
    return _rich({"type": "rich_text_list", "style": "bullet", "elements": elements})


def literal(lines: Sequence[str]) -> tuple[Block, ...] | None:
    """Lines as they are, to the last character, each in a block of its own; None where one does not fit.

    Characters that hide or move others are shown as escapes, and so are all but the first of spaces in a row; nothing is cut.
    """
    blocks = []
    for line in lines:
        if units(line) > BLOCK_CHARACTERS:
            return None
        text = SAY.clean(re.sub(r"(?<= ) | $", r"\\x20", line))
        if not text or units(text) > BLOCK_CHARACTERS:
            return None
        blocks.append(_rich({"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]}))
    return tuple(blocks)


def buttons(name: str, *elements: Element) -> Block:
    """A row of buttons; `name` is the block's id."""
    return {"type": "actions", "block_id": clip(name, 255), "elements": list(elements)}


def button(action: str, text: str, value: str, *, style: str = "", confirm: Element | None = None) -> Element:
    """A button. Its value is made by middlewatch, and short."""
    if units(value) > VALUE_CHARACTERS:
        message = f"a button's value has {units(value)} characters"
        raise ValueError(message)
    made: Element = {"type": "button", "action_id": action, "text": plain(text, BUTTON_CHARACTERS), "value": value}
    return made | ({"style": style} if style else {}) | ({"confirm": confirm} if confirm else {})


def confirmation(title: str, text: str, yes: str) -> Element | None:
    """The dialog before a button does something; None where the text does not fit whole."""
    if units(text) > CONFIRM_CHARACTERS or units(SAY.clean(text)) > CONFIRM_CHARACTERS:
        return None
    return {
        "title": plain(title, 100),
        "text": plain(text, CONFIRM_CHARACTERS),
        "confirm": plain(yes, 30),
        "deny": plain("Back", 30),
    }


def size(blocks: Sequence[Block]) -> int:
    """Characters of blocks as JSON."""
    return sum(units(json.dumps(block, ensure_ascii=False, separators=(",", ":"))) + 1 for block in blocks)


def fit(parts: Sequence[Part], *, most: int = MOST_BLOCKS, characters: int = MOST_CHARACTERS, more: str = "") -> tuple[Block, ...]:
    """As many of the parts as fit, in their order; what has no room gives way to what stands in its place, or is counted.

    Args:
        parts: the most important first.
        most: blocks.
        characters: of all of them as JSON.
        more: where the rest can be read.
    """
    kept: list[Block] = []
    blocks_left, characters_left, left_out = most - 1, characters - _RESERVED, 0
    later = [block for part in parts for block in part.otherwise]  # what must have room whatever comes first
    later_size = size(later)
    later_count = len(later)
    for part in parts:
        later_size, later_count = later_size - size(part.otherwise), later_count - len(part.otherwise)
        for blocks in filter(None, (part.blocks, part.otherwise)):
            length = size(blocks)
            if len(blocks) <= blocks_left - later_count and length <= characters_left - later_size:
                kept += blocks
                blocks_left, characters_left = blocks_left - len(blocks), characters_left - length
                break
        else:
            left_out += bool(part.blocks)
    if left_out:
        kept.append(paragraph(words(f"{left_out} more parts have no room here{f'; {more}' if more else ''}.", most=_RESERVED // 2)))
    return tuple(kept)


def _rich(element: Element) -> Block:
    return {"type": "rich_text", "elements": [element]}


def _within(elements: Sequence[Element], room: int) -> list[Element]:
    """The first elements that have room, the last of them cut."""
    kept: list[Element] = []
    for element in elements:
        length = units(element.get("text", "")) or 1
        if length <= room:
            kept.append(element)
            room -= length
        elif room > 1 and element["type"] == "text":
            kept.append(element | {"text": clip(element["text"], room)})
            break
        else:
            break
    return kept or [{"type": "text", "text": " "}]
