"""What the entries of a policy file must be to one another. A mistake is told where it stands, with what would mend it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from middlewatch.approval.policy.entries import EVERY, PERSON, PrincipalEntry, RuleEntry, StepEntry, TermsEntry, WindowEntry
from middlewatch.approval.policy.policy import DEADLINE_MINUTES
from middlewatch.approval.policy.seats import can_be_met, least_role, reaches_somebody, requirement_of, seat_of, steps_of
from middlewatch.approval.requirement import in_words
from middlewatch.records import Principal, RiskTier, Role
from middlewatch.records.toml_document import KeyPath
from middlewatch.records.toml_reader import Reader, nearest


def check_principals(reader: Reader, entries: Mapping[str, PrincipalEntry]) -> None:
    """Identities and secrets belong to one person, whoever is active has one, and nobody is given more than the role has."""
    holders: dict[str, KeyPath] = {}
    for id_, entry in entries.items():
        key = ("principals", id_)
        if entry.active and not any(entry.identities.values()):
            reader.note(key, "has no identity (slack, token_sha256, oidc, local), so nobody can act as it; or active = false")
        for scheme, texts in (*entry.identities.items(), ("break_glass_sha256", entry.break_glass_sha256)):
            for number, text in enumerate(texts):
                where = (*key, scheme, number)
                # Secrets are all of one kind: the one that breaks the glass must not be what somebody signs in with.
                first = holders.setdefault(text if scheme.endswith("sha256") else f"{scheme}:{text}", where)
                if first is not where:
                    reader.note(
                        where, f"stands at {'.'.join(map(str, first[:3]))} as well; it can be one thing of one principal only"
                    )
        _check_role(reader, key, entry)
        if entry.decides_over_mcp and not (entry.token_sha256 or entry.oidc or entry.local):
            reader.note((*key, "decides_over_mcp"), "has no identity that comes over MCP (token_sha256, oidc, local)")


def _check_role(reader: Reader, key: KeyPath, entry: PrincipalEntry) -> None:
    if entry.break_glass_sha256 and entry.role is not Role.MANAGER:
        reader.note((*key, "break_glass_sha256"), f"needs the role manager, and this is a {entry.role}")
    for number, tier in enumerate(entry.sole_operator):
        if entry.role.level < least_role(tier).level:
            reader.note((*key, "sole_operator", number), f"{tier} needs the role {least_role(tier)}, and this is a {entry.role}")


def check_rules(reader: Reader, rules: Mapping[int, RuleEntry]) -> None:
    """At most one rule names an action on a target; what holds does not depend on an order."""
    first: dict[tuple[str, str], int] = {}
    for number, rule in rules.items():
        for pair in [] if rule.tightens else [(action, target) for action in rule.actions for target in rule.targets]:
            other = first.setdefault(pair, number)
            if other != number:
                line = reader.document.line_of(("rules", other))
                reader.note(("rules", number), f"the rule of line {line} is for {pair[0]} on {pair[1]} as well; make them one")


def check_configured(
    reader: Reader, entries: Mapping[KeyPath, RuleEntry | WindowEntry], actions: Collection[str], targets: Collection[str]
) -> None:
    """Names are of actions and targets that there are: what is said of a misspelt one does nothing, and says nothing."""
    for key, entry in entries.items():
        for place, action in enumerate(entry.actions if isinstance(entry, RuleEntry) else ()):
            if action not in {EVERY, *actions}:
                reader.note((*key, "actions", place), "the catalogue has no such action" + nearest(action, actions))
        for place, target in enumerate(entry.targets):
            if target not in {EVERY, *targets}:
                reader.note((*key, "targets", place), "no such target is configured" + nearest(target, targets))


def check_names(reader: Reader, key: KeyPath, terms: TermsEntry, known: Collection[str]) -> None:
    """Every person whom an entry names is in the policy, active or not, faulty or not."""
    quantifier = terms.approvals.quantifier if terms.approvals else ""
    seats = terms.approvals.seats if terms.approvals else ()
    named = [((*key, "approvals", quantifier, number), seat) for number, seat in enumerate(seats)]
    for place, step in enumerate(terms.escalation or ()):
        named += [((*key, "escalation", place, "ask", number), seat) for number, seat in enumerate(step.ask)]
    for where, seat in named:
        if seat.startswith(PERSON) and seat.removeprefix(PERSON) not in known:
            reader.note(where, f"there is no principal {seat.removeprefix(PERSON)}")


def check_tiers(reader: Reader, tiers: Mapping[RiskTier, TermsEntry], people: Collection[Principal]) -> None:
    """Somebody can approve on every tier, and an escalation comes before its deadline."""
    for tier in (RiskTier.LOW, RiskTier.MEDIUM, RiskTier.HIGH):
        if tier not in tiers:
            _approvable(reader, ("tiers", tier), TermsEntry(), tier, people)
    for tier, terms in tiers.items():
        key = ("tiers", tier.value)
        _approvable(reader, key, terms, tier, people)
        _reachable(reader, key, terms.escalation or (), people)
        last = terms.escalation[-1].after_minutes if terms.escalation else 0
        deadline = terms.deadline_minutes or DEADLINE_MINUTES[tier]
        if last >= deadline:
            reader.note((*key, "escalation"), f"its last step must come before the deadline, which is {deadline:g} minutes")


def check_terms(reader: Reader, rules: Mapping[int, RuleEntry], people: Collection[Principal]) -> None:
    """Somebody can approve where a rule says who does, and its escalation reaches somebody."""
    for number, rule in rules.items():
        key = ("rules", number)
        if rule.approvals is not None:
            _approvable(reader, key, rule, rule.tier or rule.tier_at_least or RiskTier.INFO, people)
        _reachable(reader, key, rule.escalation or (), people)


def _approvable(reader: Reader, key: KeyPath, terms: TermsEntry, tier: RiskTier, people: Collection[Principal]) -> None:
    role, entry = least_role(tier), terms.approvals
    roles = {person.id: person.role for person in people}
    low = False
    for number, text in enumerate(entry.seats if entry else ()):
        seat = seat_of(text, role)
        held = roles.get(seat.principal, Role.MANAGER) if seat.principal else seat.role
        if held.level < role.level and entry:
            low = True
            of = f"{seat.principal} is a {held}" if seat.principal else f"a {held} is too little"
            reader.note((*key, "approvals", entry.quantifier, number), f"{of}: the {tier} tier needs at least a {role}")
    needed = requirement_of(entry, tier, people)
    if not low and not can_be_met(needed, people):
        who = f"{in_words(needed)} must approve, and there are not enough active principals for that"
        reader.note((*key, "approvals") if entry else key, f"nobody can approve on the {tier} tier: {who}")


def _reachable(reader: Reader, key: KeyPath, steps: tuple[StepEntry, ...], people: Collection[Principal]) -> None:
    for number, step in enumerate(steps_of(steps)):
        if not reaches_somebody(step, people):
            reader.note((*key, "escalation", number, "ask"), "reaches nobody: there is no active principal for it")
