"""How the tier of a proposal comes about: the catalogue's, then policy's, then what may only raise it, then trust.

Nothing here reads a word of telemetry or of a model: a finding has a confidence, and nothing else to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from middlewatch.approval.policy.entries import RuleEntry
from middlewatch.records import ActionSpec, BudgetState, RiskTier
from middlewatch.records.errors import Refused


@dataclass(frozen=True, slots=True)
class Case:
    """What is proposed, as far as the tier depends on it."""

    target: str
    undo: bool
    """Whether it takes back a recorded change or an execution; freezes and the error budget do not bind that."""
    confidence: float
    """Of the finding that it follows from, 0 to 1."""
    budget: BudgetState | None = None
    """Of the target; None where nobody knows."""
    trusted: bool = False
    """Whether a manager confirmed, after enough successes, that the tier moves one down."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier, and how it came about."""

    written: RiskTier
    """By the catalogue and policy, before anything about this one case."""
    now: RiskTier
    because: tuple[str, ...]
    least: RiskTier = RiskTier.LOW
    """Below which trust does not move it."""

    def moved(self, to: RiskTier, because: str) -> Tier:
        return replace(self, now=to, because=(*self.because, because))


def written_tier(spec: ActionSpec, target: str, exact: RuleEntry | None, tightening: Sequence[RuleEntry]) -> Tier:
    """The tier that the catalogue and policy give to an action on a target."""
    tier = Tier(spec.tier, spec.tier, (f"The catalogue gives {spec.id} the tier {spec.tier}.",))
    if exact is not None and exact.tier is not None:
        # Only what the catalogue calls harmless may ever run by itself.
        floor = RiskTier.INFO if spec.tier is RiskTier.INFO else RiskTier.LOW
        given = max(exact.tier, floor, key=_level)
        never = f", and {floor} is the least for it" if given is not exact.tier else ""
        tier = tier.moved(given, f"Policy gives {spec.id} on {target} the tier {exact.tier}{never}.")
    asked = [rule.tier_at_least for rule in (*([exact] if exact else []), *tightening) if rule.tier_at_least is not None]
    least = max(asked, key=_level, default=RiskTier.LOW)
    if asked and least.level > tier.now.level:
        tier = tier.moved(least, f"Policy asks for at least {least} here.")
    return replace(tier, written=tier.now, least=max(least, RiskTier.LOW, key=_level))


def tier_of(tier: Tier, case: Case, *, raise_below: float, trust_after: int | None) -> Tier:
    """The tier in one case: the budget and low confidence may raise what is written, trust may move it one down.

    What the written tier calls harmless stays that: a ticket changes nothing, and is what remains where nobody is sure.

    Raises:
        Refused: the error budget lets no forward change through.
    """
    if tier.written is RiskTier.INFO:
        return tier
    tier = _by_budget(tier, case)
    if case.confidence < raise_below:
        tier = _up(tier, f"The finding's confidence, {case.confidence:.2f}, is below {raise_below:.2f}")
    if case.trusted and trust_after is not None:
        down = max(RiskTier.at(tier.now.level - 1), tier.least, key=_level)
        because = f"Policy trusts it after {trust_after} approved and verified successes"
        if down is tier.now:
            tier = tier.moved(down, f"{because}, but {down} is the least.")
        else:
            tier = tier.moved(down, f"{because}: one tier down, {down}.")
    return tier


def _by_budget(tier: Tier, case: Case) -> Tier:
    if case.budget in {None, BudgetState.FREE}:
        return tier
    if case.undo:
        return tier.moved(tier.now, "It takes back a recorded change: the error budget does not bind it.")
    if case.budget is BudgetState.CANARY:
        return _up(tier, "At most half of the error budget is left")
    left = "used up" if case.budget is BudgetState.EXHAUSTED else "nearly used up"
    raise Refused(
        f"The error budget of {case.target} is {left}: no forward change begins.",
        remedy="Take a recorded change back instead, or wait until there is budget again.",
    )


def _up(tier: Tier, because: str) -> Tier:
    up = RiskTier.at(tier.now.level + 1)
    return tier.moved(up, f"{because}: " + (f"{up} is the highest tier." if up is tier.now else f"one tier up, {up}."))


def _level(tier: RiskTier) -> int:
    return tier.level
