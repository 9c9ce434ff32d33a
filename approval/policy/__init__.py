"""Policy: who may decide what, how dangerous an action is on a target, and when nothing may begin. One file, read as a whole."""

from __future__ import annotations

from middlewatch.approval.policy.loading import examine_policy, load_policy
from middlewatch.approval.policy.policy import Policy
from middlewatch.approval.policy.tiers import Case
from middlewatch.approval.policy.windows import Freeze
from middlewatch.records import BudgetState
from middlewatch.records.toml_document import Mistake

__all__ = ["BudgetState", "Case", "Freeze", "Mistake", "Policy", "examine_policy", "load_policy"]
