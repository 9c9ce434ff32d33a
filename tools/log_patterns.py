"""Log patterns that differ only in words that vary, put together.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

WILD = "<*>"
SIMILAR = 0.6
"""Share of equal words from which two patterns of the same length count as one (Drain, He et al. 2017, uses .4 to .7)."""
LONGEST = 24
"""Words that are compared; what follows is mostly payload."""

_SPLIT = re.compile(r"[\s,;=()\[\]{}]+")
_DIGIT = re.compile(r"\d")
_LOCATION = re.compile(r".*(?:#|\.[A-Za-z]{1,4}:)\d{1,6}")
_LOCATION_WORDS = 6
"""A source location stands among the first words of a line, if anywhere."""


def merged(patterns: Iterable[tuple[str, ...]]) -> list[int]:
    """The group of each pattern, numbered from 0 in order of first appearance.

    Patterns of one service belong together where they name the same source location, or have the same number of words and
    the same first one, and enough words in common. Words with digits vary by nature.

    Args:
        patterns: service and pattern, in an order that does not depend on chance.
    """
    groups: dict[tuple[str, ...], list[tuple[list[str], int]]] = defaultdict(list)
    found: list[int] = []
    size = 0
    for service, pattern in patterns:
        words, location = _words(pattern)
        key = (service, location) if location else (service, "", str(len(words)), words[0] if words else "")
        known = next((i for other, i in groups[key] if _alike(other, words)), None)
        if known is None:
            known, size = size, size + 1
            groups[key].append((words, known))
        found.append(known)
    return found


def _words(pattern: str) -> tuple[list[str], str]:
    words = [word for word in _SPLIT.split(pattern) if word][:LONGEST]
    location = next((word for word in words[:_LOCATION_WORDS] if _LOCATION.fullmatch(word)), "")
    return [WILD if WILD in word or (word != location and _DIGIT.search(word)) else word for word in words], location


def _alike(one: Sequence[str], other: Sequence[str]) -> bool:
    return sum(a == b for a, b in zip(one, other, strict=False)) >= SIMILAR * min(len(one), len(other))
