"""What stands above single requests: the kill switch, break-glass, and tiers that were moved down by growing trust."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime

from pydantic import Field

from middlewatch.approval.desk import Desk, trust_name
from middlewatch.approval.events import event, name_of, typed
from middlewatch.context_store.approvals import Kept, Update
from middlewatch.context_store.redaction import redact_fields
from middlewatch.records import (
    AuditEvent,
    BreakGlass,
    Halt,
    Identifier,
    Principal,
    Record,
    Recovery,
    RequestState,
    Role,
    UtcDatetime,
)
from middlewatch.records.errors import Refused


class Trust(Record):
    """A tier that was moved one down, and on what that rests."""

    action: str
    target: str
    successes: int = Field(ge=1, description="approved, verified, and not undone since")
    confirmed_by: Identifier
    at: UtcDatetime


def _manager(desk: Desk, principal: Principal | None, what: str, face: str = "") -> Principal:
    desk.refuse_programs(principal, face)
    known = desk.known(principal)
    if known.role is not Role.MANAGER:
        raise Refused(f"{what} takes a manager, and {known.id} is a {known.role}.", remedy="Ask a manager.")
    return known


def _telling(desk: Desk, tenant: str, principal: Principal | None, name: str, obj: str = "") -> AbstractContextManager[None]:
    """What is refused within is an event of this name."""
    actor = name_of(principal)
    return desk.refusals(lambda why: AuditEvent(tenant=tenant, actor=actor, event=name, obj=obj, data={"why": why}))


def halt(desk: Desk, tenant: str, principal: Principal | None, reason: str, *, face: str) -> Halt:
    """Set the kill switch: nothing begins from now on, over restarts, until a manager lifts it. Anybody whom policy knows may.

    What an adapter has sent already cannot be called back.

    Raises:
        Refused: policy does not know whoever asks.
    """
    with _telling(desk, tenant, principal, "halt.refused"):
        known = desk.known(principal)
    words, private = typed(reason)
    wanted = redact_fields(Halt(by=known.id, reason=reason, at=desk.store.now(tenant)), "reason")
    made = AuditEvent(tenant=tenant, actor=known.id, event="halt.set", data={"face": face, **words})
    found = desk.store.halt(tenant, wanted, [made], private)
    desk.seal(tenant)
    return found or wanted


def lift(desk: Desk, tenant: str, principal: Principal | None, reason: str, *, face: str) -> None:
    """Lift the kill switch. What was approved meanwhile begins if its time is not over.

    Raises:
        Refused: it takes a manager.
    """
    with _telling(desk, tenant, principal, "halt.kept"):
        known = _manager(desk, principal, "Lifting a halt", face)
    words, private = typed(reason)
    made = AuditEvent(tenant=tenant, actor=known.id, event="halt.lifted", data={"face": face, **words})
    desk.store.halt(tenant, None, [made], private)
    desk.seal(tenant)


def forget_text(desk: Desk, tenant: str, principal: Principal | None, digest: str, *, face: str) -> bool:
    """Delete a text that the log holds the digest of. The log keeps the digest and says who deleted it, and verifies as before.

    Returns:
        Whether there was one; nothing is written where there was none.

    Raises:
        Refused: it takes a manager.
    """
    with _telling(desk, tenant, principal, "audit.forget_refused"):
        known = _manager(desk, principal, "Deleting a text", face)
    forgotten = AuditEvent(tenant=tenant, actor=known.id, event="audit.text_forgotten", digest=digest, data={"face": face})
    return desk.audit.forget(tenant, digest, forgotten)


def break_glass(  # noqa: PLR0913  # said whole
    desk: Desk, tenant: str, request: str, principal: Principal | None, *, credential: str, reason: str, face: str
) -> Kept:
    """Let an approved request begin in a freeze. Nothing else is skipped; a review stays open.

    Args:
        desk: what to write with.
        tenant: whose.
        request: an approved one.
        principal: a manager.
        credential: the separate one that policy has a digest of.
        reason: why; never empty.
        face: where it was said.

    Raises:
        Refused: no manager, no reason, the wrong credential, or nothing to skip.
    """
    kept = desk.store.look(tenant, request)
    with _telling(desk, tenant, principal, "glass.refused", request):
        desk.refuse_programs(principal, face)
        known = _may_break(desk, kept, principal, credential, reason)
    words, private = typed(reason)
    broken = redact_fields(BreakGlass(principal=known.id, reason=reason, at=kept.now), "reason")
    changed = kept.request.model_copy(update={"break_glass": broken})
    made = event(changed, "glass.broken", known.id, face=face, **words)
    after = desk.store.change(kept, Update(changed, [made], private, due_in_seconds=0.0))
    desk.seal(tenant)
    return after


def _may_break(desk: Desk, kept: Kept, principal: Principal | None, credential: str, reason: str) -> Principal:
    known = _manager(desk, principal, "Breaking the glass")
    if not reason.strip():
        raise Refused("Breaking the glass takes a reason.")
    if not desk.policy().opens_glass(known.id, credential):
        raise Refused("That is not the break-glass credential that policy knows of.")
    if kept.request.state is not RequestState.APPROVED:
        raise Refused(f"The request {kept.request.id} is {kept.request.state}: only what is approved can skip a freeze.")
    if not desk.frozen(kept.request, kept.now):
        raise Refused("No freeze holds it up: there is nothing to skip.")
    return known


def review_glass(desk: Desk, tenant: str, request: str, principal: Principal | None, *, reason: str, face: str) -> Kept:
    """Close the review of a broken glass. Whoever broke it does not review it.

    Raises:
        Refused: no manager, the same manager, or nothing to review.
    """
    kept = desk.store.look(tenant, request)
    broken = kept.request.break_glass
    with _telling(desk, tenant, principal, "glass.refused", request):
        known = _manager(desk, principal, "A review", face)
        if broken is None or not kept.request.state.terminal:
            raise Refused(f"The request {request} has nothing to review yet.")
        if broken.principal == known.id:
            raise Refused(f"{known.id} broke the glass, so somebody else reviews it.")
    words, private = typed(reason)
    changed = kept.request.model_copy(update={"break_glass": broken.model_copy(update={"reviewed_by": known.id})})
    made = event(changed, "glass.reviewed", known.id, face=face, **words)
    execution = changed.execution
    watched = execution is not None and execution.recovery is Recovery.WATCHING
    after = desk.store.change(kept, Update(changed, [made], private, due_in_seconds=0.0 if watched else None))
    desk.seal(tenant)
    return after


def successes(desk: Desk, tenant: str, action: str, target: str) -> int:
    """Approved executions after which the symptom went away, since the last one that failed or was undone."""
    count = 0
    for kept in desk.store.list(tenant):
        request = kept.request
        remediation = request.remediation
        if remediation.target != target:
            continue
        undoes_ours = (remediation.undoes or "").startswith("apr-") and request.state is RequestState.SUCCEEDED
        if undoes_ours and desk.store.look(tenant, remediation.undoes or "").request.remediation.action == action:
            return count
        if remediation.action != action or request.execution is None:
            continue
        if request.state is not RequestState.SUCCEEDED or request.execution.recovery is not Recovery.RECOVERED:
            return count
        count += 1
    return count


def confirm_trust(desk: Desk, tenant: str, action: str, target: str, principal: Principal | None) -> Trust:
    """Move the tier of an action on a target one down, as policy offers after enough verified successes.

    Raises:
        Refused: no manager, policy does not offer it, or there were not enough successes.
    """
    with _telling(desk, tenant, principal, "trust.refused"):
        known = _manager(desk, principal, "Moving a tier down")
        needed = desk.policy().trust(action, target)
        if needed is None:
            raise Refused(
                f"Policy does not offer to move {action} on {target!r} down.", remedy="See docs/policy.md, growing trust."
            )
        done = successes(desk, tenant, action, target)
        if done < needed:
            raise Refused(f"{action} on {target!r} succeeded {done} times with nothing undone since, and policy asks for {needed}.")
    name = trust_name(action, target)
    before = desk.store.note(tenant, name)
    moved = Trust(action=action, target=target, successes=done, confirmed_by=known.id, at=_whole_second(desk.store.now(tenant)))
    if not before:
        made = AuditEvent(
            tenant=tenant,
            actor=known.id,
            event="trust.moved",
            obj=name,
            data={"action": action, "target": target, "successes": done},
        )
        desk.store.set_note(tenant, name, moved.model_dump_json(), before=before, events=[made])
        desk.seal(tenant)
    return Trust.model_validate_json(before) if before else moved


def _whole_second(at: datetime) -> datetime:
    return at.replace(microsecond=0)
