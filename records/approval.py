"""Actions that somebody must approve. The gateway that enforces this is `middlewatch.approval`."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from middlewatch.records.base import Identifier, Record, Tenant, UtcDatetime


class RiskTier(StrEnum):
    """How dangerous an action is; decides who may approve it."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def level(self) -> int:
        """0 for the lowest tier; tiers compare by this, never by their names."""
        return list(RiskTier).index(self)


class Remediation(Record):
    """A proposed action from the catalogue with its exact parameters."""

    tenant: Tenant
    investigation: Identifier
    id: Identifier
    action: str
    target: str
    parameters: dict[str, str | int | float | bool]
    evidence: tuple[Identifier, ...]
    expected_effect: str


class Decision(StrEnum):
    """What a principal can say to a request."""

    APPROVE = "approve"
    DENY = "deny"


class Approval(Record):
    """A decision by one named principal, bound to the digest of what was shown."""

    tenant: Tenant
    request: Identifier
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    principal: str
    decision: Decision
    reason: str = ""
    at: UtcDatetime


class Escalation(Record):
    """Asking the next level. It changes who is asked, never the role that is required."""

    tenant: Tenant
    request: Identifier
    asked: str
    at: UtcDatetime
