"""Invariants: low confidence and a small budget only raise a tier, trust never moves it below low, no tier lowers a requirement."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.approval.policy import BudgetState, Case, Policy
from middlewatch.approval.policy.entries import ApprovalsEntry, RuleEntry
from middlewatch.approval.policy.seats import can_be_met, least_role, requirement_of, usual_steps
from middlewatch.approval.policy.tiers import tier_of, written_tier
from middlewatch.approval.requirement import fits
from middlewatch.records import Principal, RiskTier, Role
from middlewatch.records.errors import Refused
from tests.unit.approval.policy.policies import PEOPLE, Load, case, loader, spec

TIERS = st.sampled_from(RiskTier)
SHARES = st.floats(0, 1)
CASES = st.builds(
    Case, target=st.just("one"), undo=st.booleans(), confidence=SHARES, budget=st.none() | st.sampled_from(BudgetState)
)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return loader(tmp_path)


def exact(tier: RiskTier | None = None, tier_at_least: RiskTier | None = None) -> RuleEntry | None:
    said = {"tier": tier} if tier else {"tier_at_least": tier_at_least}
    return None if tier is tier_at_least else RuleEntry.model_validate({"actions": ["act"], "targets": ["one"], **said})


def every(tier_at_least: RiskTier) -> RuleEntry:
    return RuleEntry.model_validate({"actions": "*", "targets": ["one"], "tier_at_least": tier_at_least})


@given(TIERS, st.none() | TIERS, st.lists(TIERS.map(every), max_size=3), CASES, SHARES)
def test_a_case_only_raises_what_is_written(
    base: RiskTier, given_tier: RiskTier | None, tightening: list[RuleEntry], one: Case, raise_below: float
) -> None:
    written = written_tier(spec(base), "one", exact(given_tier), tightening)
    assert written.now.level >= max((rule.tier_at_least.level for rule in tightening if rule.tier_at_least), default=0)
    assert base is RiskTier.INFO or written.now is not RiskTier.INFO, "only what the catalogue calls harmless runs by itself"
    assert written == written_tier(spec(base), "one", exact(given_tier), tightening[::-1]), "the order does not count"
    try:
        now = tier_of(written, one, raise_below=raise_below, trust_after=None).now
    except Refused:
        assert one.budget in {BudgetState.FROZEN, BudgetState.EXHAUSTED}
        assert not one.undo
        return
    assert now.level >= written.now.level
    if written.now is RiskTier.INFO:
        assert now is RiskTier.INFO
        return
    raised = (one.budget is BudgetState.CANARY and not one.undo) + (one.confidence < raise_below)
    assert now is RiskTier.at(written.now.level + raised)
    trusted = tier_of(written, replace(one, trusted=True), raise_below=raise_below, trust_after=3).now
    least = max([RiskTier.LOW.level, *(rule.tier_at_least.level for rule in tightening if rule.tier_at_least)])
    assert trusted.level == max(now.level - 1, least)
    unasked = tier_of(written, replace(one, trusted=True), raise_below=raise_below, trust_after=None).now
    assert unasked is now, "policy says nothing of trust"


@given(st.sampled_from([RiskTier.LOW, RiskTier.MEDIUM, RiskTier.HIGH]), CASES, SHARES)
def test_a_surer_finding_and_a_fuller_budget_never_raise_the_tier(tier: RiskTier, one: Case, surer: float) -> None:
    written = written_tier(spec(tier), "one", None, [])
    one = replace(one, budget=one.budget if one.undo else None, confidence=min(one.confidence, surer))
    low = tier_of(written, one, raise_below=0.66, trust_after=None).now
    assert tier_of(written, replace(one, confidence=surer), raise_below=0.66, trust_after=None).now.level <= low.level
    canary = tier_of(written, replace(one, budget=BudgetState.CANARY), raise_below=0.66, trust_after=None).now
    assert canary.level >= low.level


def test_each_step_is_told_in_words(load: Load) -> None:
    policy = load(f'{PEOPLE}[[rules]]\nactions = ["act"]\ntargets = ["one"]\ntier = "low"\ntrust_after = 4\n')
    told = policy.rule(spec("high"), Case("one", undo=False, confidence=0.5, budget=BudgetState.CANARY, trusted=True))
    assert told.tier is RiskTier.MEDIUM
    assert told.tier_because == (
        "The catalogue gives act the tier high.",
        "Policy gives act on one the tier low.",
        "At most half of the error budget is left: one tier up, medium.",
        "The finding's confidence, 0.50, is below 0.66: one tier up, high.",
        "Policy trusts it after 4 approved and verified successes: one tier down, medium.",
    )
    undone = policy.rule(spec("high"), Case("one", undo=True, confidence=1.0, budget=BudgetState.EXHAUSTED))
    assert undone.tier_because[-1] == "It takes back a recorded change: the error budget does not bind it."
    lowest = load(f'{PEOPLE}[[rules]]\nactions = ["act"]\ntargets = ["one"]\ntier = "info"\n').rule(spec("high"), case())
    assert lowest.tier is RiskTier.LOW
    assert "low is the least for it" in lowest.tier_because[-1]


@pytest.mark.parametrize("budget", [BudgetState.FROZEN, BudgetState.EXHAUSTED])
def test_without_budget_only_what_takes_a_change_back_goes_through(load: Load, budget: BudgetState) -> None:
    policy = load(PEOPLE)
    with pytest.raises(Refused, match="error budget of one"):
        policy.rule(spec(), replace(case(), budget=budget))
    assert policy.rule(spec(), replace(case(undo=True), budget=budget)).tier is RiskTier.MEDIUM
    assert policy.rule(spec("info"), replace(case(), budget=budget)).requires is None, "a ticket changes nothing"


SEATS = st.sampled_from(["member", "lead", "manager", "principal:boss", "principal:lead", "principal:member"])
APPROVALS = st.one_of(
    st.lists(SEATS, min_size=1, max_size=4, unique=True).map(lambda seats: ApprovalsEntry.model_validate({"any_of": seats})),
    st.lists(SEATS, min_size=1, max_size=4, unique=True).map(lambda seats: ApprovalsEntry.model_validate({"all_of": seats})),
)
STAFF = tuple(
    Principal(id=id_, name=id_, role=role)
    for id_, role in (("boss", Role.MANAGER), ("chief", Role.MANAGER), ("lead", Role.LEAD), ("member", Role.MEMBER))
)


@given(st.none() | APPROVALS, TIERS)
def test_no_requirement_asks_for_less_than_the_role_of_its_tier(entry: ApprovalsEntry | None, tier: RiskTier) -> None:
    needed = requirement_of(entry, tier, STAFF)
    assert all(seat.role.level >= least_role(tier).level for seat in needed.seats)
    for person in STAFF:
        if person.role.level < least_role(tier).level:
            assert not any(fits(person, seat) for seat in needed.seats)
    higher = requirement_of(entry, RiskTier.at(tier.level + 1), STAFF)
    if needed.quantifier == "all_of":
        assert len(higher.seats) == len(needed.seats), "a raised tier asks for as many people"
    if can_be_met(higher, STAFF):
        assert can_be_met(needed, STAFF)


@pytest.mark.parametrize("tier", RiskTier)
def test_each_level_is_asked_after_an_equal_share_of_the_deadline(tier: RiskTier) -> None:
    steps = usual_steps(tier, 600)
    assert [(step.after_seconds, [seat.role for seat in step.asked]) for step in steps] == {
        RiskTier.INFO: [(200, [Role.LEAD]), (400, [Role.MANAGER])],
        RiskTier.LOW: [(200, [Role.LEAD]), (400, [Role.MANAGER])],
        RiskTier.MEDIUM: [(300, [Role.MANAGER])],
        RiskTier.HIGH: [],
    }[tier]


def asked(policy: Policy, one: Case) -> tuple[str, list[str]]:
    needed = policy.rule(spec(), one).requires
    assert needed is not None
    return needed.quantifier, [seat.principal or seat.role.value for seat in needed.seats]


def test_a_raised_tier_raises_every_seat_and_asks_for_the_more_people_of_both(load: Load) -> None:
    rule = '[[rules]]\nactions = ["act"]\ntargets = ["one"]\napprovals = '
    two = load(f'{PEOPLE}{rule}{{ all_of = ["lead", "principal:lead"] }}')
    assert asked(two, case()) == ("all_of", ["lead", "lead"])
    assert asked(two, case(confidence=0.6)) == ("all_of", ["manager", "manager"])
    one = f'{PEOPLE}[tiers.high]\napprovals = {{ all_of = ["manager", "manager"] }}\n{rule}{{ any_of = ["principal:lead"] }}'
    assert asked(load(one), case()) == ("any_of", ["lead"])
    assert asked(load(one), case(confidence=0.6)) == ("all_of", ["manager", "manager"])
    alone = PEOPLE.replace('[principals.chief]\nrole = "manager"', '[principals.chief]\nrole = "lead"')
    refusing = load(f'{alone}{rule}{{ all_of = ["lead", "lead"] }}')
    assert asked(refusing, case())[0] == "all_of"
    with pytest.raises(Refused, match="Nobody could approve act on one in the tier high"):
        refusing.rule(spec(), case(confidence=0.6))
