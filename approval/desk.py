"""What the gateway works with, and what it finds out before it judges: live policy, the catalogue, the evidence in the store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from middlewatch.approval.catalogue import Catalogue
from middlewatch.approval.evidence_rule import counted
from middlewatch.approval.policy import BudgetState, Case, Policy
from middlewatch.approval.transitions import Attempt
from middlewatch.context_store.approvals import ApprovalStore, Kept
from middlewatch.context_store.audit import Private
from middlewatch.context_store.redaction import redact
from middlewatch.records import (
    MCP,
    ActionResult,
    ActionSpec,
    Anomaly,
    AnomalyKind,
    ApprovalRequest,
    AuditEvent,
    Evidence,
    Inspection,
    Order,
    Principal,
    Remediation,
    RequestState,
    RiskTier,
    Rule,
    Scalar,
    Undo,
    UtcDatetime,
)
from middlewatch.records.errors import AuditBroken, MiddlewatchError, Misconfigured, Refused, UnknownRequest
from middlewatch.records.quoting import quoted

LOG = logging.getLogger(__name__)
_LONGEST_LIFE = timedelta(days=3)
"""More than there can be between a proposal and its beginning: policy lets it wait a day for a look, as long for a decision, and
then an hour."""
_UNSIGNED = "the audit log of %s is not signed yet: %s"


class Sealer(Protocol):
    """The audit log, as the gateway needs it."""

    def append(self, tenant: str, events: Sequence[AuditEvent], private: Sequence[Private] = ()) -> None:
        """Write events that no request is about, and sign them.

        Raises:
            AuditBroken: they are written, and cannot be signed.
        """
        ...

    def forget(self, tenant: str, digest: str, event: AuditEvent) -> bool:
        """Delete a text that the log holds the digest of, with its event; returns whether there was one."""
        ...

    def seal(self, tenant: str) -> None:
        """Sign a checkpoint over everything that was written.

        Raises:
            MiddlewatchError: it cannot be signed.
        """
        ...


class Hands(Protocol):
    """What touches the world: the executor's, and nobody else's."""

    def inspect(self, action: str, target: str, parameters: dict[str, Scalar]) -> Inspection:
        """How the target is, and whether the action can be done. Reads only."""
        ...

    def run(self, order: Order) -> ActionResult:
        """Do it, once."""
        ...

    def probe(self, order: Order) -> ActionResult:
        """Whether it was done, and worked."""
        ...

    def undo(self, order: Order) -> Undo | None:
        """What would take it back; None where nothing does."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that the gateway is given. Nothing here can act; hands are passed to the executor's stages alone."""

    store: ApprovalStore
    audit: Sealer
    catalogue: Catalogue
    policy: Callable[[], Policy]
    """As it is now: the file is read again where it changed."""
    evidence: Callable[[str, str], Sequence[Evidence]]
    """(tenant, investigation) -> the facts in the shared context."""
    confidence: Callable[[str, str, str], float] = lambda _tenant, _investigation, _target: 0.0
    """(tenant, investigation, target) -> that of the finding which blames the target, out of the store; 0 where none does."""
    budget: Callable[[str, str], BudgetState | None] = lambda _tenant, _target: None
    """(tenant, target) -> how much of the error budget is left; None where nobody declared one."""

    def rule(self, spec: ActionSpec, remediation: Remediation, *, undo: bool) -> Rule:
        """The rule that holds for a remediation now.

        Raises:
            Refused: no policy, or policy does not let it.
        """
        case = Case(
            target=remediation.target,
            undo=undo,
            confidence=remediation.confidence,
            budget=self.budget(remediation.tenant, remediation.target),
            trusted=bool(self.store.note(remediation.tenant, trust_name(remediation.action, remediation.target))),
        )
        return self.policy().rule(spec, case)

    def is_undo(self, spec: ActionSpec, remediation: Remediation) -> bool:
        """Whether it takes back a change that is recorded: one that the investigation found, or an execution of ours.

        What takes back an undo does the change anew: that is no undo, and freezes and budgets bind it.

        Raises:
            Refused: it says that it undoes something, and that is not recorded, or not of this target, or not undone by this, or
                undone already.
        """
        if remediation.undoes is None:
            return False
        for fact in self.evidence(remediation.tenant, remediation.investigation):
            if fact.id == remediation.undoes and fact.anomaly.kind is AnomalyKind.CHANGE:
                made = fact.anomaly.onset.at if fact.anomaly.onset else fact.anomaly.window.start
                if self._takes_back(fact.anomaly, spec, remediation) and not self._is_undone(remediation, since=made):
                    return True
                break
        try:
            execution = self.store.look(remediation.tenant, remediation.undoes).request
        except UnknownRequest:
            execution = None
        if execution is not None and execution.execution is not None and execution.execution.undo is not None:
            undo = execution.execution.undo
            same = (undo.action, undo.parameters) == (remediation.action, remediation.parameters)
            here = execution.remediation.target == remediation.target and execution.state.terminal
            if same and here and (execution.undo or not self._is_undone(remediation, since=execution.execution.began_at)):
                return not execution.undo
        raise Refused(
            f"{remediation.action} on {quoted(remediation.target)} does not undo {remediation.undoes}.",
            remedy="Name the recorded change, or the executed request, that it takes back; or propose it as what it is.",
        )

    def _takes_back(self, change: Anomaly, spec: ActionSpec, remediation: Remediation) -> bool:
        """Whether it is what the configuration says that takes this change back, to the last parameter."""
        if change.service != remediation.target or change.change not in spec.undoes:
            return False
        back = self.catalogue.parameters_to_undo(spec.id, remediation.target, change)
        return back is not None and self.catalogue.checked(spec.id, remediation.target, back) == remediation.parameters

    def _is_undone(self, remediation: Remediation, *, since: UtcDatetime) -> bool:
        """Whether the change of that time was taken back: done twice, what takes it back is a change like any other."""
        tenant = remediation.tenant
        done = self.store.executed(
            tenant,
            remediation.action,
            target=remediation.target,
            since=since - _LONGEST_LIFE if since <= self.store.now(tenant) else None,  # a recording may be of times to come
            only=[RequestState.SUCCEEDED],
        )
        return any(
            one.undo
            and one.execution is not None
            and (one.remediation.undoes == remediation.undoes or one.execution.began_at >= since)
            for one in (kept.request for kept in done)
        )

    def refuse_if_undone(self, request: ApprovalRequest) -> None:
        """Two people may have been asked for the same undo; the second one does not begin.

        Raises:
            Refused: it was taken back since this was proposed.
        """
        if request.undo and self._is_undone(request.remediation, since=request.created_at):
            raise Refused(f"What it takes back, {request.remediation.undoes}, was taken back since it was proposed.")

    def known(self, principal: Principal | None) -> Principal:
        """Whoever asks, as policy has them now: what a front end remembers of them may be old.

        Raises:
            Refused: there is no policy, it does not know them, or they are not active.
        """
        found = self.policy().principal("" if principal is None else principal.id)
        if found is None:
            raise Refused(
                "Policy does not know whoever asks, or they are not active.", remedy="Whoever keeps policy.toml can name you there."
            )
        return found

    def refuse_programs(self, principal: Principal | None, face: str) -> None:
        """Over MCP a program acts in a person's session, and text that it read may have told it to: there nobody decides.

        Raises:
            Refused: it is said over MCP, and policy does not let whoever says it decide there.
        """
        if face == MCP and not self.known(principal).decides_over_mcp:
            raise Refused(
                "Policy does not let them decide over MCP, where a program acts in a person's session.",
                remedy="Decide elsewhere, such as with: middlewatch approvals show. In policy: decides_over_mcp.",
            )

    def with_modalities(self, remediation: Remediation, rule: Rule) -> tuple[Remediation, str]:
        """The remediation with the kinds of telemetry that speak for it, out of the store; and in words which rule it met.

        Raises:
            Refused: the evidence is not enough for the tier.
        """
        facts = self.evidence(remediation.tenant, remediation.investigation)
        count = counted(facts, remediation, rule.least_modalities)
        if not count.enough:
            what = f"{remediation.action} on {quoted(remediation.target)}, of the {rule.tier} tier,"
            raise Refused(
                f"{what} is not proposed on this evidence: {count.words}.",
                remedy="Open a ticket, investigate further, or let policy ask for less on this target.",
            )
        return remediation.model_copy(update={"modalities": count.modalities}), count.words

    def people(self, kept: Kept) -> tuple[Principal, ...]:
        """Those who approved, as policy has them now; over MCP nobody did whom policy does not let decide there any more."""
        found = ((self._person(approval.principal), approval.face) for approval in kept.request.approvals)
        return tuple(person for person, face in found if person is not None and (face != MCP or person.decides_over_mcp))

    def _person(self, name: str) -> Principal | None:
        """Somebody as policy has them now. Without a policy that can be used it knows nobody: time passes all the same."""
        try:
            return self.policy().principal(name)
        except (Misconfigured, Refused):
            return None

    def frozen(self, request: ApprovalRequest, now: UtcDatetime) -> str:
        """The freeze that holds a request up; none holds up an undo, or what changes nothing."""
        freeze = self.policy().freeze(request.remediation.target, now) if _is_forward(request) else None
        return f"the freeze {quoted(freeze.name)} holds it up until {freeze.ends_at:%Y-%m-%d %H:%M} UTC" if freeze else ""

    def next_freeze(self, request: ApprovalRequest, now: UtcDatetime) -> UtcDatetime | None:
        """When the next freeze begins that would hold it up."""
        return self.policy().next_freeze(request.remediation.target, now) if _is_forward(request) else None

    def attempt(self, kept: Kept, actor: Principal | None = None, *, digest: str = "") -> Attempt:
        """What is known without looking at the target. Of the actor only the id is taken; the rest is policy's to say."""
        return Attempt(
            request=kept.request,
            now=kept.now,
            epoch=self.store.epoch,
            actor=None if actor is None else self.policy().principal(actor.id),
            digest=digest,
            approvers=self.people(kept),
            halt=kept.halt,
            breaker=self._person(kept.request.break_glass.principal) if kept.request.break_glass else None,
        )

    @contextmanager
    def refusals(self, told: Callable[[str], AuditEvent]) -> Iterator[None]:
        """What is refused within is an event, which `told` makes of the reason; secrets that may stand in one are taken out."""
        try:
            yield
        except Refused as refusal:
            self.tell(told(redact(refusal.message)))
            raise

    def tell(self, event: AuditEvent, private: Sequence[Private] = ()) -> None:
        """Write an event that no change of a request brings with it, and sign it as `seal` does."""
        try:
            self.audit.append(event.tenant, [event], private)
        except AuditBroken as error:
            LOG.warning(_UNSIGNED, event.tenant, error)

    def seal(self, tenant: str) -> None:
        """Sign what was just written. Where that fails, it is signed with what comes next; nothing that is unsigned begins."""
        try:
            self.audit.seal(tenant)
        except MiddlewatchError as error:
            LOG.warning(_UNSIGNED, tenant, error)


def _is_forward(request: ApprovalRequest) -> bool:
    """Whether it changes something anew: neither takes back what is recorded, nor is of the lowest tier."""
    return not request.undo and request.rule.tier is not RiskTier.INFO


def trust_name(action: str, target: str) -> str:
    """Under which name the store keeps that a tier was moved down."""
    return f"trust|{action}|{target}"
