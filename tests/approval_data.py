"""A policy, a catalogue, hands and a desk for the tests of approvals. The hands are the shipped fake; everything else is real."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis

from middlewatch.approval.desk import Desk
from middlewatch.approval.gateway import Gateway
from middlewatch.approval.policy import Policy, load_policy
from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.context_store.audit import AuditStore, Private
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.script import Server
from middlewatch.records import (
    ORCHESTRATOR,
    ActionResult,
    ActionSpec,
    Anomaly,
    AuditEvent,
    ChangeKind,
    Evidence,
    Inspection,
    Order,
    Principal,
    Remediation,
    Result,
    RiskTier,
    Scalar,
    Undo,
)
from middlewatch.records.errors import Refused

TENANT = "acme"
TARGET = "checkout"
INVESTIGATION = "inv-1"

POLICY_TEXT = """\
[principals.mia]
name = "Mia Member"
role = "member"
local = ["mia"]

[principals.leo]
name = "Leo Lead"
role = "lead"
local = ["leo"]

[principals.lea]
name = "Lea Lead"
role = "lead"
local = ["lea"]

[principals.mara]
name = "Mara Manager"
role = "manager"
local = ["mara"]
break_glass_sha256 = ["{glass}"]

[principals.max]
name = "Max Manager"
role = "manager"
local = ["max"]
sole_operator = ["low"]

[[rules]]
actions = ["annotate", "nudge", "roll_back", "drain"]
targets = ["checkout"]
least_modalities = 0

[[rules]]
actions = ["both"]
targets = ["checkout"]
least_modalities = 0
approvals = {{ all_of = ["lead", "manager"] }}
""".format(glass=hashlib.sha256(b"open-sesame").hexdigest())

FREEZE_TEXT = """
[[freezes]]
name = "freeze"
targets = "*"
zone = "UTC"
from = 2020-01-01T00:00:00
to = 2020-12-30T00:00:00
"""
"""Long past; a test that wants a freeze gives it other years."""


def spec(name: str, tier: RiskTier, *, undo: str | None = None, undoes: tuple[ChangeKind, ...] = ()) -> ActionSpec:
    return ActionSpec(
        id=name,
        title=name,
        tier=tier,
        parameters_schema={"type": "object"},
        blast_radius="one thing",
        precondition="it is there",
        effect="it is gone",
        undo=undo,
        undoes=undoes,
    )


class FakeCatalogue:
    """A handful of actions, one of each tier, on one target."""

    def __init__(self) -> None:
        self.specs = {
            entry.id: entry
            for entry in (
                spec("annotate", RiskTier.INFO),
                spec("nudge", RiskTier.LOW, undo="nudge"),
                spec("both", RiskTier.MEDIUM),
                spec("roll_back", RiskTier.MEDIUM, undoes=(ChangeKind.DEPLOY,)),
                spec("drain", RiskTier.HIGH),
            )
        }

    def spec(self, action: str) -> ActionSpec:
        if action not in self.specs:
            raise Refused(f"There is no action {action!r}.")
        return self.specs[action]

    def offers(self, target: str) -> tuple[str, ...]:
        return tuple(self.specs) if target == TARGET else ()

    def checked(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> dict[str, Scalar]:
        self.spec(action)
        if target != TARGET or not set(parameters) <= {"by"}:
            raise Refused("Not on this target, or not with these parameters.")
        return dict(parameters)

    def plan(self, action: str, target: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar]) -> tuple[str, ...]:
        return (f"{action} {target} {sorted(parameters.items())} at {sorted(version.items())}",)

    def parameters_to_undo(self, action: str, target: str, change: Anomaly) -> dict[str, Scalar] | None:
        return {} if change.change in self.spec(action).undoes and target == TARGET else None


@dataclass
class FakeHands:
    """One thing in memory. Counts what is done to it, and can break in every way."""

    version: dict[str, Scalar] = field(default_factory=lambda: {"revision": 7})
    problem: str = ""
    runs: list[Order] = field(default_factory=list)
    answer: Result = Result.DONE
    """What `run` says; what it does is counted either way, save for `NOT_DONE`."""
    seen: Result | None = None
    """What `probe` says; the truth where it is None."""

    def inspect(self, action: str, target: str, parameters: dict[str, Scalar]) -> Inspection:  # noqa: ARG002
        return Inspection(version=dict(self.version), problem=self.problem)

    def run(self, order: Order) -> ActionResult:
        if self.answer is not Result.NOT_DONE:
            self.runs.append(order)
        return ActionResult(result=self.answer, detail=f"it is {self.answer}")

    def probe(self, order: Order) -> ActionResult:
        happened = any(run.digest == order.digest for run in self.runs)
        truth = Result.DONE if happened else Result.NOT_DONE
        return ActionResult(result=self.seen or truth, detail="looked")

    def undo(self, order: Order) -> Undo | None:
        return Undo(action="nudge", parameters={"by": -1}) if order.action == "nudge" else None


class PlainAudit:
    """Events go to the store; checkpoints have tests of their own. Can be told to fail."""

    def __init__(self, store: AuditStore) -> None:
        self.store = store
        self.problem: Exception | None = None

    def append(self, tenant: str, events: Sequence[AuditEvent], private: Sequence[Private] = ()) -> None:
        self.store.append(tenant, events, private)
        self.seal(tenant)

    def forget(self, tenant: str, digest: str, event: AuditEvent) -> bool:
        there = self.store.forget(tenant, digest, event)
        if there:
            self.seal(tenant)
        return there

    def seal(self, tenant: str) -> None:  # noqa: ARG002
        if self.problem is not None:
            raise self.problem


class PolicyText:
    """A policy that a test rewrites."""

    def __init__(self, folder: Path, text: str = POLICY_TEXT) -> None:
        self.path = folder / "policy.toml"
        self.write(text)

    def write(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")
        self.policy = load_policy(self.path)

    def __call__(self) -> Policy:
        return self.policy

    def person(self, name: str) -> Principal:
        found = self.policy.identify(f"local:{name}")
        assert found is not None, name
        return found


@dataclass
class Office:
    """A desk with everything on it, and a gateway."""

    redis: Redis
    policy: PolicyText
    catalogue: FakeCatalogue
    hands: FakeHands
    audit: PlainAudit
    facts: list[Evidence]
    desk: Desk
    gateway: Gateway

    @classmethod
    def open(cls, redis: Redis, folder: Path, *, epoch: int = 1) -> Office:
        server = Server(redis, Epoch(epoch))
        policy, catalogue, facts = PolicyText(folder), FakeCatalogue(), list[Evidence]()
        audit = PlainAudit(AuditStore(server))
        desk = Desk(
            store=ApprovalStore(server),
            audit=audit,
            catalogue=catalogue,
            policy=policy,
            evidence=lambda _tenant, _investigation: facts,
        )
        return cls(redis, policy, catalogue, FakeHands(), audit, facts, desk, Gateway(desk))

    def events(self, name: str = "") -> list[str]:
        """The names of the audit events so far, or only those of one name."""
        found = [row.event.event for row in self.audit.store.read(TENANT)]
        return [event for event in found if name in {"", event}]


def remediation(action: str = "roll_back", **update: object) -> Remediation:
    """A proposal of the orchestrator."""
    made = Remediation(
        tenant=TENANT,
        investigation=INVESTIGATION,
        action=action,
        target=TARGET,
        proposed_by=ORCHESTRATOR,
        confidence=0.95,
        expected_effect="The symptom goes away.",
    )
    return made.model_copy(update=update)
