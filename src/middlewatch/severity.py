"""How severe an incident is: from what users notice, what it spends of error budgets, and what hangs on its services.

Every threshold here is chosen, not derived, but the response times (`records.Severity`), which are the owner's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from middlewatch.records import USUAL_TIER, BudgetStanding, BudgetState, Impact, Severity
from middlewatch.records.quoting import quoted

SHARES: Final = ((0.25, 1), (0.05, 2), (0.01, 3))
"""Share of requests that fail or are slow, and the level from there on. A quarter of all users is an outage; below one in a hundred
retries hide most of it."""
SPREAD: Final = ((10, 2), (4, 3))
"""Number of services that alert, and the level that it is at least."""
BURN_RATES: Final = ((14.4, 2), (6.0, 3))
"""Burn rates, and the level that it is at least: the pages of Google's SRE workbook (chapter 5), 2 % of a 30-day budget in an hour
and 5 % in six hours."""
UNKNOWN_LEVEL: Final = 3
"""Where neither requests nor the sender say anything."""
_WORDS: Final = {
    1: frozenset({"critical", "p1", "sev1", "sev-1", "page", "emergency", "disaster", "fatal", "1"}),
    2: frozenset({"high", "error", "major", "p2", "sev2", "sev-2", "severe", "2"}),
    3: frozenset({"warning", "warn", "medium", "moderate", "p3", "sev3", "sev-3", "minor", "average", "3"}),
    4: frozenset({"info", "information", "informational", "low", "notice", "p4", "p5", "sev4", "sev-4", "none", "4", "5"}),
}
"""What senders call their severities; their word is a hint and counts only where nothing is measured."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a severity follows from."""

    services: tuple[str, ...]
    """That alert."""
    impact: Impact | None
    """What users notice; None where nobody knows."""
    budgets: Sequence[BudgetStanding] = ()
    """Of the objectives of these services."""
    tier: Callable[[str], int] = lambda _service: USUAL_TIER
    said: tuple[str, ...] = ()
    """The senders' own words."""
    behind: tuple[str, ...] = ()
    """Other services of the objectives that alert: which of them it is, nobody says, so they count for the tier alone."""


def judged(facts: Facts) -> tuple[Severity, tuple[str, ...]]:
    """The severity, and why: the weightiest reason first."""
    reasons = [*_measured(facts.impact), *_spread(facts.services), *(reason for one in facts.budgets for reason in _burn(one))]
    measured = facts.impact is not None or any(level < UNKNOWN_LEVEL for level, _ in reasons)
    hint = None if measured else _hint(facts.said)
    if hint is not None:
        reasons.append(hint)
    elif facts.impact is None:
        reasons.append((UNKNOWN_LEVEL, "what users notice is not known: telemetry shows too few requests"))
    level = min(level for level, _ in reasons)
    moved, why = _by_tier(level, facts)
    ordered = [reason for _, reason in sorted(reasons, key=lambda one: one[0])]
    return Severity.of_level(moved), tuple(f"{reason[0].upper()}{reason[1:]}." for reason in [*ordered, *why])


def _measured(impact: Impact | None) -> list[tuple[int, str]]:
    if impact is None:
        return []
    share = min(1.0, impact.failing + impact.slow)
    level = next((level for least, level in SHARES if share >= least), 4)
    at = ", ".join(quoted(service) for service in impact.services)
    return [(level, f"{_percent(impact.failing)} of the requests to {at} fail, and {_percent(impact.slow)} are slow")]


def _spread(services: Sequence[str]) -> list[tuple[int, str]]:
    level = next((level for least, level in SPREAD if len(services) >= least), 4)
    return [(level, f"{len(services)} services alert")] if level < 4 else []  # noqa: PLR2004  what is of no weight is not told


def _burn(one: BudgetStanding) -> list[tuple[int, str]]:
    name = one.objective.name
    found: list[tuple[int, str]] = []
    rates = [burn.rate for burn in one.burns if burn.rate is not None]
    if one.firing:
        level = next((level for least, level in BURN_RATES if rates and max(rates) >= least), 3)
        found.append((level, f"objective {name}: {one.firing}"))
    if one.state is BudgetState.EXHAUSTED:
        found.append((2, f"objective {name} has no error budget left"))
    return found


def _hint(said: Sequence[str]) -> tuple[int, str] | None:
    """The worst of what the senders said."""
    known = [(level, word) for word in said for level, words in _WORDS.items() if word.strip().casefold() in words]
    if not known:
        return None
    level, word = min(known)
    return level, f"nothing is measured, so the sender's word counts: {quoted(word)}"


def _by_tier(level: int, facts: Facts) -> tuple[int, list[str]]:
    tiers = {service: facts.tier(service) for service in (*facts.services, *facts.behind)}
    if not tiers:
        return level, []
    worst = min(tiers, key=lambda service: (tiers[service], service))
    if tiers[worst] == 1:
        return level - 1, [f"one step worse: {quoted(worst)} is of tier 1"]
    if tiers[worst] == 4:  # noqa: PLR2004  the lowest
        return level + 1, ["one step less: every service that alerts is of tier 4"]
    return level, []


def _percent(share: float) -> str:
    if 0 < share < 0.01:  # noqa: PLR2004  one of a hundred
        return "less than 1 %"
    return f"{math.floor(share * 100 + 0.5)} %"
