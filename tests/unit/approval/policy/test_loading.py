"""Invariants: a policy is used whole or not at all, every mistake names its line, and a misspelt key never weakens anything."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from middlewatch.approval.policy import Policy, examine_policy, load_policy
from middlewatch.approval.policy.example import example_policy
from middlewatch.records import RiskTier, Role
from middlewatch.records.errors import Misconfigured, Refused
from tests.hostile import HOSTILE
from tests.unit.approval.policy.policies import EXAMPLE, PEOPLE, Load, loader

EMPTY = hashlib.sha256().hexdigest()
SHA = "0123456789abcdef" * 4
RULE = '[[rules]]\nactions = ["act"]\ntargets = ["one"]\n'
EVERY = '[[rules]]\nactions = "*"\ntargets = ["one"]\n'
FREEZE = '[[freezes]]\nname = "x"\ntargets = "*"\nzone = "UTC"\n'
DATES = "from = 2026-01-01T00:00:00\nto = 2026-01-02T00:00:00\n"
NEW = '[principals.new]\nrole = "lead"\n'
OUT = '[principals.out]\nrole = "manager"\nactive = false\n'

MISTAKES = [
    # what stands after PEOPLE; the line in it, from 1 on; what is said
    ('[principal.x]\nrole = "lead"\n', 1, "principal: is no key of a policy; did you mean principals?"),
    ("freeze = []\n", 1, "freeze: is no key"),  # it belongs to the last principal, and is none there either
    (f"{NEW}", 1, "principals.new: has no identity"),
    ('[principals.new]\nlocal = ["new"]\n', 1, "principals.new.role: is missing"),
    ('[principals.new]\nrole = "boss"\nlocal = ["new"]\n', 2, "principals.new.role: must be 'member', 'lead' or 'manager'"),
    (f'{NEW}local = "new"\n', 3, "principals.new.local: must be a list"),
    (f'{NEW}local = ["new"]\nactiv = false\n', 4, "principals.new.activ: is no key of a policy; did you mean active?"),
    (f'{NEW}local = ["new"]\nactive = 0\n', 4, "principals.new.active: must be true or false"),
    (f'{NEW}local = ["boss"]\n', 3, "principals.new.local.0: stands at principals.boss.local as well"),
    (f'{NEW}local = ["new", "new"]\n', 3, "principals.new.local: names something twice"),
    (f'{NEW}slack = ["Ann"]\n', 3, "principals.new.slack.0: is not written as it must be"),
    (f'{NEW}slack = ["T1/U1\\n"]\n', 3, "principals.new.slack.0: is not written as it must be"),
    (f'{NEW}oidc = ["ann@example.org"]\n', 3, "principals.new.oidc.0: is not written as it must be"),
    (f'{NEW}token_sha256 = ["secret"]\n', 3, "principals.new.token_sha256.0: is not written as it must be"),
    (f'{NEW}token_sha256 = ["{EMPTY}"]\n', 3, "principals.new.token_sha256.0: is the digest of an empty token"),
    (f'{NEW}local = ["new"]\nbreak_glass_sha256 = ["{SHA}"]\n', 4, "principals.new.break_glass_sha256: needs the role manager"),
    (
        f'[principals.new]\nrole = "manager"\ntoken_sha256 = ["{SHA}"]\nbreak_glass_sha256 = ["{SHA}"]\n',
        4,
        "principals.new.break_glass_sha256.0: stands at principals.new.token_sha256 as well",
    ),
    (f'{NEW}local = ["new"]\nsole_operator = ["low", "high"]\n', 4, "principals.new.sole_operator.1: high needs the role manager"),
    (f'{NEW}local = ["new"]\ndecides_over_mcp = "yes"\n', 4, "principals.new.decides_over_mcp: must be true or false"),
    (
        f'{NEW}slack = ["T1/U9"]\ndecides_over_mcp = true\n',
        4,
        "principals.new.decides_over_mcp: has no identity that comes over MCP",
    ),
    ('[principals."a:b"]\nrole = "lead"\nlocal = ["new"]\n', 1, "principals.a:b: an id has letters"),
    ("[auto]\ninfos = true\n", 2, "auto.infos: is no key of a policy; did you mean info?"),
    ('[auto]\ninfo = "yes"\n', 2, "auto.info: must be true or false"),
    ("[confidence]\nraise_below = 2\n", 2, "confidence.raise_below: must be less than or equal to 1"),
    ("[confidence]\nraise_below = nan\n", 2, "confidence.raise_below: must be"),
    ("[tiers.hihg]\n", 1, "tiers.hihg: is no tier"),
    ("[tiers.high]\ndeadline_minutes = 0\n", 2, "tiers.high.deadline_minutes: must be greater than 0"),
    ('[tiers.high]\nlife_minutes = "5"\n', 2, "tiers.high.life_minutes: must be a number"),
    ("[tiers.low]\nleast_modalities = true\n", 2, "tiers.low.least_modalities: must be a whole number"),
    ('[tiers.high]\napprovals = { any_of = ["lead"] }\n', 2, "tiers.high.approvals.any_of.0: a lead is too little"),
    ('[tiers.high]\napprovals = { any_of = ["principal:lead"] }\n', 2, "tiers.high.approvals.any_of.0: lead is a lead"),
    ('[tiers.high]\napprovals = { any_of = ["principal:x"] }\n', 2, "tiers.high.approvals.any_of.0: there is no principal x"),
    ('[tiers.high]\napprovals = { any_of = ["principal"] }\n', 2, "tiers.high.approvals.any_of.0: is not written"),
    ('[tiers.high]\napprovals = ["manager"]\n', 2, "tiers.high.approvals: must be a table"),
    ("[tiers.high]\napprovals = { all_of = [] }\n", 2, "tiers.high.approvals.all_of: must not be empty"),
    ("[tiers.high]\napprovals = {}\n", 2, "tiers.high.approvals: write either all_of or any_of"),
    (
        '[tiers.high]\napprovals = { all_of = ["manager", "manager", "manager"] }\n',
        2,
        "tiers.high.approvals: nobody can approve on the high tier",
    ),
    (
        '[tiers.low]\napprovals = { all_of = ["principal:lead", "principal:lead"] }\n',
        2,
        "tiers.low.approvals: one person cannot take two seats",
    ),
    (
        f'{OUT}[tiers.high]\napprovals = {{ any_of = ["principal:out"] }}\n',
        5,
        "tiers.high.approvals: nobody can approve on the high tier",
    ),
    (
        f'{OUT}[tiers.low]\nescalation = [{{ after_minutes = 1, ask = ["principal:out"] }}]\n',
        5,
        "tiers.low.escalation.0.ask: reaches nobody",
    ),
    ('[tiers.low]\nescalation = [{ after_minutes = 10, ask = ["lead"] }]\n', 2, "tiers.low.escalation: its last step must come"),
    (
        '[tiers.low]\nescalation = [{ after_minutes = 2, ask = ["lead"] }, { after_minutes = 2, ask = ["lead"] }]\n',
        1,
        "tiers.low: the steps of an escalation come one after the other",
    ),
    (f'{RULE}teir = "low"\n', 4, "rules.0.teir: is no key of a policy; did you mean tier?"),
    (RULE, 1, "rules.0: says nothing about them"),
    (f'{RULE}tier = "low"\n{RULE}tier = "high"\n', 5, "rules.1: the rule of line"),
    (f"{RULE}trust_after = 0\n", 4, "rules.0.trust_after: must be greater than or equal to 1"),
    (f'{RULE}tier = "low"\ntier_at_least = "low"\n', 1, "rules.0: has both tier and tier_at_least"),
    (f'{RULE}escalation = [{{ after_minutes = 2, ask = ["lead"] }}]\n', 1, "rules.0: an escalation needs deadline_minutes"),
    (
        f'{RULE}deadline_minutes = 2\nescalation = [{{ after_minutes = 2, ask = ["lead"] }}]\n',
        1,
        "rules.0: the last step of the escalation must come before the deadline",
    ),
    (f'{RULE}tier = "high"\napprovals = {{ any_of = ["lead"] }}\n', 5, "rules.0.approvals.any_of.0: a lead is too little"),
    (f'{EVERY}tier = "low"\n', 1, 'rules.0: a rule with "*" may only tighten, and cannot have tier'),
    (f"{EVERY}trust_after = 1\n", 1, 'rules.0: a rule with "*" may only tighten'),
    (f"{EVERY}reason_required = false\n", 1, 'rules.0: a rule with "*" may only tighten'),
    (f"{EVERY}allowed = true\n", 1, 'rules.0: a rule with "*" may only tighten'),
    ('[[rules]]\nactions = ["*"]\ntargets = ["one"]\n', 2, 'rules.0.actions: "*" stands alone'),
    ('[[rules]]\nactions = ["restart_*"]\ntargets = ["one"]\n', 2, "rules.0.actions.0: is not written as it must be"),
    ('[[rules]]\nactions = []\ntargets = ["one"]\nallowed = false\n', 2, "rules.0.actions: a list of exact names"),
    ('[[rules]]\nactions = "act"\ntargets = ["one"]\nallowed = false\n', 2, "rules.0.actions: a list of exact names"),
    ("[rules]\nx = 1\n", 1, "rules: must be an array of tables"),
    (f"{FREEZE.replace('UTC', 'Europe/Atlantis')}{DATES}", 4, "freezes.0.zone: not a time zone"),
    (f"{FREEZE.replace('UTC', '../etc/passwd')}{DATES}", 4, "freezes.0.zone: not a time zone"),
    (f"{FREEZE}to = 2026-01-02T00:00:00\n", 1, "freezes.0.from: is missing"),
    (f"{FREEZE}from = 2026-01-02\nto = 2026-01-03\n", 5, "freezes.0.from: a local date and time"),
    (f"{FREEZE}from = 2026-01-02T00:00:00Z\nto = 2026-01-03T00:00:00\n", 5, "freezes.0.from: write the local time"),
    (f"{FREEZE}from = 2026-01-02T00:00:00\nto = 2026-01-01T00:00:00\n", 1, "freezes.0: it ends before it begins"),
    (f"{FREEZE}from = 2026-01-02T00:00:00\nto = 2062-01-02T00:00:00\n", 1, "freezes.0: it is longer than a year"),
    (f"{FREEZE}from = 0001-01-01T00:00:00\nto = 0001-01-02T00:00:00\n", 5, "freezes.0.from: the year must lie"),
    (f"{FREEZE}from = 18:00:00\nto = 19:00:00\n", 1, "freezes.0: without `days`"),
    (f'{FREEZE}days = ["fri"]\n{DATES}', 1, "freezes.0: with `days`"),
    (f'{FREEZE}days = ["friday"]\nfrom = 18:00:00\nto = 19:00:00\n', 5, "freezes.0.days.0: must be 'mon'"),
    (f"{FREEZE.replace('freezes', 'maintenance').replace('targets', 'target')}{DATES}", 3, "maintenance.0.target: is no key"),
]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return loader(tmp_path)


@pytest.mark.parametrize(("text", "line", "said"), MISTAKES, ids=lambda value: value[:60] if isinstance(value, str) else None)
def test_every_mistake_names_its_line(load: Load, text: str, line: int, said: str) -> None:
    before = PEOPLE.count("\n")
    with pytest.raises(Misconfigured) as refused:
        load(PEOPLE + text)
    key, _, what = said.partition(": ")
    key = re.escape(key) if key != "freeze" else "principals.member.freeze"
    assert re.search(rf"policy\.toml:{before + line}: {key}: {re.escape(what)}", refused.value.message), refused.value.message
    assert refused.value.remedy


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(load: Load, tmp_path: Path) -> None:
    texts = [
        text
        for text, _, _ in MISTAKES
        if not text.startswith(("[principals", "[tiers", "[auto", "[conf", "[rules", "freeze", "[principal."))
    ]
    with pytest.raises(Misconfigured) as refused:
        load(PEOPLE + "".join(texts))
    _, mistakes = examine_policy(tmp_path / "policy.toml")
    assert len(mistakes) >= len(texts)
    assert [mistake.line for mistake in mistakes] == sorted(mistake.line for mistake in mistakes)
    assert all(str(mistake) in refused.value.message for mistake in mistakes)


@pytest.mark.parametrize("tier", ["low", "medium", "high"])
def test_a_tier_that_nobody_can_approve_is_named(load: Load, tier: str) -> None:
    below = {"low": None, "medium": "member", "high": "lead"}[tier]
    people = f'[principals.one]\nrole = "{below}"\nlocal = ["one"]\n' if below else ""
    with pytest.raises(Misconfigured, match=f"nobody can approve on the {tier} tier"):
        load(people)


def test_what_a_file_has_in_the_wrong_place_is_not_repeated(load: Load) -> None:
    with pytest.raises(Misconfigured) as refused:
        load(f'{PEOPLE}{NEW}token_sha256 = ["hunter2"]\nrole = "hunter2"\n'.replace(f"{NEW}", "[principals.new]\n"))
    assert "hunter2" not in str(refused.value)


def test_names_that_nobody_configured_are_found_where_they_are_known(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(f'{PEOPLE}[[rules]]\nactions = ["act", "atc"]\ntargets = ["one", "on"]\ntier = "high"\n{FREEZE}{DATES}')
    assert isinstance(load_policy(path), Policy)
    policy, mistakes = examine_policy(path, actions={"act"}, targets={"one"})
    assert policy is None
    assert [mistake.what for mistake in mistakes] == [
        "the catalogue has no such action; did you mean act?",
        "no such target is configured; did you mean one?",
    ]
    assert examine_policy(path, actions={"act", "atc"}, targets={"one", "on"})[0] is not None


def test_no_file_allows_nothing_and_says_how_to_write_one(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.toml", tmp_path / "absent" / "policy.toml"):
        with pytest.raises(Refused, match="middlewatch policy init"):
            load_policy(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="middlewatch policy init"):
        load_policy(tmp_path / "file" / "policy.toml")
    with pytest.raises(Misconfigured):
        load_policy(tmp_path)


def test_a_file_that_everybody_may_write_is_no_policy(load: Load, tmp_path: Path) -> None:
    load(PEOPLE)
    (tmp_path / "policy.toml").chmod(0o646)
    with pytest.raises(Misconfigured, match="everybody on this machine may write it"):
        load_policy(tmp_path / "policy.toml")


@pytest.mark.parametrize("raw", [b"\xff", b"a = [" * 5000, b"a = " + b"1" * 5000, b"[principals", b"a = 1\na = 2", b"\x00"])
def test_what_is_no_toml_is_one_clear_error(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(raw)
    with pytest.raises(Misconfigured, match=r"policy\.toml"):
        load_policy(path)


@pytest.mark.parametrize("user", ["ann", "ann.b", "DOM+ann$", "0", "-x-", "_svc", "é", 'a"b'])
def test_the_first_policy_is_one_person_who_works_alone(load: Load, user: str) -> None:
    policy = load(example_policy("some.body-1", user))
    (person,) = policy.principals.values()
    assert person.role is Role.MANAGER
    assert person.sole_operator == (RiskTier.LOW, RiskTier.MEDIUM, RiskTier.HIGH)
    assert policy.identify(f"local:{user}") == person


LINES = EXAMPLE.splitlines()
WORDS = st.sampled_from(sorted(set(re.findall(r"[\w.:*/-]+|[\[\]{}=,\"]", EXAMPLE)))) | HOSTILE


@st.composite
def edited(draw: st.DrawFn) -> str:
    """The documented example with a few lines left out, doubled, swapped, or with a word of another one in them."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[draw(st.integers(0, len(lines) - 1))])
            case 2:
                words = re.split(r"([\w.:*/-]+)", lines[at])
                words[draw(st.integers(0, len(words) - 1))] = draw(WORDS)
                lines[at] = "".join(words)
            case _:
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
    return "\n".join(lines)


def outcome(path: Path) -> str:
    """What is said of a file; nothing where it can be used."""
    try:
        assert load_policy(path).principals
    except Misconfigured as error:
        return error.message
    return ""


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edited())
def test_an_edited_file_is_a_policy_or_misconfigured_and_nothing_else(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8", newline="")
    said = outcome(path)
    assert not said or re.search(r"policy\.toml:\d+: |policy\.toml: .*(line \d+|end of document)", said), said
