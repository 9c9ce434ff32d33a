"""Invariants: only an active principal's proven identity is anybody's, and the strictest of the rules that hold counts."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from middlewatch.approval.policy import Policy
from middlewatch.records import RiskTier, Role
from middlewatch.records.errors import Refused
from tests.unit.approval.policy.policies import EXAMPLE, PEOPLE, Load, case, loader, spec

SECRET = "open sesame"  # noqa: S105  of nobody


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return loader(tmp_path)


@pytest.fixture
def example(load: Load) -> Policy:
    return load(EXAMPLE)


def test_who_somebody_is(load: Load) -> None:
    policy = load(
        f"""
[principals.boss]
role = "manager"
name = "The Boss"
token_sha256 = ["{digest("another")}", "{digest(SECRET)}"]
break_glass_sha256 = ["{digest("glass")}"]
slack = ["T1/U1"]
oidc = ["https://login.example.org|u1"]
local = ["root"]
sole_operator = ["high"]
[principals.gone]
role = "manager"
active = false
local = ["gone"]
token_sha256 = ["{digest("gone")}"]
break_glass_sha256 = ["{digest("gone glass")}"]
"""
    )
    boss = policy.principal("boss")
    assert boss is not None
    assert (boss.name, boss.role, boss.sole_operator) == ("The Boss", Role.MANAGER, (RiskTier.HIGH,))
    for identity in (f"token:{SECRET}", "token:another", "slack:T1/U1", "oidc:https://login.example.org|u1", "local:root"):
        assert policy.identify(identity) == boss
    nobody = [f"token:{digest(SECRET)}", "token:", f"token:{SECRET} ", SECRET, "local:gone", "token:gone", "local:", "", "boss"]
    nobody += [
        "slack:T1/U2",
        "slack:U1",
        "local:Root",
        "SLACK:T1/U1",
        f"token_sha256:{digest(SECRET)}",
        "token:\ud800",
        "token:glass",
    ]
    assert [identity for identity in nobody if policy.identify(identity) is not None] == []
    assert policy.principal("gone") is None
    assert policy.opens_glass("boss", "glass")
    for principal, credential in (("boss", SECRET), ("boss", ""), ("", "glass"), ("gone", "gone glass"), ("", ""), ("x", "glass")):
        assert not policy.opens_glass(principal, credential)


def test_what_the_example_of_the_documentation_means(example: Policy) -> None:
    rollback = example.rule(spec("high", "rollback_deploy"), case("checkout"))
    assert (rollback.tier, rollback.least_modalities, rollback.deadline_seconds) == (RiskTier.MEDIUM, 1, 900)
    assert example.trust("rollback_deploy", "checkout") == 10
    assert example.trust("rollback_deploy", "storefront") is None
    scale = example.rule(spec("low", "scale_up"), case("storefront"))
    assert (scale.deadline_seconds, [step.after_seconds for step in scale.escalation]) == (300, [120])
    assert example.rule(spec("low", "scale_up"), case("payments")).tier is RiskTier.MEDIUM
    assert example.rule(spec("low", "scale_up"), case("payments")).reason_required
    with pytest.raises(Refused, match="does not allow scale_down on anything"):
        example.rule(spec("high", "scale_down"), case("anything"))
    high = example.rule(spec("high"), case("anything"))
    assert [step.after_seconds for step in high.escalation] == [600, 1200]
    assert high.requires is not None
    assert len(high.requires.seats) == 2
    assert example.rule(spec("info", "open_ticket"), case("checkout")).requires is None
    saturday = datetime(2026, 6, 6, 7, 30, tzinfo=UTC)  # 9:30 in Stockholm
    freeze = example.freeze("checkout", saturday)
    assert freeze is not None
    assert freeze.name == "weekend"
    assert example.freeze("ledger", saturday) is None
    assert example.next_freeze("ledger", saturday) == datetime(2026, 6, 6, 9, tzinfo=UTC)


def test_names_match_whole(example: Policy) -> None:
    for action, target in (("rollback_deploys", "checkout"), ("rollback_deploy", "checkout-2"), ("rollback_deploy", "Checkout")):
        assert example.rule(spec("high", action), case(target)).tier is RiskTier.HIGH


def test_the_strictest_of_all_rules_counts_in_any_order(load: Load) -> None:
    rules = [
        '[[rules]]\nactions = ["act"]\ntargets = ["one"]\ntier = "low"\nleast_modalities = 0\nleast_confidence = 0.1\n',
        '[[rules]]\nactions = "*"\ntargets = ["one"]\nleast_modalities = 3\n',
        '[[rules]]\nactions = ["act"]\ntargets = "*"\nreason_required = true\nleast_confidence = 0.9\ntier_at_least = "medium"\n',
    ]
    both = [load(PEOPLE + "".join(order)).rule(spec(), case()) for order in (rules, rules[::-1])]
    assert both[0] == both[1]
    assert (both[0].tier, both[0].least_modalities, both[0].least_confidence) == (RiskTier.MEDIUM, 3, 0.9)
    assert both[0].reason_required
    alone = load(PEOPLE + rules[0]).rule(spec(), case())
    assert (alone.tier, alone.least_modalities, alone.least_confidence) == (RiskTier.LOW, 0, 0.1)


def test_a_new_user_changes_no_rule_and_a_changed_rule_does(load: Load) -> None:
    before = load(PEOPLE)
    more = load(f'{PEOPLE}[principals.new]\nrole = "lead"\nlocal = ["new"]\n')
    assert before.digest != more.digest
    assert before.rule(spec(), case()).digest == more.rule(spec(), case()).digest
    changed = load(f"{PEOPLE}[tiers.medium]\nreason_required = true\n")
    assert changed.rule(spec(), case()).digest != before.rule(spec(), case()).digest


def test_what_nobody_is_asked_about_can_be_asked_about(load: Load) -> None:
    assert load(PEOPLE).rule(spec("info"), case(confidence=0.1)).requires is None
    asked = load(f"{PEOPLE}[auto]\ninfo = false\n").rule(spec("info"), case())
    assert asked.requires is not None
    assert asked.requires.seats[0].role is Role.MEMBER
    named = load(f'{PEOPLE}[[rules]]\nactions = ["act"]\ntargets = ["one"]\napprovals = {{ any_of = ["lead"] }}\n')
    assert named.rule(spec("info"), case()).requires is not None
    assert named.rule(spec("info"), case("two")).requires is None


def test_the_digest_is_of_the_bytes(load: Load, tmp_path: Path) -> None:
    assert load(PEOPLE).digest == hashlib.sha256((tmp_path / "policy.toml").read_bytes()).hexdigest()
