"""The table of approvals as an independent model, and every case in which it is compared with `middlewatch.approval.transitions`.

The model knows conditions in the abstract, such as 'the target changed', and says what follows; it shares no line with the guards.
`approval_attempts` makes the concrete attempt of such conditions. For each event the conditions that its row names are combined in
full (of an approval and a beginning, which name many: good and bad of each in full, and every pair of values), once with everything
else good and once with everything else bad, which must not matter; and all of that in each of the states.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import prod

from middlewatch.approval.transitions import Event, judge
from middlewatch.records import RequestState as S
from middlewatch.records.errors import Refused
from tests.unit.approval.approval_attempts import VALUES, Case, attempt_of

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


if __name__ == "__main__":
    compared: list[Event] = []
    found = [found for event in Event for found in differences(event, count=lambda event=event: compared.append(event))]  # type: ignore[misc]
    states = {(state, case) for event in Event for case in cases(event) for state in S}
    print(f"{len(states):,} states, {len(compared):,} transitions, {len(found)} differences")  # noqa: T201
