"""Reading the policy file: as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
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
from middlewatch.approval.policy.policy import Policy
from middlewatch.approval.policy.windows import Calendar, Window
from middlewatch.records import Principal, RiskTier
from middlewatch.records.errors import Misconfigured, Refused
from middlewatch.records.toml_document import KeyPath, Mistake, whole
from middlewatch.records.toml_reader import Reader

SECTIONS = ("principals", "auto", "confidence", "tiers", "rules", "freezes", "maintenance")
_PERSON_ID = TypeAdapter[str](PersonId)


def load_policy(path: Path) -> Policy:
    """Read and check a policy file as a whole.

    Raises:
        Refused: there is no such file: no policy allows anything.
        Misconfigured: it cannot be used; the message tells every mistake with its line.
    """
    return whole(examine_policy(path), "policy")


def examine_policy(
    path: Path, *, actions: Collection[str] | None = None, targets: Collection[str] | None = None
) -> tuple[Policy | None, tuple[Mistake, ...]]:
    """Read a policy file and say everything that is wrong with it.

    Args:
        path: the file.
        actions: every name of the catalogue, so that rules for other ones are found; None where they are not known.
        targets: every configured target, likewise.

    Returns:
        The policy if there is no mistake; the mistakes in the order of the file.

    Raises:
        Refused: there is no such file.
        Misconfigured: it cannot be read, or is not TOML.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        message = f"There is no policy at {path}, so nothing is allowed."
        raise Refused(message, remedy="Write one with `middlewatch policy init`.") from None
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}.") from None
    reader = Reader.of(path, "a policy", "docs/policy.md")
    parts = _read(reader)
    _check(reader, parts)
    if actions is not None and targets is not None:
        checks.check_configured(reader, parts.named, actions, targets)
    if reader.mistakes:
        return None, reader.told
    return _policy(reader.document.digest, parts), ()


@dataclass(frozen=True, slots=True)
class _Parts:
    """The entries of a file that have no mistake in themselves; those of arrays by their position."""

    principals: Mapping[str, PrincipalEntry]
    auto: AutoEntry
    confidence: ConfidenceEntry
    tiers: Mapping[RiskTier, TermsEntry]
    rules: Mapping[int, RuleEntry]
    freezes: Mapping[int, WindowEntry]
    maintenance: Mapping[int, WindowEntry]

    @property
    def people(self) -> dict[str, Principal]:
        """Those who are active."""
        return {
            id_: Principal(
                id=id_,
                name=entry.name or id_,
                role=entry.role,
                sole_operator=entry.sole_operator,
                decides_over_mcp=entry.decides_over_mcp,
            )
            for id_, entry in self.principals.items()
            if entry.active
        }

    @property
    def named(self) -> dict[KeyPath, RuleEntry | WindowEntry]:
        """What names targets, by where it stands."""
        parts: dict[str, Mapping[int, RuleEntry] | Mapping[int, WindowEntry]]
        parts = {"rules": self.rules, "freezes": self.freezes, "maintenance": self.maintenance}
        return {(name, at): entry for name, entries in parts.items() for at, entry in entries.items()}


def _read(reader: Reader) -> _Parts:
    reader.only(SECTIONS)
    return _Parts(
        principals=_by_id(reader, reader.table("principals", PrincipalEntry)),
        auto=reader.one("auto", AutoEntry),
        confidence=reader.one("confidence", ConfidenceEntry),
        tiers=_by_tier(reader, reader.table("tiers", TermsEntry)),
        rules=reader.array("rules", RuleEntry),
        freezes=reader.array("freezes", WindowEntry),
        maintenance=reader.array("maintenance", WindowEntry),
    )


def _check(reader: Reader, parts: _Parts) -> None:
    checks.check_principals(reader, parts.principals)
    checks.check_rules(reader, parts.rules)
    known = reader.names("principals")
    for tier, terms in parts.tiers.items():
        checks.check_names(reader, ("tiers", tier.value), terms, known)
    for number, rule in parts.rules.items():
        checks.check_names(reader, ("rules", number), rule, known)
    if not any(mistake.key.split(".")[0] == "principals" for mistake in reader.mistakes):  # who is left out may be the one who can
        checks.check_tiers(reader, parts.tiers, parts.people.values())
        checks.check_terms(reader, parts.rules, parts.people.values())


def _policy(digest: str, parts: _Parts) -> Policy:
    active = {id_: entry for id_, entry in parts.principals.items() if entry.active}
    return Policy(
        digest=digest,
        principals=MappingProxyType(parts.people),
        identities=MappingProxyType(_identities(active)),
        tokens=tuple((secret, id_) for id_, entry in active.items() for secret in entry.token_sha256),
        glass=tuple((secret, id_) for id_, entry in active.items() for secret in entry.break_glass_sha256),
        tiers=MappingProxyType(dict(parts.tiers)),
        rules=MappingProxyType(_exact(parts.rules.values())),
        tightening=tuple(rule for rule in parts.rules.values() if rule.tightens),
        calendar=Calendar(_windows(parts.freezes), _windows(parts.maintenance)),
        auto_info=parts.auto.info,
        raise_below=parts.confidence.raise_below,
    )


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


def _identities(entries: Mapping[str, PrincipalEntry]) -> dict[str, str]:
    return {
        f"{scheme}:{identity}": id_
        for id_, entry in entries.items()
        for scheme, identities in entry.identities.items()
        for identity in identities
        if scheme != "token_sha256"
    }


def _windows(entries: Mapping[int, WindowEntry]) -> tuple[Window, ...]:
    return tuple(entry.window for entry in entries.values())


def _exact(rules: Iterable[RuleEntry]) -> dict[tuple[str, str], RuleEntry]:
    return {(action, target): rule for rule in rules if not rule.tightens for action in rule.actions for target in rule.targets}
