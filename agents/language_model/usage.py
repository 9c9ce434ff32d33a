"""What a call cost, as its provider says, within what the texts allow: a wrong usage block is bounded, never believed blindly."""

from __future__ import annotations

import json
from dataclasses import dataclass

from pydantic import JsonValue

from middlewatch.records import Tokens

FEWEST_BYTES_OF_TOKEN = 1
"""No tokenizer makes more tokens of a text than it has bytes in UTF-8."""
MOST_BYTES_OF_TOKEN = 24
"""Prose has 4 on average; runs of blanks and long words more. Chosen, not derived: six times the average."""
UNSAID_BYTES_OF_TOKEN = 3
"""Where nothing is said: a little dearer than prose is."""
OVERHEAD_TOKENS = 2000
"""That a provider may add to a prompt by itself, for tools and answers of a given form; at most some 700 are documented."""
SEALED_BYTES_OF_TOKEN = 4
"""Of what is handed back and cannot be read here, such as encrypted thoughts in base64: prose of 4 bytes a token takes 5.3."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the tokens of one call can be, whatever is said of them."""

    sent: int
    """Bytes of the request."""
    most_output: int
    """That the model was allowed to write."""

    def prompt(self, said: int | None) -> int:
        """All that was read."""
        if said is None:
            return -(-self.sent // UNSAID_BYTES_OF_TOKEN)
        return min(max(said, self.sent // MOST_BYTES_OF_TOKEN), self.sent // FEWEST_BYTES_OF_TOKEN + OVERHEAD_TOKENS)

    def output(self, said: int | None, written: int) -> int:
        """All that was written, where so many bytes of it came back."""
        least, most = written // MOST_BYTES_OF_TOKEN, max(self.most_output, written // FEWEST_BYTES_OF_TOKEN)
        return min(-(-written // UNSAID_BYTES_OF_TOKEN), most) if said is None else min(max(said, least), most)

    @property
    def doubtful(self) -> Tokens:
        """What a request may have cost whose answer never came."""
        return Tokens(input=self.prompt(None), output=self.most_output)


@dataclass(frozen=True, slots=True)
class Said:
    """What a provider says of one call; None where it says nothing, or no number."""

    prompt: int | None
    """All that was read, cached or not."""
    cached: int | None
    """Of that, from the cache."""
    cache_written: int | None
    """Of that, kept in the cache."""
    output: int | None
    """All that was written."""
    thought: int | None
    """Of that, what the model thought."""


def tokens_of(said: Said, bounds: Bounds, written: int) -> Tokens:
    """The tokens of a call.

    Args:
        said: by its provider.
        bounds: of this call.
        written: bytes that the model wrote, as they came back.
    """
    read = bounds.prompt(said.prompt)
    cached = min(said.cached or 0, read)
    kept = min(said.cache_written or 0, read - cached)
    wrote = bounds.output(said.output, written)
    return Tokens(
        input=read - cached - kept, cached=cached, cache_written=kept, output=wrote, reasoning=min(said.thought or 0, wrote)
    )


def read_again(output: int, raw: object) -> int:
    """The tokens of a reply that is handed back, as far as its texts do not say themselves, whatever its provider says.

    Args:
        output: tokens that it took to write.
        raw: what is handed back; None where it is made up of the texts.
    """
    return output if raw is None else max(output, written_bytes(raw) // SEALED_BYTES_OF_TOKEN)


def written_bytes(raw: object) -> int:
    """Bytes of what came back, of thoughts and all; 0 where nothing did."""
    return len(json.dumps(raw, ensure_ascii=False).encode()) if raw else 0


def count(block: JsonValue, *path: str) -> int | None:
    """A count in a usage block; None where there is none, or it is none."""
    for name in path:
        block = block.get(name) if isinstance(block, dict) else None
    return block if isinstance(block, int) and not isinstance(block, bool) and block >= 0 else None
