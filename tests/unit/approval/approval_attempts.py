"""The conditions that `approval_model` speaks of, and the concrete attempt of each combination of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache

from middlewatch.approval.binding import digest_of_bound, digest_of_shown
from middlewatch.approval.transitions import Attempt
from middlewatch.records import (
    ORCHESTRATOR,
    Approval,
    ApprovalRequest,
    Bound,
    BreakGlass,
    Decision,
    Execution,
    Halt,
    Principal,
    Remediation,
    Requirement,
    RiskTier,
    Role,
    Rule,
    Scalar,
    Seat,
)
from middlewatch.records import RequestState as S

VALUES: Mapping[str, tuple[str, ...]] = {
    "epoch": ("current", "older"),
    "actor": ("fit", "below", "nobody", "above", "proposer", "sole", "sole_for_another_tier", "seconded"),
    "shown": ("right", "wrong", "nothing"),
    "binding": (
        "whole",
        "digest",
        "unbound",
        "tenant",
        "investigation",
        "action_id",
        "target",
        "params",
        "tier",
        "rule_hash",
        "shown",
        "plan",
        "proposer",
        "undo",
    ),
    "requires": ("lead", "nobody", "nobody_though_medium"),
    "time": ("before", "at_the_end", "after", "stretched", "cut"),
    "approvals": ("good", "none", "demoted", "gone", "own", "own_as_sole", "denied", "of_another_digest"),
    "rule": ("same", "changed", "none"),
    "entry": ("same", "changed"),
    "target": ("same", "changed"),
    "halted": ("no", "yes"),
    "frozen": ("no", "yes"),
    "glass": ("whole", "broken", "breaker_demoted", "breaker_unknown", "another_manager"),
    "execution": ("none", "begun"),
    "fence": ("right", "wrong"),
    "lost": ("no", "yes"),
}
"""Every condition. The first value is the good one, the second stands for the bad ones where all are combined."""

Case = tuple[str, ...]
"""The values of all conditions, in the order of `VALUES`."""

END = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When every state that waits ends."""
_SECONDS = 600.0
_BEGAN = END - timedelta(seconds=_SECONDS)
_OTHER = "f" * 64
_LEAD = Requirement(quantifier="any_of", seats=(Seat(role=Role.LEAD),))
_HALT = Halt(by="mara", reason="", at=_BEGAN)
_VERSION: dict[str, Scalar] = {"revision": 7}


def _person(name: str, role: Role = Role.LEAD, *sole: RiskTier) -> Principal:
    return Principal(id=name, name=name, role=role, sole_operator=sole)


_ACTORS = {
    "fit": _person("lea"),
    "below": _person("mia", Role.MEMBER),
    "nobody": None,
    "above": _person("mara", Role.MANAGER),
    "proposer": _person("paul"),
    "sole": _person("paul", Role.LEAD, RiskTier.MEDIUM),
    "sole_for_another_tier": _person("paul", Role.LEAD, RiskTier.HIGH),
    "seconded": _person("leo"),
}
_APPROVERS = {
    "good": (_person("leo"),),
    "none": (),
    "demoted": (_person("leo", Role.MEMBER),),
    "gone": (),
    "own": (_person("paul"),),
    "own_as_sole": (_person("paul", Role.LEAD, RiskTier.MEDIUM),),
    "denied": (_person("leo"), _person("mara", Role.MANAGER)),
    "of_another_digest": (_person("leo"),),
}
_BREAKERS = {
    "whole": None,
    "broken": _person("mara", Role.MANAGER),
    "breaker_demoted": _person("mara", Role.LEAD),
    "breaker_unknown": None,
    "another_manager": _person("max", Role.MANAGER),
}


@cache
def _rule(requires: str) -> Rule:
    return Rule(
        tier=RiskTier.INFO if requires == "nobody" else RiskTier.MEDIUM,
        tier_because=("so",),
        requires=_LEAD if requires == "lead" else None,
        deadline_seconds=_SECONDS,
        life_seconds=_SECONDS,
        least_modalities=0,
        least_confidence=0.0,
    )


_RULES = {
    (requires, rule): None if rule == "none" else _rule(requires).model_copy(update={"reason_required": rule == "changed"})
    for requires in VALUES["requires"]
    for rule in VALUES["rule"]
}
_REMEDIATION = Remediation(
    tenant="acme", investigation="inv-1", action="roll_back", target="checkout", proposed_by="paul", confidence=1.0
)
_MISBOUND: dict[str, object] = {
    "tenant": "zeta",
    "investigation": "inv-2",
    "action_id": "drain",
    "target": "basket",
    "params": {"by": 2},
    "tier": RiskTier.LOW,
    "rule_hash": _OTHER,
    "shown": _OTHER,
}


_PLAIN = ApprovalRequest(
    tenant="acme",
    id="apr-1",
    epoch=1,
    remediation=_REMEDIATION,
    rule=_rule("lead"),
    plan=("roll back",),
    created_at=_BEGAN,
)
_RESHOWN: Mapping[str, Mapping[str, object]] = {
    "plan": {"plan": ("roll back", "and more")},
    "proposer": {"remediation": _REMEDIATION.model_copy(update={"proposed_by": ORCHESTRATOR})},
    "undo": {"undo": True},
}


@cache
def _bound(binding: str, requires: str) -> tuple[Bound | None, str]:
    """What is bound, and the digest that the request says it has."""
    if binding == "unbound":
        return None, ""
    rule = _rule(requires)
    bound = Bound(
        tenant="acme",
        investigation="inv-1",
        action_id="roll_back",
        catalogue_hash="entry",
        params={},
        target="checkout",
        target_version=_VERSION,
        tier=rule.tier,
        rule_hash=rule.digest,
        shown=digest_of_shown(_PLAIN),
        expires_at=END,
        nonce="n",
    )
    if binding in _MISBOUND:
        bound = bound.model_copy(update={binding: _MISBOUND[binding]})
    return bound, _OTHER if binding == "digest" else digest_of_bound(bound)


@cache
def _request(  # noqa: PLR0917  the conditions that a request shows
    state: S, binding: str, requires: str, time: str, approvals: str, glass: str, execution: str
) -> ApprovalRequest:
    bound, digest = _bound(binding, requires)
    return _PLAIN.model_copy(
        update={
            "rule": _rule(requires),
            "state": state,
            "bound": bound,
            "digest": digest,
            "approved_until": END + {"stretched": timedelta(hours=1), "cut": -timedelta(minutes=1)}.get(time, timedelta()),
            "approvals": _approvals(approvals, digest),
            "break_glass": None if glass == "whole" else BreakGlass(principal="mara", reason="r", at=_BEGAN),
            "execution": None if execution == "none" else Execution(executor="executor:1", fence=5, began_at=_BEGAN),
            **_RESHOWN.get(binding, {}),
        }
    )


def _approvals(kind: str, digest: str) -> tuple[Approval, ...]:
    def said(name: str, decision: Decision = Decision.APPROVE, of: str = digest) -> Approval:
        return Approval.model_construct(digest=of, principal=name, role=Role.LEAD, decision=decision, at=_BEGAN)

    match kind:
        case "none":
            return ()
        case "own" | "own_as_sole":
            return (said("paul"),)
        case "denied":
            return (said("leo"), said("mara", Decision.DENY))
        case "of_another_digest":
            return (said("leo", of="0" * 64),)
        case _:
            return (said("leo"),)


_NOW = {"before": -1.0, "at_the_end": 0.0, "after": 1.0, "stretched": 0.0, "cut": -1.0}


def attempt_of(state: S, case: Case) -> Attempt:
    """The attempt of these conditions. Who approved before matters to somebody who approves again, and to a beginning."""
    (
        epoch,
        actor,
        shown,
        binding,
        requires,
        time,
        approvals,
        rule,
        entry,
        target,
        halted,
        frozen,
        glass,
        execution,
        fence,
        lost,
    ) = case
    said = "good" if actor == "seconded" and state is S.PENDING else approvals
    request = _request(state, binding, requires, time, said, glass, execution)
    return Attempt(
        request=request,
        now=END + timedelta(seconds=_NOW[time]),
        epoch=1 if epoch == "current" else 2,
        actor=_ACTORS[actor],
        digest={"right": request.digest, "wrong": "e" * 64, "nothing": ""}[shown],
        approvers=_APPROVERS[approvals],
        rule=_RULES[requires, rule],
        catalogue_hash="entry" if entry == "same" else "another",
        version=_VERSION if target == "same" else {"revision": 8},
        halt=_HALT if halted == "yes" else None,
        frozen="a freeze" if frozen == "yes" else "",
        breaker=_BREAKERS[glass],
        fence=5 if fence == "right" else 4,
        lost=lost == "yes",
    )
