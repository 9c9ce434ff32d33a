"""Invariant: what is explained is what the gateway does: a freeze holds up what is not of the info tier by policy, save an undo."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from middlewatch.policies import explain_policy, proposed
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
