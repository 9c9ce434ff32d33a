"""What becomes of a request: each function writes one transition with its audit event."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from middlewatch.approval.desk import Desk, trust_name
from middlewatch.approval.events import GATEWAY, event
from middlewatch.approval.transitions import Attempt, Event, judge
from middlewatch.context_store.approvals import Kept, Update
from middlewatch.records import (
    POLICY,
    ActionResult,
    Approval,
    ApprovalRequest,
    Decision,
    Order,
    Recovery,
    RequestState,
    Result,
    RiskTier,
    Undo,
)
from middlewatch.records.errors import Refused

FIRST_LOOK_SECONDS = 5.0
"""After an execution, until the symptom is looked at for the first time."""
RECONCILE_SECONDS = 60.0
"""Between two probes of what became of an execution whose executor died."""


def order_of(request: ApprovalRequest) -> Order:
    """What the executor is to do: out of what is bound, and nothing else.

    Raises:
        Refused: nothing is bound.
    """
    bound = request.bound
    if bound is None:
        raise Refused(f"The request {request.id} is damaged: it does not say what would run.")
    return Order(
        tenant=bound.tenant,
        request=request.id,
        digest=request.digest,
        action=bound.action_id,
        target=bound.target,
        parameters=bound.params,
        version=bound.target_version,
        since=request.created_at,
    )


def refuse(desk: Desk, kept: Kept, why: str) -> Kept:
    """It cannot be done: nobody is asked."""
    return _write(desk, kept, judge(Event.REFUSE, desk.attempt(kept)), "request.refused", why)


def void(desk: Desk, kept: Kept, attempt: Attempt, why: str) -> Kept:
    """Something that it is bound to changed: it cannot be approved or begun any more."""
    return _write(desk, kept, judge(Event.VOID, attempt), "request.superseded", why)


def expire(desk: Desk, kept: Kept) -> Kept:
    """Nobody decided, or nothing began, in time: silence never approves."""
    why = "its approval ran out before it began" if kept.request.state is RequestState.APPROVED else "nobody decided in time"
    if kept.request.state is RequestState.PREPARING:
        why = "no executor looked at the target in time"
    return _write(desk, kept, judge(Event.FINAL_TIMEOUT, desk.attempt(kept)), "request.expired", why)


def hold_up(desk: Desk, kept: Kept, why: str, *, seconds: float) -> Kept:
    """It stays where it is for now, and people see why; said once, however often it is tried."""
    request = kept.request
    if request.why == why:
        return desk.store.wait(kept, seconds=seconds)
    return _write(desk, kept, request.state, "execution.held", why, due=seconds)


def lose(desk: Desk, kept: Kept, why: str = "its executor was not heard of") -> Kept:
    """Nobody knows what became of it until somebody looks: its executor was silent for a whole lease, or cannot tell."""
    state = judge(Event.LOSE, replace(desk.attempt(kept), lost=True))
    return _write(desk, kept, state, "execution.lost", f"{why}; what became of it is looked for", due=0.0)


def approve_by_policy(desk: Desk, kept: Kept) -> Kept:
    """The lowest tier runs by policy, and is recorded like everything else."""
    request = kept.request
    approval = Approval(
        digest=request.digest, principal=POLICY, decision=Decision.APPROVE, reason="policy lets this tier run", at=kept.now
    )
    approved = request.model_copy(
        update={
            "approvals": (approval,),
            "approved_until": kept.now + timedelta(seconds=request.rule.life_seconds),
        }
    )
    state = judge(Event.APPROVE_BY_POLICY, desk.attempt(kept, digest=request.digest))
    changed = Kept(approved, kept.revision, kept.now, kept.halt)
    return _write(desk, changed, state, "request.approved", approval.words, actor=POLICY, due=0.0)


def settle(desk: Desk, kept: Kept, result: ActionResult, *, actor: str, undo: Undo | None = None, by: str = "") -> Kept:
    """What came of an execution.

    Args:
        desk: what to write with.
        kept: the request, executing or unknown.
        result: what is known.
        actor: who says so.
        undo: what would take it back.
        by: who found out, where it was not the executor itself.

    Raises:
        Refused: it does not belong to whoever says so.
    """
    execution = kept.request.execution
    if execution is None:
        raise Refused(f"The request {kept.request.id} is damaged: it does not say when it began.")
    attempt = replace(desk.attempt(kept), fence=kept.revision)
    if result.result is Result.UNKNOWN:
        why = result.detail.rstrip(".") or "its executor cannot tell"
        return lose(desk, kept, why) if kept.request.state is RequestState.EXECUTING else kept
    done = result.result is Result.DONE
    watched = done and kept.request.rule.tier is not RiskTier.INFO
    ended = execution.model_copy(
        update={
            "ended_at": kept.now if by else desk.store.now(kept.request.tenant),
            "result": result,
            "reconciled_by": by,
            "undo": undo,
            "recovery": Recovery.WATCHING if watched else None,
        }
    )
    state = judge(Event.SUCCEED if done else Event.FAIL, attempt)
    why = result.detail or ("it was done" if done else "it was not done")
    name = "execution.reconciled" if by else "execution.succeeded" if done else "execution.failed"
    after = _write(
        desk,
        Kept(kept.request.model_copy(update={"execution": ended}), kept.revision, kept.now, kept.halt),
        state,
        name,
        why,
        actor=actor,
        due=FIRST_LOOK_SECONDS if watched else None,
    )
    if done:
        _forget_trust(desk, after.request)
    return after


def _forget_trust(desk: Desk, request: ApprovalRequest) -> None:
    """What was undone is not trusted to run a tier lower any more."""
    undone = request.remediation.undoes
    if undone is None or not undone.startswith("apr-"):
        return
    past = desk.store.look(request.tenant, undone).request
    name = trust_name(past.remediation.action, past.remediation.target)
    before = desk.store.note(request.tenant, name)
    if before:
        lost = event(past, "trust.lost", GATEWAY, undone_by=request.id)
        desk.store.set_note(request.tenant, name, "", before=before, events=[lost])


def _write(  # noqa: PLR0913  # one event, said whole
    desk: Desk, kept: Kept, state: RequestState, name: str, why: str, *, actor: str = GATEWAY, due: float | None = None
) -> Kept:
    request = kept.request.model_copy(update={"state": state, "why": why})
    after = desk.store.change(kept, Update(request, [event(request, name, actor, why=why)], due_in_seconds=due))
    desk.seal(request.tenant)
    return after
