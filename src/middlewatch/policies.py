"""Policy for front ends: write a first file, check one, explain what it means for an action, make a token."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from middlewatch.approval.policy import BudgetState, Case, Freeze, Mistake, Policy, examine_policy, load_policy
from middlewatch.approval.policy.example import example_policy
from middlewatch.approval.requirement import fits, in_words, may_sit, seat_in_words
from middlewatch.records import ActionSpec, Principal, Record, RiskTier, Rule, UtcDatetime
from middlewatch.records.errors import BadInput, MiddlewatchError, Misconfigured, Refused
from middlewatch.records.tokens import line_of_token, new_token
from middlewatch.records.toml_document import load_toml
from middlewatch.settings import Settings
from middlewatch.team_files import present, write_first
from middlewatch.tools.actions.catalogue import ActionCatalogue
from middlewatch.tools.actions.configuration import Configuration

YEARS = range(2000, 2200)
"""Times that can be asked about, as far as windows may lie."""


@dataclass(frozen=True, slots=True)
class Token:
    """A new token, and what to write into the policy file. Nothing keeps the token itself."""

    token: str
    line: str
    known: bool
    """Whether the policy has the principal already."""
    lacks: str
    """What is to be done in the policy file so that the token signs somebody in, in a sentence."""


class Asked(Record):
    """Who is asked, and when."""

    after_seconds: float
    whom: str
    reaches: tuple[str, ...] = Field(description="ids of those who are asked")


class Viewer(Record):
    """What one principal can do."""

    principal: str
    may_approve: bool
    may_approve_own: bool = Field(description="also where they propose it themselves")
    may_approve_over_mcp: bool = Field(description="also over MCP, where a program acts for them")


class Explanation(Record):
    """What policy means for an action on a target, now or at another time."""

    action: str
    target: str
    undo: bool
    confidence: float
    at: UtcDatetime
    offered: bool | None = Field(description="whether the target offers the action; null where no actions are configured")
    refused: str = Field(default="", description="why policy does not let it through; empty where it does")
    rule: Rule | None
    needs: str = Field(default="", description="who must approve, in words")
    deciders: tuple[str, ...] = Field(default=(), description="ids of those who may approve it now")
    asked: tuple[Asked, ...] = ()
    below_confidence: bool = Field(default=False, description="whether the finding is less sure than the rule asks for")
    bound: bool = Field(
        description="whether freezes hold it up: they hold up neither what takes a change back nor what is of the info tier"
    )
    freeze: Freeze | None = None
    next_freeze: UtcDatetime | None = None
    trust_after: int | None = None
    viewer: Viewer | None = None


def init_policy(settings: Settings, user: str, *, force: bool) -> Path:
    """Write a first policy, with one person who works alone: the unix user.

    Raises:
        BadInput: there is a file already.
    """
    id_ = re.sub(r"[^A-Za-z0-9._-]|^[^A-Za-z0-9]+", "", user)[:63] or "operator"
    return write_first(settings.policy_path, example_policy(id_, user), force=force)


def check_policy(settings: Settings, file: Path | None) -> tuple[Path, Policy | None, tuple[Mistake, ...]]:
    """Everything that is wrong with a policy file, also against the configured actions and targets.

    Returns:
        The file; the policy where nothing is wrong; the mistakes.

    Raises:
        BadInput: there is no file of that name.
        Misconfigured: none is in force, it cannot be read, or is not TOML.
    """
    path = present(file, settings.policy_path, "policy")
    catalogue = _catalogue(settings)
    policy, mistakes = examine_policy(
        path,
        actions=None if catalogue is None else catalogue.actions,
        targets=None if catalogue is None else catalogue.configuration.targets,
    )
    return path, policy, mistakes


def proposed(target: str, *, undo: bool, confidence: float, budget: BudgetState | None) -> Case:
    """What a front end asks about."""
    return Case(target, undo=undo, confidence=confidence, budget=budget)


def explain_policy(
    settings: Settings, action: str, case: Case, *, at: datetime | None = None, viewer: str | None = None
) -> Explanation:
    """What policy means for an action on a target.

    Args:
        settings: where the files are.
        action: the exact name of an entry of the catalogue.
        case: the target, and what else the tier depends on.
        at: the time that freezes are looked at for; now where it is left out.
        viewer: a principal of whom it is said what they can do.

    Raises:
        Refused: there is no such action, or no policy.
        Misconfigured: the policy has a mistake.
        BadInput: no such principal, or a time that nobody can count around.
    """
    policy = load_policy(settings.policy_path)
    moment = at or datetime.now(UTC)
    if moment.year not in YEARS:
        raise BadInput(f"{moment.isoformat()} is out of reach.", remedy=f"Name a time between {YEARS[0]} and {YEARS[-1]}.")
    catalogue = _catalogue(settings)
    spec = (catalogue or ActionCatalogue.of(Configuration())).spec(action)
    base = Explanation(
        action=action,
        target=case.target,
        undo=case.undo,
        confidence=case.confidence,
        at=moment,
        offered=None if catalogue is None else action in catalogue.offers(case.target),
        rule=None,
        bound=_is_bound(case, spec.tier),
        trust_after=policy.trust(action, case.target),
        freeze=policy.freeze(case.target, moment),
    )
    ahead = policy.next_freeze(case.target, base.freeze.ends_at if base.freeze else moment)
    base = base.model_copy(update={"next_freeze": ahead})
    return _ruled(policy, spec, case, base, viewer)


def make_token(settings: Settings, principal: str) -> Token:
    """A new token for a principal, and the line of the policy file that knows it. The file is not changed."""
    token = new_token("mw")
    try:
        known = load_policy(settings.policy_path).principal(principal) is not None
    except MiddlewatchError:
        known = False
    return Token(token, line_of_token(token), known, _lacking(settings.policy_path, principal))


def _lacking(path: Path, principal: str) -> str:  # noqa: PLR0911  one line for each way that it may stand
    """What a principal lacks to sign in with a new token. A policy with other mistakes is read all the same."""
    try:
        found = load_toml(path).data.get("principals") if path.exists() else None
    except Misconfigured as error:
        return f"The policy cannot be read: {error.message}"
    if not path.exists():
        return "There is no policy yet: write one with `middlewatch policy init`."
    entry = found.get(principal) if isinstance(found, dict) else None
    if not isinstance(entry, dict):
        least = 'role = "member" (or lead, or manager)'
        return f"The policy has no [principals.{principal}]: add that line, {least} below it, and then this one."
    if entry.get("active") is False:
        return f"[principals.{principal}] has active = false: it signs nobody in until that line is taken away."
    if entry.get("token_sha256"):
        return f"[principals.{principal}] has a token_sha256 already: put the new digest into that list, a key stands once."
    if not any(entry.get(scheme) for scheme in ("slack", "oidc", "local")):
        return f"[principals.{principal}] has no identity yet, so nobody can act as it: this line is the one that it lacks."
    return f"[principals.{principal}] has no token yet: add this line."


def _catalogue(settings: Settings) -> ActionCatalogue | None:
    """None where no actions are configured."""
    return ActionCatalogue.of(Configuration.of(settings.actions_path)) if settings.actions_path.exists() else None


def _ruled(policy: Policy, spec: ActionSpec, case: Case, base: Explanation, viewer: str | None) -> Explanation:
    person = policy.principal(viewer or "")
    if viewer is not None and person is None:
        raise BadInput(f"Policy has no active principal {viewer}.", remedy="Look at [principals] of the policy file.")
    try:
        rule = policy.rule(spec, case)
    except Refused as refusal:
        return base.model_copy(update={"refused": refusal.message})
    people = tuple(policy.principals.values())
    deciders = people if rule.requires is None else [one for one in people if may_sit(one, rule.requires)]
    return base.model_copy(
        update={
            "rule": rule,
            "bound": _is_bound(case, rule.tier),
            "needs": "" if rule.requires is None else in_words(rule.requires),
            "deciders": () if rule.requires is None else tuple(one.id for one in deciders),
            "asked": _asked(rule, people),
            "below_confidence": case.confidence < rule.least_confidence,
            "viewer": None if person is None else _viewer(rule, person),
        }
    )


def _is_bound(case: Case, tier: RiskTier) -> bool:
    """Whether freezes hold it up, as the gateway has it: by the tier that policy gives it, not by the catalogue's."""
    return not case.undo and tier is not RiskTier.INFO


def _asked(rule: Rule, people: Collection[Principal]) -> tuple[Asked, ...]:
    if rule.requires is None:
        return ()
    steps = ((0.0, rule.requires.seats), *((step.after_seconds, step.asked) for step in rule.escalation))
    return tuple(
        Asked(
            after_seconds=after,
            whom=", ".join(dict.fromkeys(seat.principal or seat_in_words(seat) for seat in seats)),
            reaches=tuple(one.id for one in people if any(fits(one, seat) for seat in seats)),
        )
        for after, seats in steps
    )


def _viewer(rule: Rule, person: Principal) -> Viewer:
    may = rule.requires is not None and may_sit(person, rule.requires)
    return Viewer(
        principal=person.id,
        may_approve=may,
        may_approve_own=may and rule.tier in person.sole_operator,
        may_approve_over_mcp=may and person.decides_over_mcp,
    )
