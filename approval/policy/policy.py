"""A policy that was loaded and checked: who somebody is, which rule holds, and when nothing may begin."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from middlewatch.approval.policy.entries import RuleEntry, TermsEntry
from middlewatch.approval.policy.seats import can_be_met, requirement_of, steps_of, stronger, usual_steps
from middlewatch.approval.policy.tiers import Case, Tier, tier_of, written_tier
from middlewatch.approval.policy.windows import Calendar, Freeze
from middlewatch.approval.requirement import in_words
from middlewatch.records import ActionSpec, EscalationStep, Principal, Requirement, RiskTier, Rule
from middlewatch.records.errors import Refused
from middlewatch.records.tokens import digest_of_token

DEADLINE_MINUTES: Mapping[RiskTier, float] = {RiskTier.INFO: 10, RiskTier.LOW: 10, RiskTier.MEDIUM: 15, RiskTier.HIGH: 30}
LIFE_MINUTES = 5.0
LEAST_MODALITIES: Mapping[RiskTier, int] = {RiskTier.INFO: 1, RiskTier.LOW: 1, RiskTier.MEDIUM: 2, RiskTier.HIGH: 2}
LEAST_CONFIDENCE: Mapping[RiskTier, float] = {RiskTier.INFO: 0.0, RiskTier.LOW: 0.5, RiskTier.MEDIUM: 0.5, RiskTier.HIGH: 0.5}
"""Where policy says nothing. Chosen, not derived: time to wake somebody who then reads; two kinds of telemetry, so that one that
lies does not do it alone; more likely than not, so that below it nothing riskier than a ticket is proposed."""

_NOTHING = TermsEntry()
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the policy file says. `load_policy` makes it."""

    digest: str
    """SHA-256 of the file's bytes, hexadecimal."""
    principals: Mapping[str, Principal]
    """The active ones, by id."""
    identities: Mapping[str, str]
    """Of active principals, with the scheme before them -> their id; tokens are apart."""
    tokens: Sequence[tuple[str, str]]
    """SHA-256 of the token of an active principal, hexadecimal, and their id."""
    glass: Sequence[tuple[str, str]]
    """SHA-256 of the break-glass credential of an active manager, hexadecimal, and their id."""
    tiers: Mapping[RiskTier, TermsEntry]
    rules: Mapping[tuple[str, str], RuleEntry]
    """By action and target, for exact names."""
    tightening: Sequence[RuleEntry]
    """Those for every action or every target."""
    calendar: Calendar
    auto_info: bool
    raise_below: float

    def identify(self, identity: str) -> Principal | None:
        """Who an identity belongs to, if it is an active principal.

        Args:
            identity: ``token:TEXT``, ``slack:TEAM/USER``, ``oidc:ISSUER|SUBJECT`` or ``local:UNIXUSER``; the front
                end has proved the part after the colon. ``token-sha256:HEX`` is somebody who has shown the token before.
        """
        scheme, _, rest = identity.partition(":")
        match scheme:
            case "token":
                return self.principal(_holder(self.tokens, digest_of_token(rest)))
            case "token-sha256":
                return self.principal(_holder(self.tokens, rest))
            case _:
                return self.principal(self.identities.get(identity, ""))

    def opens_glass(self, principal: str, credential: str) -> bool:
        """Whether a credential is the one with which this active manager may break the glass."""
        return bool(principal) and _holder(self.glass, digest_of_token(credential)) == principal

    def principal(self, id: str) -> Principal | None:  # noqa: A002  it is one
        """An active principal."""
        return self.principals.get(id)

    def rule(self, spec: ActionSpec, case: Case) -> Rule:
        """The effective rule for an action on a target.

        Raises:
            Refused: policy does not let it through.
        """
        exact = self.rules.get((spec.id, case.target))
        covering = [rule for rule in self.tightening if rule.covers(spec.id, case.target)]
        if any(not rule.allowed for rule in (*([exact] if exact else []), *covering)):
            raise Refused(f"Policy does not allow {spec.id} on {case.target}.", remedy="Propose something else.")
        tier = tier_of(
            written_tier(spec, case.target, exact, covering),
            case,
            raise_below=self.raise_below,
            trust_after=self.trust(spec.id, case.target),
        )
        terms = exact or _NOTHING
        usual = self.tiers.get(tier.now, _NOTHING)
        deadline_seconds, escalation = _asking(terms, usual, tier.now)
        return Rule(
            tier=tier.now,
            tier_because=tier.because,
            requires=self._requirement(spec, case, terms, tier),
            deadline_seconds=deadline_seconds,
            life_seconds=60 * (terms.life_minutes or usual.life_minutes or LIFE_MINUTES),
            escalation=escalation,
            reason_required=_first(terms.reason_required, usual.reason_required, or_else=False)
            or any(rule.reason_required for rule in covering),
            least_modalities=max(
                _first(terms.least_modalities, usual.least_modalities, or_else=LEAST_MODALITIES[tier.now]),
                *(rule.least_modalities or 0 for rule in covering),
                0,
            ),
            least_confidence=max(
                _first(terms.least_confidence, usual.least_confidence, or_else=LEAST_CONFIDENCE[tier.now]),
                *(rule.least_confidence or 0.0 for rule in covering),
                0.0,
            ),
        )

    def freeze(self, target: str, at: datetime) -> Freeze | None:
        """The freeze window that is on for a target."""
        return self.calendar.freeze(target, at)

    def next_freeze(self, target: str, after: datetime) -> datetime | None:
        """The first instant from `after` on at which a target is frozen: `after` itself where it is already."""
        return self.calendar.next_freeze(target, after)

    def trust(self, action: str, target: str) -> int | None:
        """After how many approved and verified successes the tier may move one down; None where policy does not let it."""
        rule = self.rules.get((action, target))
        return None if rule is None else rule.trust_after

    def _requirement(self, spec: ActionSpec, case: Case, terms: TermsEntry, tier: Tier) -> Requirement | None:
        if tier.now is RiskTier.INFO and self.auto_info and terms.approvals is None:
            return None
        people = list(self.principals.values())
        usual = requirement_of(self.tiers.get(tier.now, _NOTHING).approvals, tier.now, people)
        if terms.approvals is None:
            needed = usual
        else:
            needed = requirement_of(terms.approvals, tier.now, people)
            if tier.now.level > tier.written.level:
                needed = stronger(needed, usual)
        if not can_be_met(needed, people):
            raise Refused(
                f"Nobody could approve {spec.id} on {case.target} in the tier {tier.now}: policy asks for {in_words(needed)}.",
                remedy="Name them in the policy file, or investigate further.",
            )
        return needed


def _holder(secrets: Sequence[tuple[str, str]], digest: str) -> str:
    """Whose secret has a digest. All are compared, each in constant time: how long it takes tells nothing."""
    found = ""
    for known, holder in secrets:
        if hmac.compare_digest(known, digest):
            found = holder
    return found


def _asking(terms: TermsEntry, usual: TermsEntry, tier: RiskTier) -> tuple[float, tuple[EscalationStep, ...]]:
    """The deadline and the escalation, both from the same place, so that they fit each other."""
    said = terms if terms.deadline_minutes is not None else usual
    seconds = 60 * (said.deadline_minutes or DEADLINE_MINUTES[tier])
    return seconds, usual_steps(tier, seconds) if said.escalation is None else steps_of(said.escalation)


def _first(*given: _Value | None, or_else: _Value) -> _Value:
    return next((value for value in given if value is not None), or_else)
