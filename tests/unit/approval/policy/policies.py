"""Policies to test with."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from middlewatch.approval.policy import Case, Policy, load_policy
from middlewatch.records import ActionSpec, RiskTier

ROOT = Path(__file__).resolve().parents[4]
EXAMPLE: str = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "policy.md").read_text(encoding="utf-8"), re.DOTALL)[0]
"""The one of the documentation."""

PEOPLE = """
[principals.boss]
role = "manager"
local = ["boss"]
[principals.chief]
role = "manager"
local = ["chief"]
[principals.lead]
role = "lead"
local = ["lead"]
[principals.member]
role = "member"
local = ["member"]
"""
"""Two managers, a lead and a member."""

Load = Callable[[str], Policy]


def loader(folder: Path) -> Load:
    """Load a text as a policy file."""

    def load(text: str) -> Policy:
        path = folder / "policy.toml"
        path.write_text(text, encoding="utf-8")
        return load_policy(path)

    return load


def spec(tier: RiskTier | str = RiskTier.MEDIUM, id_: str = "act") -> ActionSpec:
    return ActionSpec(
        id=id_,
        title="Do it",
        tier=RiskTier(tier),
        parameters_schema={},
        blast_radius="little",
        precondition="none",
        effect="seen",
    )


def case(target: str = "one", *, undo: bool = False, confidence: float = 1.0) -> Case:
    return Case(target, undo=undo, confidence=confidence)
