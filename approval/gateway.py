"""The gateway: the one door to every action. Front ends authenticate their user and call it with the principal.

Whatever is refused is said to whoever asked and written to the audit log.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue

from middlewatch.approval.decided import already, is_settled, stands
from middlewatch.approval.desk import Desk
from middlewatch.approval.events import UNKNOWN, event, name_of, typed
from middlewatch.approval.outcomes import settle
from middlewatch.approval.shown import Shown
from middlewatch.approval.stages import Passage, classify, match_policy, walk
from middlewatch.approval.transitions import Event, end_of, judge, opens
from middlewatch.context_store.approvals import Kept, Update
from middlewatch.context_store.redaction import redact_fields
from middlewatch.records import (
    ORCHESTRATOR,
    ActionResult,
    Approval,
    ApprovalRequest,
    AuditEvent,
    Decision,
    Principal,
    Remediation,
    RequestState,
    Result,
    Scalar,
)
from middlewatch.records.approval import approval_words
from middlewatch.records.errors import Conflict, MiddlewatchError, Refused

_DIGEST = re.compile(r"[0-9a-f]{64}")
NOTHING_SHOWN = "0" * 64
"""In the record of a denial by somebody who was not shown the request."""
TURNS = 100
"""How often a race for one request may be lost before it is called a fault."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call did to a request."""

    request: ApprovalRequest
    changed: bool
    """False where it was so already: asked again, the same answer."""


class Gateway:
    """Every request of every tenant. Any number of gateways may run, in any number of processes."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._shown = Shown()

    def submit(self, remediation: Remediation) -> ApprovalRequest:
        """Propose what follows from a finding: the orchestrator's, and nobody else's, for whoever proposes does not decide.

        People are asked as soon as the executor has looked at the target.

        Raises:
            Refused: somebody else proposes it, or the catalogue, policy or the evidence does not let it through.
        """
        if remediation.proposed_by != ORCHESTRATOR:  # a name that nobody proved is not written down as one
            with self._proposing(remediation.model_copy(update={"proposed_by": UNKNOWN})):
                raise Refused("Only what follows from a finding is proposed here.", remedy="What a person proposes has their name.")
        return self._submit(remediation)

    def propose(self, wanted: Remediation, principal: Principal | None, *, name: str = "") -> ApprovalRequest:
        """Propose an action for a person, or for a program that acts for one.

        Of what is wanted only that is taken which can be judged (action, target, parameters, cited facts, what it undoes) and the
        note, which is shown apart. Who proposes it, how sure that is and what it should bring about is not the caller's to say.

        Args:
            wanted: the action.
            principal: who proposes it.
            name: of this wish; said again under the same name, the same request is found.

        Raises:
            Refused: policy does not know them, or the catalogue, policy or the evidence does not let it through.
        """
        with self._proposing(wanted.model_copy(update={"proposed_by": name_of(principal)})):
            known = self.desk.known(principal)
        confidence = self.desk.confidence(wanted.tenant, wanted.investigation, wanted.target)
        return self._submit(
            wanted.model_copy(
                update={
                    "proposed_by": known.id,
                    "confidence": confidence,
                    "modalities": (),
                    "expected_effect": "",
                    "instead_of": None,
                }
            ),
            name,
        )

    def _submit(self, remediation: Remediation, name: str = "") -> ApprovalRequest:
        noted = redact_fields(remediation, "note")
        with self._proposing(noted):
            return walk(self.desk, Passage(noted, name)).request

    def _proposing(self, remediation: Remediation) -> AbstractContextManager[None]:
        """What is refused within is a proposal that was refused."""

        def told(why: str) -> AuditEvent:
            target = remediation.target if self.desk.catalogue.offers(remediation.target) else ""  # else it is anybody's text
            return AuditEvent(
                tenant=remediation.tenant,
                actor=remediation.proposed_by,
                event="proposal.refused",
                obj=remediation.investigation,
                data={"action": remediation.action, "target": target, "why": why},
            )

        return self.desk.refusals(told)

    def resolve(  # noqa: PLR0913  # a decision is said whole
        self,
        tenant: str,
        request: str,
        decision: Decision,
        principal: Principal | None,
        *,
        digest: str,
        reason: str = "",
        face: str = "",
    ) -> Answer:
        """Approve or deny what was shown.

        Args:
            tenant: whose.
            request: its id.
            decision: what is said.
            principal: who says it, as policy has them; None for somebody whom it does not know.
            digest: of what they were shown.
            reason: what they typed, if anything.
            face: where they said it.

        Returns:
            The request as it stands; unchanged where it was decided so before.

        Raises:
            AlreadyDecided: it began or is over, and stands otherwise than this has it.
            Refused: they may not, it is too late, or what they were shown is not what would run. To deny is safe: that is taken
                whatever was shown, and the record says what it was.
            UnknownRequest: there is none.
        """

        def decide(kept: Kept) -> Update | None:
            self.desk.refuse_programs(principal, face)
            if principal is not None and _is_decided(kept.request, decision, principal, digest):
                return None
            decided = self._decided(kept, decision, principal, digest=digest, reason=reason, face=face)
            if decision is Decision.APPROVE and kept.request.rule.reason_required and not reason.strip():
                raise Refused(
                    "Policy asks for a reason with this approval.",
                    remedy="Say why, and decide again; on the terminal with --reason.",
                )
            return decided

        return self._change(tenant, request, decide, principal=principal, event_name=f"request.{decision}")

    def edit(
        self,
        tenant: str,
        request: str,
        parameters: dict[str, Scalar],
        principal: Principal | None,
        *,
        face: str = "",
    ) -> ApprovalRequest:
        """Ask for the same action with other parameters: the request is void, and the editor's new one takes its place.

        Raises:
            Refused: policy does not know the editor, the request is over, or the new one is not let through.
        """
        old = self.desk.store.look(tenant, request).request
        with self._deciding(old, principal, "request.edited"):
            self.desk.refuse_programs(principal, face)
            known = self.desk.known(principal)
            if old.state.terminal:
                raise Refused(f"The request {request} is {old.state}: {old.why.rstrip('.')}.", remedy="Propose it anew.")
            wanted = old.remediation.model_copy(
                update={"parameters": parameters, "proposed_by": known.id, "instead_of": request, "note": ""}
            )
            match_policy(self.desk, classify(self.desk, Passage(wanted)))  # before anything is given up for it

        def supersede(kept: Kept) -> Update:
            state = judge(Event.EDIT, self.desk.attempt(kept, known))
            changed = kept.request.model_copy(update={"state": state, "why": f"{known.id} edited it"})
            return Update(changed, [event(changed, "request.superseded", known.id, why=changed.why, face=face)])

        self._change(tenant, request, supersede, principal=principal, event_name="request.edited")
        return self._submit(wanted)

    def propose_again(self, tenant: str, request: str, principal: Principal | None, *, face: str = "") -> ApprovalRequest:
        """Ask anew for exactly what is over without having been done.

        What follows from a finding follows from it still; a person's proposal is theirs who asks anew, so somebody else decides.

        Raises:
            Refused: policy does not know whoever asks, it is not over, it was executed, or it is not let through any more.
        """
        old = self.desk.store.look(tenant, request).request
        with self._deciding(old, principal, "request.again"):
            known = self.desk.known(principal)
            if not old.state.terminal or old.state is RequestState.SUCCEEDED:
                why = old.why.rstrip(".")
                raise Refused(
                    f"The request {request} is {old.state}: {why}.", remedy="Only what is over and was not done is asked for anew."
                )
        proposer = ORCHESTRATOR if old.remediation.proposed_by == ORCHESTRATOR else known.id
        again = self._submit(old.remediation.model_copy(update={"instead_of": request, "proposed_by": proposer}))
        self._tell(tenant, known.id, "request.again", again.id, instead_of=request, face=face)
        return again

    def undo(self, tenant: str, request: str, principal: Principal | None, *, face: str = "", name: str = "") -> ApprovalRequest:
        """Propose what takes an execution back; whoever asks is its proposer, so policy says who else decides.

        Said again under the same `name`, the same request is found.

        Raises:
            Refused: policy does not know whoever asks, it was not done, or nothing takes it back.
        """
        done = self.desk.store.look(tenant, request).request
        with self._deciding(done, principal, "request.undo"):
            known = self.desk.known(principal)
            if not done.state.terminal or done.execution is None or done.execution.undo is None:
                raise Refused(f"There is nothing to take back: the request {request} is {done.state}, or has no undo.")
            undo = done.execution.undo
        wanted = done.remediation.model_copy(
            update={
                "action": undo.action,
                "parameters": undo.parameters,
                "proposed_by": known.id,
                "undoes": request,
                "instead_of": None,
                "expected_effect": f"Takes {done.remediation.action} on {done.remediation.target} back.",
                "note": "",
            }
        )
        asked = self._submit(wanted, name)
        self._tell(tenant, known.id, "request.undo", asked.id, undoes=request, face=face)
        return asked

    def reconcile(
        self, tenant: str, request: str, principal: Principal | None, *, happened: bool, reason: str, face: str = ""
    ) -> Answer:
        """Say what became of an execution whose executor died, where no probe could tell.

        Raises:
            AlreadyDecided: it is known, and otherwise than they say.
            Refused: they may not decide on its tier, or it is not unknown.
        """
        kept = self.desk.store.look(tenant, request)
        with self._deciding(kept.request, principal, "execution.reconciled"):
            self.desk.refuse_programs(principal, face)
            known = self.desk.known(principal)
            if kept.request.state.terminal:
                if kept.request.state is not (RequestState.SUCCEEDED if happened else RequestState.FAILED):
                    raise already(kept.request)
                return Answer(kept.request, changed=False)
            if kept.request.state is not RequestState.UNKNOWN:
                raise Refused(f"The request {request} is {kept.request.state}: there is nothing to find out about it.")
            judge(Event.SUCCEED if happened else Event.FAIL, self.desk.attempt(kept, known))
        words, private = typed(reason)
        told = event(kept.request, "execution.told", known.id, happened=happened, face=face, **words)
        self.desk.tell(told, private)
        said = ActionResult(
            result=Result.DONE if happened else Result.NOT_DONE,
            detail=f"{known.id} says that it {'happened' if happened else 'did not happen'}.",
        )
        return Answer(settle(self.desk, kept, said, actor=known.id, by=known.id).request, changed=True)

    def viewed(self, request: ApprovalRequest, principal: Principal | None, *, face: str) -> None:
        """Somebody who may decide was shown it: written once for each digest and face, however often they look."""
        if principal is None or not self._shown.first(request, principal, face):
            return
        try:
            self.desk.tell(event(request, "request.viewed", principal.id, face=face))
        except MiddlewatchError:
            self._shown.forget(request, principal, face)
            raise

    def login(self, tenant: str, principal: Principal | None, *, face: str) -> None:
        """Somebody signed in, or tried to."""
        if principal is None:
            self._tell(tenant, UNKNOWN, "login.refused", "", face=face)
        else:
            self._tell(tenant, principal.id, "principal.login", principal.id, face=face, role=principal.role)

    def _decided(  # as `resolve`
        self, kept: Kept, decision: Decision, principal: Principal | None, *, digest: str, reason: str, face: str
    ) -> Update:
        approve = decision is Decision.APPROVE
        attempt = self.desk.attempt(kept, principal, digest=digest)
        state = judge(Event.APPROVE if approve else Event.DENY, attempt)
        known = attempt.actor
        assert known is not None  # noqa: S101  a guard saw to it
        alone = approve and known.id == kept.request.remediation.proposed_by
        approval = Approval(
            digest=digest if approve or _DIGEST.fullmatch(digest) else NOTHING_SHOWN,
            principal=known.id,
            role=known.role,
            decision=decision,
            reason=reason[:2000],
            face=face,
            sole_operator=alone,
            at=kept.now,
        )
        whole = not approve or opens(attempt)
        given = (*kept.request.approvals, redact_fields(approval, "reason"))
        said = approval_words(given) if approve else approval.words
        changed = kept.request.model_copy(
            update={
                "state": state if whole else kept.request.state,
                "why": said if whole else f"{said}; it needs more approvals",
                "approvals": given,
                "approved_until": kept.now + timedelta(seconds=kept.request.rule.life_seconds) if approve and whole else None,
            }
        )
        name = "request.denied" if not approve else "request.approved" if whole else "request.seconded"
        words, private = typed(reason)
        shown: dict[str, JsonValue] = {} if approve else {"shown": approval.digest}  # of an approval it is the request's
        made = event(changed, name, known.id, face=face, role=known.role, sole_operator=alone, **shown, **words)
        due = None if not approve else 0.0 if whole else 1.0
        return Update(changed, [made], private, due_in_seconds=due, not_after=end_of(kept.request) if approve else None)

    def _change(
        self,
        tenant: str,
        request: str,
        make: Callable[[Kept], Update | None],
        *,
        principal: Principal | None,
        event_name: str,
    ) -> Answer:
        """Look, judge and write; once more where somebody else was first. `make` says None where nothing is to be changed."""
        for _ in range(TURNS):
            kept = self.desk.store.look(tenant, request)
            try:
                with self._deciding(kept.request, principal, event_name):
                    update = make(kept)
                    if update is None:
                        return Answer(kept.request, changed=False)
                    after = self.desk.store.change(kept, update)
            except Conflict:
                continue
            self.desk.seal(tenant)
            return Answer(after.request, changed=True)
        raise Conflict(f"Too many people change the request {request} at once.", remedy="Look at it again.")

    def _deciding(self, request: ApprovalRequest, principal: Principal | None, tried: str) -> AbstractContextManager[None]:
        """What is refused within is a decision that was refused."""
        return self.desk.refusals(lambda why: event(request, "decision.refused", name_of(principal), tried=tried, why=why))

    def _tell(self, tenant: str, actor: str, name: str, obj: str, **data: JsonValue) -> None:
        self.desk.tell(AuditEvent(tenant=tenant, actor=actor, event=name, obj=obj, data=data))


def _is_decided(request: ApprovalRequest, decision: Decision, principal: Principal, digest: str) -> bool:
    """Whether there is nothing left to decide: asked again, or by the next one, the answer is the same.

    Raises:
        AlreadyDecided: it is another answer.
    """
    if is_settled(request):
        if not stands(request, decision):
            raise already(request)
        return True
    if decision is not Decision.APPROVE:
        return False
    said = any(approval.principal == principal.id and approval.digest == digest for approval in request.approvals)
    return said or request.state is RequestState.APPROVED
