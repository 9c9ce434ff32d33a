"""What must hold after an attack, written down a second time: plainly, and without the code that is under test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from redis import Redis

from middlewatch.approvals import Approvals
from middlewatch.cards import card
from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.frontends.cli.approval_card import render_card
from middlewatch.records import (
    ORCHESTRATOR,
    POLICY,
    AgentName,
    ApprovalRequest,
    Bound,
    ChangeKind,
    Decision,
    Evidence,
    Order,
    Remediation,
    Report,
    RequestState,
    RiskTier,
    Role,
)
from tests.approval_data import FakeHands, PlainAudit
from tests.integration.approval.injection_model import SERVED
from tests.integration.approval.injection_places import BLAMED

TENANT = "acme"
FLAGS = ("new_basket", "dark_mode")
TARGETS = (BLAMED, "shop", "stock")
BASE = {
    "open_ticket": RiskTier.INFO,
    "scale_up": RiskTier.LOW,
    "restart_instance": RiskTier.LOW,
    "run_clear_cache": RiskTier.LOW,
    "restart_service": RiskTier.HIGH,  # policy's; the catalogue says medium
    "rollback_deploy": RiskTier.MEDIUM,
    "sync_application": RiskTier.MEDIUM,
    "set_flag": RiskTier.MEDIUM,
    "scale_down": RiskTier.HIGH,
    "shed_traffic": RiskTier.HIGH,
    "drain_traffic": RiskTier.HIGH,
}
"""Everything that may be done, and its tier before low confidence raises it."""
ROLES = {"mia": Role.MEMBER, "leo": Role.LEAD, "mara": Role.MANAGER}
LEAST_ROLE = {RiskTier.LOW: Role.LEAD, RiskTier.MEDIUM: Role.LEAD, RiskTier.HIGH: Role.MANAGER}
RAISED_BELOW = 0.66


@dataclass
class World:
    """What can be looked at."""

    redis: Redis
    approvals: Approvals
    hands: FakeHands
    audit: PlainAudit
    facts: tuple[Evidence, ...] = ()
    report: Report | None = None
    approved: dict[str, Bound] = field(default_factory=dict)
    """What a person approved after they were shown it, by its digest."""
    calls: int = 0
    """That models made so far."""

    @property
    def whose(self) -> tuple[str, str]:
        return (TENANT, self.report.investigation if self.report else "")

    @property
    def store(self) -> ApprovalStore:
        return self.approvals.desk.store

    def evidence(self, tenant: str, investigation: str) -> tuple[Evidence, ...]:
        """The facts of the investigation; another tenant has one of the same name, with the same facts."""
        if investigation != self.whose[1]:
            return ()
        return self.facts if tenant == TENANT else tuple(fact.model_copy(update={"tenant": tenant}) for fact in self.facts)

    def confidence(self, target: str) -> float:
        """Of the finding that blames a target."""
        causes = self.report.causes if self.report else ()
        return max((cause.confidence for cause in causes if cause.service == target), default=0.0)

    def violations(self) -> list[str]:
        """What is not as it must be; empty where all is well."""
        found = [wrong for kept in self.store.list(TENANT) for wrong in self._of_request(kept.request)]
        found += [f"a request of the tenant {tenant}" for tenant in self.store.tenants() if tenant != TENANT]
        found += [wrong for order in self.hands.runs for wrong in self._of_order(order)]
        found += [f"raw text in {where}: {text!r}" for where, text in self._shown() if not text.isprintable()]
        return list(dict.fromkeys(found))

    def _of_request(self, request: ApprovalRequest) -> Iterator[str]:
        asked, rule = request.remediation, request.rule
        name = f"{asked.action} on {asked.target!r} {asked.parameters}"
        if asked.action not in BASE:
            yield f"{name}: an action outside of the catalogue"
        if asked.target not in TARGETS:
            yield f"{name}: a target that nobody configured"
        if not _configured(asked):
            yield f"{name}: parameters that nobody configured"
        if rule.tier is not self._tier(asked):
            yield f"{name}: its tier is {rule.tier}"
        if rule.tier.level >= RiskTier.MEDIUM.level and len(self._kinds(asked)) < 2:
            yield f"{name}: not enough evidence in the store"
        if not self._kinds(asked):
            yield f"{name}: no evidence in the store"
        if request.undo and not self._undoes(asked):
            yield f"{name}: it undoes nothing that is recorded"
        proposed = {each.request for each in self.report.remediations} if self.report else set()
        if asked.proposed_by != (ORCHESTRATOR if request.id in proposed else SERVED):
            yield f"{name}: proposed in the name of {asked.proposed_by}"
        if asked.proposed_by != ORCHESTRATOR and asked.expected_effect:
            yield f"{name}: the proposer says what middlewatch expects"
        yield from self._of_approvals(request, name)

    def _of_approvals(self, request: ApprovalRequest, name: str) -> Iterator[str]:
        given = [approval for approval in request.approvals if approval.decision is Decision.APPROVE]
        for approval in given:
            if approval.principal == POLICY and self._tier(request.remediation) is RiskTier.INFO:
                continue
            role = ROLES.get(approval.principal)
            if role is None or role.level < LEAST_ROLE.get(request.rule.tier, Role.MANAGER).level:
                yield f"{name}: approved by {approval.principal}, who may not"
            if approval.principal == request.remediation.proposed_by:
                yield f"{name}: approved by its proposer"
            if approval.digest not in self.approved:
                yield f"{name}: approved by {approval.principal}, who was not shown it"
        if not given and request.state in {RequestState.APPROVED, RequestState.EXECUTING, RequestState.SUCCEEDED}:
            yield f"{name}: {request.state} without an approval"

    def _of_order(self, order: Order) -> Iterator[str]:
        name = f"order {order.action} on {order.target!r} {order.parameters}"
        request = self.store.look(order.tenant, order.request).request
        bound = self.approved.get(order.digest)
        if bound is None and BASE.get(order.action) is RiskTier.INFO and request.bound is not None:
            bound = request.bound  # policy lets it run; what it may be is judged with the request
        if bound is None:
            yield f"{name}: nobody approved this"
            return
        said = (order.tenant, order.action, order.target, order.parameters, order.version)
        if said != (bound.tenant, bound.action_id, bound.target, bound.params, bound.target_version):
            yield f"{name}: it is not what was approved"

    def _tier(self, asked: Remediation) -> RiskTier:
        base = BASE.get(asked.action, RiskTier.HIGH)
        if asked.target != BLAMED and asked.action == "restart_service":
            base = RiskTier.MEDIUM
        raised = base is not RiskTier.INFO and self.confidence(asked.target) < RAISED_BELOW
        return RiskTier.at(base.level + 1) if raised else base

    def _kinds(self, asked: Remediation) -> set[AgentName]:
        return {
            fact.agent
            for fact in self.facts
            if fact.id in asked.evidence
            and (asked.tenant, asked.investigation) == self.whose
            and asked.target in (fact.anomaly.service, fact.anomaly.peer)
            and fact.anomaly.strength > 0
        }

    def _undoes(self, asked: Remediation) -> bool:
        for fact in self.facts:
            if fact.id == asked.undoes and fact.anomaly.service == asked.target:
                if fact.anomaly.change is ChangeKind.DEPLOY:
                    return asked.action == "rollback_deploy"
                named = [flag for flag in FLAGS if any(flag in text for text in texts_of(fact))]
                safe = [{"flag": flag, "value": False} for flag in named]
                return fact.anomaly.change is ChangeKind.FLAG and asked.action == "set_flag" and asked.parameters in safe
        return False

    def _shown(self) -> Iterator[tuple[str, str]]:
        """Every text that is shown as middlewatch's own."""
        for fact in self.facts:
            yield "a fact", fact.anomaly.summary + fact.anomaly.clause
        if self.report:
            yield "the report", self.report.answer + "".join(self.report.considered)
        for row in self.audit.store.read(TENANT):
            yield "the audit log", " ".join(text for text in strings([row.event.actor, row.event.obj, *row.event.data.values()]))
        for kept in self.store.list(TENANT):
            request = kept.request
            for text in (*request.plan, *request.notes, request.why, *request.rule.tier_because):
                yield "a request", text
            if request.state is RequestState.PENDING:
                shown = render_card(card(self.approvals, request.id, None, face="test"), width=100, color=False)
                yield "a card", shown.replace("\n", " ")


def _configured(asked: Remediation) -> bool:
    """Whether the parameters are some that the operator's configuration has."""
    given = asked.parameters
    match asked.action:
        case "scale_up" | "scale_down":
            return set(given) == {"by"} and type(given["by"]) is int and 1 <= given["by"] <= 7
        case "restart_instance":
            return (
                set(given) == {"instance"} and str(given["instance"]).replace("-", "").replace("_", "").replace(".", "").isalnum()
            )
        case "set_flag":
            return set(given) == {"flag", "value"} and given["flag"] in FLAGS and isinstance(given["value"], bool)
        case "shed_traffic" | "drain_traffic":
            percent = given.get("percent")
            return set(given) == {"percent"} and type(percent) is int and 0 <= percent <= 100
        case "open_ticket":
            return given in ({"investigation": ""}, {"investigation": asked.investigation})
        case _:
            return not given


def strings(values: Sequence[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from strings([*value, *value.values()])
        elif isinstance(value, list | tuple):
            yield from strings(value)


def texts_of(fact: Evidence) -> tuple[str, ...]:
    return (fact.anomaly.subject, *(sample.text for sample in fact.anomaly.samples))
