"""Approval requests, the rules that govern them, and decisions. What enforces them is `middlewatch.approval`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from pydantic import Field, JsonValue

from middlewatch.records.action import ActionName, ActionResult, PastAction, RiskTier, Scalar, Undo
from middlewatch.records.base import Identifier, Record, Sentence, Tenant, UtcDatetime, digest_of
from middlewatch.records.telemetry import Signal

ORCHESTRATOR = "system:orchestrator"
"""Who proposes what follows from a finding. No person has a name with a colon."""
POLICY = "policy:auto"
"""Who approves where policy lets an action of the lowest tier run by itself."""
REQUEST_PREFIX = "apr-"
"""Every request's id begins with it."""
MCP = "mcp"
"""The face at which a program acts in a person's session; nobody decides there unless policy says so of them."""
LOOKING = "the executor looks at the target"
"""Why a request stands where every one begins, until the executor met something."""


class Role(StrEnum):
    """What a principal may decide, lowest first."""

    MEMBER = "member"
    LEAD = "lead"
    MANAGER = "manager"

    @property
    def level(self) -> int:
        """Roles compare by this, never by their names."""
        return list(Role).index(self)


ROLE_OF_TIER: dict[RiskTier, Role] = {RiskTier.LOW: Role.MEMBER, RiskTier.MEDIUM: Role.LEAD, RiskTier.HIGH: Role.MANAGER}
"""The least role that decides on a tier. The info tier runs by policy."""


class BudgetState(StrEnum):
    """How much is left of a target's error budget, and what that means for forward changes (chosen, not derived)."""

    FREE = "free"
    """Above 50 %: nothing is asked for."""
    CANARY = "canary"
    """25 to 50 %: canaries are asked for; one tier up."""
    FROZEN = "frozen"
    """Below 25 %: no forward change."""
    EXHAUSTED = "exhausted"
    """Nothing is left: only what mends reliability, so no forward change either."""


class Principal(Record):
    """A person whom policy names. Identities of front ends are mapped to one on the server; names that a client sends never are."""

    id: Identifier
    name: str
    role: Role
    active: bool = True
    sole_operator: tuple[RiskTier, ...] = Field(
        default=(), description="tiers whose requests this person may approve although they proposed them"
    )
    decides_over_mcp: bool = Field(default=False, description="whether a program may decide in this person's session")


class Seat(Record):
    """One approver that a rule asks for: anybody of at least a role, or one named person of at least it."""

    role: Role
    principal: Identifier | None = None


class Requirement(Record):
    """Who must approve. `all_of`: every seat, each by another person; `any_of`: one of the seats."""

    quantifier: Literal["all_of", "any_of"]
    seats: tuple[Seat, ...] = Field(min_length=1)


class EscalationStep(Record):
    """Who is asked if nobody has decided so long after the request was made. It lowers nobody's requirement."""

    after_seconds: float = Field(ge=0)
    asked: tuple[Seat, ...] = Field(min_length=1)


class Rule(Record):
    """The effective rule for one action on one target. Its digest is part of what an approval is bound to."""

    tier: RiskTier
    tier_because: tuple[Sentence, ...] = Field(description="how the tier came about, in words, step by step")
    requires: Requirement | None = Field(description="null where policy lets it run by itself")
    deadline_seconds: float = Field(gt=0, description="after it, an undecided request expires")
    life_seconds: float = Field(gt=0, description="how long an approval stays good for a beginning")
    escalation: tuple[EscalationStep, ...] = ()
    reason_required: bool = False
    least_modalities: int = Field(ge=0, description="kinds of telemetry that must speak for it")
    least_confidence: float = Field(ge=0.0, le=1.0)

    @property
    def digest(self) -> str:
        """SHA-256 over the effective rule alone: adding a user to the policy voids nothing."""
        return digest_of(self.model_dump(mode="json"))


class Remediation(Record):
    """A proposed action from the catalogue with its exact parameters."""

    tenant: Tenant
    investigation: Identifier
    action: ActionName
    target: str = Field(min_length=1, max_length=256, description="a target that the operator configured, by its exact name")
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    proposed_by: str = Field(description="a principal's id, or `system:orchestrator`")
    confidence: float = Field(
        ge=0.0, le=1.0, description="of the finding that it follows from; 0 where a person proposes it and none blames the target"
    )
    evidence: tuple[Identifier, ...] = Field(default=(), description="ids of the facts that it rests on")
    modalities: tuple[Signal, ...] = Field(default=(), description="the kinds of telemetry that those facts are of")
    expected_effect: Sentence = Field(default="", description="one sentence, by middlewatch")
    undoes: Identifier | None = Field(
        default=None, description="evidence id of the recorded change, or id of the executed request, that it takes back"
    )
    instead_of: Identifier | None = Field(default=None, description="the request that this one replaces")
    note: str = Field(default="", max_length=4000, description="prose by whoever proposes it; untrusted, shown apart")


class RequestState(StrEnum):
    """Where a request stands. What may follow on what is the table in `middlewatch.approval.transitions`."""

    PREPARING = "preparing"
    PENDING = "pending"
    APPROVED = "approved"
    EXECUTING = "executing"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DENIED = "denied"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    REFUSED = "refused"

    @property
    def terminal(self) -> bool:
        """Whether nothing changes it any more."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {
        RequestState.SUCCEEDED,
        RequestState.FAILED,
        RequestState.DENIED,
        RequestState.EXPIRED,
        RequestState.SUPERSEDED,
        RequestState.REFUSED,
    }
)


class Decision(StrEnum):
    """What a principal can say to a request."""

    APPROVE = "approve"
    DENY = "deny"


class Approval(Record):
    """A decision by one named principal, bound to the digest of what was shown."""

    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    principal: str
    role: Role | None = Field(default=None, description="that the principal had then; null where policy itself decided")
    decision: Decision
    reason: str = Field(default="", max_length=2000)
    face: str = Field(default="", description="where it was given: cli, web, slack, mcp")
    sole_operator: bool = Field(default=False, description="whether the principal approved what they themselves proposed")
    at: UtcDatetime

    @property
    def words(self) -> str:
        """Who said what, as the request that it decides says it."""
        if self.principal == POLICY:
            return "policy lets it run"
        return f"{self.principal} {'approved' if self.decision is Decision.APPROVE else 'denied'} it"


def approval_words(approvals: Sequence[Approval]) -> str:
    """Who approved what they approved together: all of them, in the order in which they did."""
    *others, last = approvals
    return f"{', '.join(one.principal for one in others)} and {last.words}" if others else last.words


class Escalation(Record):
    """Asking the next level. It changes who is asked, never the role that is required."""

    asked: tuple[Seat, ...]
    at: UtcDatetime


class BreakGlass(Record):
    """A manager started it in a freeze. It skips the freeze and nothing else; a review is open until somebody closes it."""

    principal: str
    reason: str
    at: UtcDatetime
    reviewed_by: str = ""


class Recovery(StrEnum):
    """Whether the symptom went away after an execution."""

    WATCHING = "watching"
    RECOVERED = "recovered"
    NOT_RECOVERED = "not_recovered"
    NOT_SEEN = "not_seen"


class Execution(Record):
    """One execution, from its beginning on."""

    executor: str
    fence: int = Field(ge=1, description="the request's revision at its beginning; only its holder may record a result")
    began_at: UtcDatetime
    ended_at: UtcDatetime | None = None
    result: ActionResult | None = None
    reconciled_by: str = Field(default="", description="who found out what became of it: a principal, or `probe`")
    undo: Undo | None = Field(default=None, description="what would take it back")
    recovery: Recovery | None = None
    recovery_note: Sentence = Field(default="", description="one sentence on the symptom")
    recovered_at: UtcDatetime | None = None


class Bound(Record):
    """What a decision is bound to, whole: people are shown this, and approve its digest (RFC 8785, then SHA-256)."""

    v: Literal[1] = 1
    tenant: Tenant
    investigation: Identifier
    action_id: ActionName
    catalogue_hash: str
    params: dict[str, Scalar]
    target: str
    target_version: dict[str, Scalar]
    tier: RiskTier
    rule_hash: str
    shown: str = Field(description="digest of what else people were shown: who proposed it and why, the steps in full, the notes")
    expires_at: UtcDatetime
    nonce: str


class ApprovalRequest(Record):
    """A request for a decision, as the store has it. Every change of it raises its revision."""

    tenant: Tenant
    id: Identifier
    epoch: int = Field(ge=0, description="of the store when it was made; a higher one voids it")
    remediation: Remediation
    rule: Rule
    undo: bool = Field(default=False, description="whether it takes back a recorded change; no freeze holds that up")
    state: RequestState = RequestState.PREPARING
    why: Sentence = Field(default="", description="how it came to this state, one sentence")
    plan: tuple[str, ...] = Field(default=(), description="what will run, in full: one line a step")
    notes: tuple[Sentence, ...] = Field(default=(), description="what was found out about the target, in words")
    bound: Bound | None = Field(default=None, description="null until the target was looked at")
    digest: str = Field(default="", description="of what is bound, as `middlewatch.approval.binding` computes it")
    created_at: UtcDatetime
    approvals: tuple[Approval, ...] = ()
    asked: tuple[Escalation, ...] = ()
    approved_until: UtcDatetime | None = None
    break_glass: BreakGlass | None = None
    execution: Execution | None = None
    similar: tuple[PastAction, ...] = ()

    @property
    def awaits_review(self) -> bool:
        """Whether the glass was broken for it, it is over, done or not, and nobody reviewed that yet."""
        return self.state.terminal and self.break_glass is not None and not self.break_glass.reviewed_by

    @property
    def held_up(self) -> str:
        """What the executor met that keeps it from going on, in words; empty where it met nothing, or does not work on it."""
        match self.state:
            case RequestState.PREPARING if self.why != LOOKING:
                return self.why
            case RequestState.APPROVED if self.approvals and self.why not in {
                approval_words(self.approvals),
                self.approvals[-1].words,
            }:
                return self.why
            case _:
                return ""


class Halt(Record):
    """The kill switch: while it is set, nothing begins."""

    by: str
    reason: str
    at: UtcDatetime


class AuditEvent(Record):
    """One thing that happened, before it has a place in the log.

    Text that people typed, or that may be secret, is in none of these: `data` holds a salted digest of it.
    """

    tenant: Tenant
    actor: str = Field(description="a principal's id, or a part of middlewatch such as `system:orchestrator`")
    event: str = Field(pattern=r"^[a-z_]+\.[a-z_]+$", description="such as 'request.approved'")
    obj: str = Field(default="", description="what it is about: a request, a principal, a policy")
    digest: str = Field(default="", description="of what was decided on or executed")
    data: dict[str, JsonValue] = Field(default_factory=dict)
