"""Invariant: what is explained is what the gateway does: a freeze holds up what is not of the info tier by policy, save an undo."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from middlewatch.policies import explain_policy, make_token, proposed
from middlewatch.settings import Settings
from tests.unit.approval.policy.policies import PEOPLE

FREEZE = """
[[freezes]]
name = "all of it"
targets = "*"
zone = "UTC"
from = 2026-01-01T00:00:00
to = 2026-12-31T00:00:00
"""
STRICT = """
[[rules]]
actions = "*"
targets = ["checkout"]
tier_at_least = "low"
"""
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("action", "rules", "undo", "bound"),
    [
        ("open_ticket", "", False, False),
        ("open_ticket", STRICT, False, True),
        ("open_ticket", STRICT, True, False),
        ("scale_up", "", False, True),
        ("scale_up", "", True, False),
    ],
)
def test_whether_a_freeze_holds_it_up_goes_by_the_tier_that_policy_gives_it(
    tmp_path: Path,
    action: str,
    rules: str,
    undo: bool,  # noqa: FBT001
    bound: bool,  # noqa: FBT001
) -> None:
    (tmp_path / "policy.toml").write_text(PEOPLE + rules + FREEZE, encoding="utf-8")
    case = proposed("checkout", undo=undo, confidence=1.0, budget=None)
    told = explain_policy(Settings(data_dir=tmp_path), action, case, at=NOW)
    assert told.freeze is not None
    assert told.bound is bound
    assert told.rule is not None
    assert bound is (not undo and told.rule.tier != "info")


@pytest.mark.parametrize(
    ("policy", "lacks"),
    [
        (None, "There is no policy yet"),
        ("[", "The policy cannot be read: "),
        ("", "The policy has no [principals.ann]: add that line, "),
        (
            '[principals.ann]\nrole = "lead"\n',
            "[principals.ann] has no identity yet, so nobody can act as it: this line is the one",
        ),
        ('[principals.ann]\nrole = "lead"\nlocal = ["ann"]\n', "[principals.ann] has no token yet: add this line."),
        (f'[principals.ann]\ntoken_sha256 = ["{"a" * 64}"]\n', "has a token_sha256 already: put the new digest into that list"),
        ("[principals.ann]\nactive = false\n", "has active = false"),
    ],
)
def test_with_a_new_token_it_is_said_what_the_policy_lacks_for_it(tmp_path: Path, policy: str | None, lacks: str) -> None:
    if policy is not None:
        (tmp_path / "policy.toml").write_text(policy, encoding="utf-8")
    assert lacks in make_token(Settings(data_dir=tmp_path), "ann").lacks


def test_with_the_line_that_it_lacks_the_principal_is_known(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[principals.ann]\nrole = "manager"\n', encoding="utf-8")
    made = make_token(Settings(data_dir=tmp_path), "ann")
    assert not made.known
    path.write_text(f"{path.read_text(encoding='utf-8')}{made.line}\n", encoding="utf-8")
    assert make_token(Settings(data_dir=tmp_path), "ann").known
