"""What stands in the variable parts of a log pattern: a value that was never there before, or far more often than it was.

Constants without a source are chosen, not derived.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from middlewatch.tools.log_patterns import WILD
from middlewatch.tools.presence import log_odds_ratio

LEAST_LINES = 10
"""Lines of a pattern that there must be on both sides."""
MOST_VALUES = 8
"""A part with more different values before is no category but an id, a time or a quantity, in which every value is new."""
LONGEST_VALUE = 80
"""Characters; what is longer is payload."""
MOST_PARTS = 16
"""Variable parts of a pattern that are looked at, the first ones."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that a variable part of a pattern has more often than it had."""

    service: str
    pattern: str
    part: int
    """Which of the pattern's variable parts, from 0."""
    value: str
    before: float
    after: float
    """Share of the pattern's lines that have it."""
    bound: float
    """Lower bound of the log odds ratio, in nats; above 0."""


def changed_parameters(lines: Iterable[tuple[str, str, bool, str]]) -> tuple[Parameter, ...]:
    """The values that became more frequent, surest first.

    Args:
        lines: service, pattern, whether it is after the onset, and body.
    """
    counts: dict[tuple[str, str, int], tuple[Counter[str], Counter[str]]] = defaultdict(lambda: (Counter(), Counter()))
    for service, pattern, after, body in lines:
        for part, value in enumerate(values(pattern, body)):
            counts[service, pattern, part][after][value] += 1
    found = [parameter for where, (before, after) in counts.items() for parameter in _changed(where, before, after)]
    return tuple(sorted(found, key=lambda p: (-p.bound, p.service, p.pattern, p.part, p.value)))


def values(pattern: str, body: str) -> tuple[str, ...]:
    """What a body has in the variable parts of its pattern; nothing where it does not fit.

    The pattern's pieces are looked for one after the other, each once: hostile text cannot make that slow.

    Args:
        pattern: text with `WILD` in the place of its variable parts.
        body: the line.
    """
    first, *pieces = pattern.split(WILD)
    if not body.startswith(first):
        return ()
    found, at = [], len(first)
    for number, piece in enumerate(pieces):
        end = len(body) if number == len(pieces) - 1 and not piece else body.find(piece, at)
        if end < 0:
            return ()
        found.append(body[at:end])
        at = end + len(piece)
    return tuple(found[:MOST_PARTS])


def _changed(where: tuple[str, str, int], before: Counter[str], after: Counter[str]) -> Iterator[Parameter]:
    n0, n1 = before.total(), after.total()
    if min(n0, n1) < LEAST_LINES or len(before) > MOST_VALUES:
        return
    for value, k1 in after.items():
        if len(value) <= LONGEST_VALUE and k1 / n1 > before[value] / n0:
            _, bound = log_odds_ratio(*(np.array([float(x)]) for x in (before[value], n0, k1, n1)))
            if bound[0] > 0:
                yield Parameter(*where, value, before[value] / n0, k1 / n1, float(bound[0]))
