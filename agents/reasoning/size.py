"""How many tokens a text is at most, without the tokenizer of any model.

Tokenizers begin with bytes and join them, so no text has more tokens than bytes: what is not ASCII counts by its bytes, and each
digit, sign and blank as a token of its own. Only letters are taken to be joined, and only where they read like a word. In our own
English three letters are a token at least. What others wrote may be words of no language: in a quotation (`quoting`), which no
text can end, it is two letters, and one where they cannot be spoken or change their case at random.

Nobody can prove more of a tokenizer that is not known: one may be made that joins no letters. So this is checked against one
(docs/measurements/prompts.md), and where a provider says that it read more, its count holds from then on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from middlewatch.agents.language_model.seam import Asked, Request, Turn
from middlewatch.agents.reasoning.quoting import CLOSES, OPENS

LETTERS_OF_A_TOKEN: Final = 3
"""Of a word of ours: common English words are one token."""
QUOTED_LETTERS_OF_A_TOKEN: Final = 2
"""Of what others wrote: syllables without sense are joined in pairs, hardly ever less."""
LONGEST_WORD: Final = 16
SHORTEST_PART: Final = 3
"""Letters of a part of a name such as `getCartById`, on average; where they are shorter, it is no name."""
OVERHEAD: Final = 12
"""Tokens around each turn and tool: roles, names, ends (chosen, above what providers document)."""
KEPT: Final = 256
"""Texts whose count is kept: every call of a dialogue sends what the one before it sent, and all agents begin alike. A few MB."""

_PIECES = re.compile(r"[A-Za-z]+|(?P<blank> )(?=[!-~])|[^\x00-\x7f]+|[\x00-\x7f]")
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_STRANGE = re.compile(r"(?i)[bcdfghjklmnpqrstvwxz]{5}|[aeiouy]{4}|[jqxz].?[jqxz]|q[^u]|[jqvxz][bcdfghjklmnpqrstvwxz]")
_QUOTED = re.compile(f"({OPENS}[^{CLOSES}]*{CLOSES}?)")


@lru_cache(maxsize=KEPT)
def tokens_at_most(text: str) -> int:
    """An upper bound of the tokens of a text; half as much again as our own English takes."""
    return sum(size for _, size in _sizes(text))


def _sizes(text: str) -> Iterable[tuple[int, int]]:
    """Where each piece of a text ends, and the tokens of it."""
    at = 0
    for part in _QUOTED.split(text):
        letters = QUOTED_LETTERS_OF_A_TOKEN if part.startswith(OPENS) else LETTERS_OF_A_TOKEN
        for found in _PIECES.finditer(part):
            yield at + found.end(), 0 if found["blank"] else _piece(found[0], letters)  # one blank goes with the word after it
        at += len(part)


def _piece(piece: str, letters: int) -> int:
    if not piece.isascii() or not piece.isalpha():
        return len(piece.encode("utf-8", "surrogatepass"))
    parts = _PARTS.findall(piece)
    if len(parts) > 1 and len(piece) < SHORTEST_PART * len(parts):
        return len(piece)
    return sum(len(part) if len(part) > LONGEST_WORD or _STRANGE.search(part) else -(-len(part) // letters) for part in parts)


def request_tokens(request: Request) -> int:
    """The same of all that a request has a model read."""
    tools = (f"{tool.name} {tool.description} {json.dumps(dict(tool.schema))}" for tool in request.tools)
    answer = [] if request.answer is None else [json.dumps(dict(request.answer.schema))]
    texts = [request.system, *tools, *answer]
    return sum(tokens_at_most(text) + OVERHEAD for text in texts) + sum(map(_turn, request.turns))


def cut_to(text: str, most: int) -> str:
    """The beginning of a text that is at most so many tokens; where something is missing it ends with an ellipsis."""
    if tokens_at_most(text) <= most:
        return text
    used, end, room = 0, 0, most - len("…".encode())
    for ends, size in _sizes(text):
        used += size
        if used > room:
            break
        end = ends
    return text[:end] + "…"


def _turn(turn: Turn) -> int:
    if isinstance(turn, Asked):
        return sum(tokens_at_most(text) + OVERHEAD for text in (turn.text, *(result.text for result in turn.results)))
    calls = (f"{call.name} {OPENS}{json.dumps(dict(call.arguments), ensure_ascii=False)}{CLOSES}" for call in turn.calls)
    texts = (f"{OPENS}{turn.thoughts}{CLOSES}" if turn.thoughts else "", f"{OPENS}{turn.text}{CLOSES}", *calls)
    said = sum(tokens_at_most(text) + OVERHEAD for text in texts if text)
    return max(said, turn.tokens + OVERHEAD)
