"""Reading the policy file: as a whole, or not at all."""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import TypeAdapter, ValidationError

from middlewatch.approval.policy import checks
from middlewatch.approval.policy.entries import (
    AutoEntry,
    ConfidenceEntry,
    PersonId,
    PrincipalEntry,
    RuleEntry,
    TermsEntry,
    WindowEntry,
)
from middlewatch.approval.policy.mistakes import Mistake, Reader
from middlewatch.approval.policy.policy import Policy
from middlewatch.approval.policy.windows import Calendar
from middlewatch.records import Principal, RiskTier
from middlewatch.records.errors import Misconfigured, Refused
from middlewatch.records.toml_document import load_toml

SECTIONS = ("principals", "auto", "confidence", "tiers", "rules", "freezes", "maintenance")
REMEDY = "Correct the file; nothing of it was used. `middlewatch policy check` lists every mistake."
_PERSON_ID = TypeAdapter[str](PersonId)


def load_policy(path: Path, *, actions: Collection[str] | None = None) -> Policy:
    """Read and check a policy file as a whole.

    Args:
        path: the file.
        actions: the names of all actions of the catalogue, so that a rule for another one is found; None where they are not known.

    Raises:
        Refused: there is no such file: no policy allows anything.
        Misconfigured: it cannot be used; the message tells every mistake with its line.
    """
    policy, mistakes = examine_policy(path, actions=actions)
    if policy is None:
        raise Misconfigured("; ".join(str(mistake) for mistake in mistakes) + ".", remedy=REMEDY)
    return policy


def examine_policy(path: Path, *, actions: Collection[str] | None = None) -> tuple[Policy | None, tuple[Mistake, ...]]:
    """Read a policy file and say everything that is wrong with it.

    Returns:
        The policy if there is no mistake; the mistakes in the order of the file.

    Raises:
        Refused: there is no such file.
        Misconfigured: it cannot be read, or is not TOML.
    """
    if not path.exists():
        raise Refused(f"There is no policy at {path}, so nothing is allowed.", remedy="Write one with `middlewatch policy init`.")
    document = load_toml(path)
    reader = Reader(path, document)
    if path.stat().st_mode & stat.S_IWOTH:
        reader.note((), "everybody on this machine may write it; take that away with `chmod o-w`")
    reader.only(SECTIONS)
    entries = _by_id(reader, reader.table("principals", PrincipalEntry))
    auto, confidence = reader.one("auto", AutoEntry), reader.one("confidence", ConfidenceEntry)
    tiers = _by_tier(reader, reader.table("tiers", TermsEntry))
    rules = reader.array("rules", RuleEntry)
    windows = {name: [entry.window for entry in reader.array(name, WindowEntry).values()] for name in ("freezes", "maintenance")}

    checks.check_principals(reader, entries)
    checks.check_rules(reader, rules)
    if actions is not None:
        checks.check_actions(reader, rules, actions)
    named = document.data.get("principals")
    known = named if isinstance(named, dict) else {}
    for tier, terms in tiers.items():
        checks.check_names(reader, ("tiers", tier.value), terms, known)
    for number, rule in rules.items():
        checks.check_names(reader, ("rules", number), rule, known)
    people = {id_: _principal(id_, entry) for id_, entry in entries.items() if entry.active}
    if not any(mistake.key.startswith("principals.") for mistake in reader.mistakes):  # who is left out may be the one who can
        checks.check_tiers(reader, tiers, people.values())
        checks.check_terms(reader, rules, people.values())
    if reader.mistakes:
        return None, tuple(sorted(reader.mistakes))
    active = {id_: entries[id_] for id_ in people}
    policy = Policy(
        digest=document.digest,
        principals=MappingProxyType(people),
        identities=MappingProxyType(_identities(active)),
        tokens=tuple((token, id_) for id_, entry in active.items() for token in entry.token_sha256),
        glass=tuple((secret, id_) for id_, entry in active.items() for secret in entry.break_glass_sha256),
        tiers=MappingProxyType(tiers),
        rules=MappingProxyType(_exact(rules.values())),
        tightening=tuple(rule for rule in rules.values() if rule.tightens),
        calendar=Calendar(tuple(windows["freezes"]), tuple(windows["maintenance"])),
        auto_info=auto.info,
        raise_below=confidence.raise_below,
    )
    return policy, ()


def _by_id(reader: Reader, entries: Mapping[str, PrincipalEntry]) -> dict[str, PrincipalEntry]:
    """The entries whose ids can be ids."""
    usable = {}
    for id_, entry in entries.items():
        try:
            usable[_PERSON_ID.validate_python(id_)] = entry
        except ValidationError:
            reader.note(
                ("principals", id_),
                "an id has letters, digits, dots, dashes and underscores only, and begins with one of the first two",
            )
    return usable


def _by_tier(reader: Reader, entries: Mapping[str, TermsEntry]) -> dict[RiskTier, TermsEntry]:
    """The entries whose names are tiers."""
    for name in entries:
        if name not in {*RiskTier}:
            reader.note(("tiers", name), f"is no tier; there are {', '.join(RiskTier)}")
    return {tier: entries[tier] for tier in RiskTier if tier in entries}


def _principal(id_: str, entry: PrincipalEntry) -> Principal:
    return Principal(id=id_, name=entry.name or id_, role=entry.role, active=entry.active, sole_operator=entry.sole_operator)


def _identities(entries: Mapping[str, PrincipalEntry]) -> dict[str, str]:
    return {
        f"{scheme}:{identity}": id_
        for id_, entry in entries.items()
        for scheme, identities in entry.identities.items()
        for identity in identities
        if scheme != "token_sha256"
    }


def _exact(rules: Iterable[RuleEntry]) -> dict[tuple[str, str], RuleEntry]:
    return {(action, target): rule for rule in rules if not rule.tightens for action in rule.actions for target in rule.targets}
