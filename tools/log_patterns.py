"""Log patterns that differ only in words that vary, put together by Drain (He et al. 2017, library drain3).

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from drain3.drain import Drain

from middlewatch.tools.log_words import named

WILD = "<*>"
SIMILAR = 0.4
"""Share of equal words from which two patterns count as one; the default of drain3."""
LONGEST = 24
"""Words that are compared; what follows is mostly payload."""
MOST_TEMPLATES = 5000
"""Templates that are remembered of one service; of more, the least recently seen are forgotten."""

_SPLIT = re.compile(r"[\s,;=()\[\]{}]+")
_DIGIT = re.compile(r"\d")
_LOCATION = re.compile(r".*(?:#|\.[A-Za-z]{1,4}:)\d{1,6}")
_LOCATION_WORDS = 6
"""A source location stands among the first words of a line, if anywhere."""


def merged(patterns: Iterable[tuple[str, ...]]) -> list[int]:
    """The group of each pattern, numbered from 0 in order of first appearance.

    Words with digits vary by nature. What must be the same goes before the other words, so that the tree of the templates tells it
    apart: a source location, which says which line of the code spoke, and the names of other services that it speaks of.

    Args:
        patterns: service and pattern, in an order that does not depend on chance. Services never share a group.
    """
    patterns = list(patterns)
    services = {service for service, _ in patterns}
    trees: dict[str, Drain] = {}
    numbers: dict[tuple[str, int], int] = {}
    known: dict[tuple[str, str], int] = {}  # to Drain, a line of wildcards alone is new every time
    found = []
    for service, pattern in patterns:
        line = (service, " ".join(_words(pattern, services)))
        if line not in known:
            if service not in trees:
                trees[service] = Drain(sim_th=SIMILAR, max_clusters=MOST_TEMPLATES, parametrize_numeric_tokens=False)
            cluster, _ = trees[service].add_log_message(line[1])
            known[line] = numbers.setdefault((service, cluster.cluster_id), len(numbers))
        found.append(known[line])
    return found


def _words(pattern: str, services: Collection[str]) -> list[str]:
    words = [word for word in _SPLIT.split(pattern) if word][:LONGEST]
    location = next((word for word in words[:_LOCATION_WORDS] if _LOCATION.fullmatch(word)), "")
    masked = [WILD if WILD in word or _DIGIT.search(word) else word for word in words if word != location]
    return [*([location] if location else []), *named(pattern, services), *masked]
