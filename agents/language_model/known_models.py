"""What models take by default, by their names: what a provider answers with 400 is not sent. `models.toml` goes before it."""

from __future__ import annotations

import re
from typing import Final

from middlewatch.agents.language_model.connection import ProviderName

_FIRST_WITH_BREAKPOINTS: Final = (5, 6)
"""Of OpenAI's models whose names begin with gpt: https://developers.openai.com/api/docs/guides/prompt-caching."""
_VERSION: Final = re.compile(r"gpt-(\d+)(?:\.(\d+))?(?:-|$)")
_REASONING: Final = re.compile(r"o\d|gpt-(?:[5-9]|\d\d)")
"""Of OpenAI's models; others answer 400 to `reasoning`."""
_WITHOUT_EFFORT: Final = re.compile(r"claude-(?:[23]|instant|(?:opus|sonnet)-4(?:-[01])?(?:-\d{8})?$|sonnet-4-5|haiku-4)")
"""Of Anthropic's models; those answer 400 to `effort`: https://platform.claude.com/docs/en/build-with-claude/effort (2026-10)."""
_THINKING: Final = {
    "claude-opus-5": "disabled",
    "claude-sonnet-5": "disabled",
    "claude-haiku-5-5": "disabled",
    "claude-sonnet-5-5": "between_tools",
}
"""Anthropic's models that think by default and need not, and the type of `thinking` that turns it off. Those before Claude 5 do not
unless they are told to; claude-opus-5-5 and the fables always do, and answer 400 to this:
https://platform.claude.com/docs/en/build-with-claude/thinking (2026-10)."""
_DATED: Final = re.compile(r"-\d{8}$")


def takes_effort(provider: ProviderName, model: str) -> bool:
    """Whether it can be told how much to think."""
    match provider:
        case ProviderName.ANTHROPIC:
            return _WITHOUT_EFFORT.match(model) is None
        case ProviderName.OPENAI:
            return _REASONING.match(model) is not None
        case ProviderName.COMPATIBLE:
            return False


def how_not_to_think(provider: ProviderName, model: str) -> str:
    """The type of `thinking` that keeps a model of Anthropic's from thinking before it answers; empty where there is none."""
    return _THINKING.get(_DATED.sub("", model), "") if provider is ProviderName.ANTHROPIC else ""


def takes_breakpoints(provider: ProviderName, model: str) -> bool:
    """openai: whether its cache wants to be told where a shared beginning ends."""
    found = _VERSION.match(model) if provider is ProviderName.OPENAI else None
    return found is not None and (int(found[1]), int(found[2] or 0)) >= _FIRST_WITH_BREAKPOINTS
