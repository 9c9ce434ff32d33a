"""The table of approvals as an independent model, and every case in which it is compared with `middlewatch.approval.transitions`.

The model knows conditions in the abstract, such as 'the target changed', and says what follows; it shares no line with the guards.
`attempt_of` makes the concrete attempt of such conditions. For each event the conditions that its row names are combined in full
(of an approval and a beginning, which name many: good and bad of each in full, and every pair of values), once with everything
else good and once with everything else bad, which must not matter; and all of that in each of the states.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from math import prod

from middlewatch.approval.binding import digest_of_bound, digest_of_shown
from middlewatch.approval.transitions import Attempt, Event, judge
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
from middlewatch.records.errors import Refused

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

NAMED: Mapping[Event, tuple[str, ...]] = {
    Event.ASK: ("epoch",),
    Event.REFUSE: (),
    Event.APPROVE: ("epoch", "actor", "shown", "binding", "requires", "time"),
    Event.APPROVE_BY_POLICY: ("epoch", "shown", "binding", "requires", "time"),
    Event.DENY: ("actor",),
    Event.EDIT: ("actor",),
    Event.TIMEOUT: ("epoch", "time", "binding"),
    Event.FINAL_TIMEOUT: ("time", "binding"),
    Event.VOID: ("epoch", "rule", "entry", "target", "binding"),
    Event.BEGIN: (
        "epoch",
        "execution",
        "binding",
        "approvals",
        "time",
        "requires",
        "rule",
        "entry",
        "target",
        "halted",
        "frozen",
        "glass",
    ),
    Event.SUCCEED: ("execution", "fence", "epoch", "actor", "requires"),
    Event.FAIL: ("execution", "fence", "epoch", "actor", "requires"),
    Event.LOSE: ("lost", "epoch"),
}
"""The conditions that the model reads for each event."""

IN_FULL = 8000
"""Where the named conditions have no more combinations than this, all are tried."""

Case = tuple[str, ...]
"""The values of all conditions, in the order of `VALUES`."""
_NAMES = tuple(VALUES)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the code and the model part."""

    event: Event
    state: S
    case: Mapping[str, str]
    expected: S | None
    found: S | None


def follows(state: S, event: Event, case: Mapping[str, str]) -> S | None:  # noqa: C901, PLR0911  one case a row
    """The table of approvals.md: the state that follows, or None where the event is refused."""
    waiting = state in {S.PREPARING, S.PENDING, S.APPROVED}
    current = case["epoch"] == "current"
    match event:
        case Event.ASK:
            return S.PENDING if state is S.PREPARING and current else None
        case Event.REFUSE:
            return S.REFUSED if state is S.PREPARING else None
        case Event.APPROVE:
            asked = state is S.PENDING and current and not _over(state, case) and case["binding"] == "whole"
            return S.APPROVED if asked and case["shown"] == "right" and _may_approve(case) else None
        case Event.APPROVE_BY_POLICY:
            asked = state is S.PENDING and current and not _over(state, case) and case["binding"] == "whole"
            return S.APPROVED if asked and case["shown"] == "right" and case["requires"] == "nobody" else None
        case Event.DENY:
            return S.DENIED if waiting and case["actor"] != "nobody" else None
        case Event.EDIT:
            return S.SUPERSEDED if waiting and case["actor"] != "nobody" else None
        case Event.TIMEOUT:
            return S.PENDING if state is S.PENDING and current and not _over(state, case) else None
        case Event.FINAL_TIMEOUT:
            return S.EXPIRED if waiting and _over(state, case) else None
        case Event.VOID:
            unbound = case["binding"] == "unbound"
            moved = not unbound and "changed" in (case["entry"], case["target"])
            return S.SUPERSEDED if waiting and (not current or case["rule"] != "same" or moved) else None
        case Event.BEGIN:
            return S.EXECUTING if state is S.APPROVED and _may_begin(case) else None
        case Event.LOSE:
            return S.UNKNOWN if state is S.EXECUTING and (case["lost"] == "yes" or not current) else None
        case Event.SUCCEED | Event.FAIL:
            to = S.SUCCEEDED if event is Event.SUCCEED else S.FAILED
            held = case["execution"] == "begun" and case["fence"] == "right" and current
            told = case["requires"] != "lead" or case["actor"] != "below"
            return to if (state is S.EXECUTING and held) or (state is S.UNKNOWN and told) else None


def _over(state: S, case: Mapping[str, str]) -> bool:
    """Whether the time of a waiting state is over. What does not say until when it may be approved may not be approved."""
    if state is S.PENDING and case["binding"] == "unbound":
        return True
    return case["time"] in {"at_the_end", "after", "stretched"} or (case["time"] == "cut" and state is S.APPROVED)


def _may_approve(case: Mapping[str, str]) -> bool:
    seated = case["actor"] in {"fit", "above", "sole"}
    own = case["actor"] in {"proposer", "sole_for_another_tier"}
    if case["requires"] == "lead":
        return seated
    # `sole` is a sole operator for the medium tier, and what needs nobody is of the info tier
    of_the_tier = case["actor"] != "sole" or case["requires"] == "nobody_though_medium"
    return case["actor"] not in {"nobody", "seconded"} and not own and of_the_tier


def _may_begin(case: Mapping[str, str]) -> bool:
    good = {"good", "own_as_sole"} if case["requires"] == "lead" else {"good", "own_as_sole", "demoted", "gone", "own"}
    return (
        case["epoch"] == "current"
        and case["execution"] == "none"
        and case["binding"] == "whole"
        and case["approvals"] in good
        and not _over(S.APPROVED, case)
        and (case["rule"], case["entry"], case["target"], case["halted"]) == ("same", "same", "same", "no")
        and (case["frozen"] == "no" or case["glass"] == "broken")
    )


@cache
def cases(event: Event) -> tuple[Case, ...]:
    """Every combination that is tried for an event, those with the fewest bad values first."""
    named = NAMED[event]
    good = tuple(VALUES[name][0] for name in _NAMES)
    found: set[Case] = set()
    if prod(len(VALUES[name]) for name in named) <= IN_FULL:
        found |= set(_combined({name: VALUES[name] for name in named}, good))
    else:
        found |= set(_combined({name: VALUES[name][:2] for name in named}, good))
        for one, other in itertools.combinations(named, 2):
            found |= set(_combined({one: VALUES[one], other: VALUES[other]}, good))
    in_order = sorted(found, key=lambda case: (sum(value != best for value, best in zip(case, good, strict=True)), case))
    bad = {name: VALUES[name][1] for name in VALUES if name not in named}
    return tuple(
        itertools.chain.from_iterable(
            (case, tuple(bad.get(name, value) for name, value in zip(_NAMES, case, strict=True))) for case in in_order
        )
    )


def _combined(values: Mapping[str, tuple[str, ...]], otherwise: Case) -> Iterator[Case]:
    at = {name: _NAMES.index(name) for name in values}
    for chosen in itertools.product(*values.values()):
        case = list(otherwise)
        for name, value in zip(values, chosen, strict=True):
            case[at[name]] = value
        yield tuple(case)


def differences(event: Event, *, count: Callable[[], None] = lambda: None) -> Iterator[Difference]:
    """Where the code does not do what the model says; `count` is called for every transition that is compared."""
    for case in cases(event):
        named = dict(zip(_NAMES, case, strict=True))
        for state in S:
            count()
            expected = follows(state, event, named)
            try:
                found: S | None = judge(event, attempt_of(state, case))
            except Refused:
                found = None
            if found is not expected:
                yield Difference(event, state, named, expected, found)


# The concrete attempt of abstract conditions

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


if __name__ == "__main__":
    compared: list[Event] = []
    found = [found for event in Event for found in differences(event, count=lambda event=event: compared.append(event))]  # type: ignore[misc]
    states = {(state, case) for event in Event for case in cases(event) for state in S}
    print(f"{len(states):,} states, {len(compared):,} transitions, {len(found)} differences")  # noqa: T201
