"""What has to be done when time passes: asking the next level, expiring, noticing a lost execution, looking at the symptom.

No timer lives in a process. Each request carries when somebody must look at it again, in the store; whoever is there then does,
and what was missed while nobody was there happens once, late.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from middlewatch.approval.desk import Desk
from middlewatch.approval.events import GATEWAY, event
from middlewatch.approval.outcomes import approve_by_policy, expire, lose, void
from middlewatch.approval.requirement import seat_in_words
from middlewatch.approval.transitions import Event, end_of, is_current, is_over_time, judge
from middlewatch.context_store.approvals import Kept, Update
from middlewatch.records import ApprovalRequest, Escalation, EscalationStep, Recovery, RequestState, UtcDatetime
from middlewatch.records.errors import Conflict, Refused

LOOK_SECONDS = 15.0
"""Between two looks at a symptom; telemetry arrives in steps of some seconds to a minute. Chosen."""
WATCH_SECONDS = 600.0
"""How long a symptom is watched after an execution; services that recover do within minutes. Chosen."""
ABSENT_SECONDS = 10.0
"""After which a request that waits for the executor is looked at by somebody else too: it may have to expire."""
_LEASE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Sight:
    """How a symptom stands after an execution."""

    recovery: Recovery
    """`WATCHING` while it is not over."""
    words: str
    at: UtcDatetime | None = None
    """Since when it is seen to be over."""
    at_the_end: Recovery = Recovery.NOT_RECOVERED
    """What is recorded where it still stands so when the time is over."""
    again_seconds: float = LOOK_SECONDS
    """When to look again while it is not over."""


Watch = Callable[[ApprovalRequest, UtcDatetime], Sight]
"""(executed request, the store's time) -> how its symptom stands."""


def tend(desk: Desk, tenant: str, watch: Watch) -> bool:
    """Do what is due for one request.

    Returns:
        Whether there was one.
    """
    kept = desk.store.take(
        tenant, [RequestState.PENDING, RequestState.EXECUTING, RequestState.SUCCEEDED], lease_seconds=_LEASE_SECONDS
    ) or desk.store.take(tenant, [RequestState.PREPARING, RequestState.APPROVED], lease_seconds=1.0, overdue_seconds=ABSENT_SECONDS)
    if kept is None:
        return False
    try:
        _tend(desk, kept, watch)
    except (Conflict, Refused):  # somebody decided, or the executor came back, at this very moment
        desk.store.wait(kept, seconds=1.0)
    return True


def _tend(desk: Desk, kept: Kept, watch: Watch) -> Kept:
    request = kept.request
    if request.state is RequestState.EXECUTING:
        return lose(desk, kept)
    if request.state is RequestState.SUCCEEDED:
        return _look(desk, kept, watch)
    attempt = desk.attempt(kept)
    if reason := is_current(attempt):
        return void(desk, kept, attempt, reason)
    if not is_over_time(attempt):
        return expire(desk, kept)
    if request.state is not RequestState.PENDING:
        return desk.store.wait(kept, seconds=0.0)  # the executor's turn
    return _escalate(desk, kept) if request.rule.requires else approve_by_policy(desk, kept)


def _escalate(desk: Desk, kept: Kept) -> Kept:
    """Ask the next level. Steps whose time passed while nobody was there are asked together, once."""
    request = kept.request
    due = [step for at, step in steps_ahead(request) if at <= kept.now]
    new = tuple(Escalation(asked=step.asked, at=kept.now) for step in due)
    changed = request.model_copy(update={"asked": (*request.asked, *new)})
    events = [
        event(changed, "request.escalated", GATEWAY, asked=[seat_in_words(seat) for seat in escalation.asked]) for escalation in new
    ]
    wait = _next_look(changed, kept.now)
    if not new:
        return desk.store.wait(kept, seconds=wait)
    judge(Event.TIMEOUT, desk.attempt(kept))
    after = desk.store.change(kept, Update(changed, events, due_in_seconds=wait, not_after=end_of(request)))
    desk.seal(request.tenant)
    return after


def _next_look(request: ApprovalRequest, now: UtcDatetime) -> float:
    """Seconds until the next step, or until it expires."""
    moments = [at for at, _ in steps_ahead(request)[:1]]
    end = end_of(request)
    return max(0.0, min((moment - now).total_seconds() for moment in [*moments, *([end] if end else [])]))


def asked_at(request: ApprovalRequest) -> UtcDatetime:
    """When people were asked first: the clock of a request starts when its target was looked at."""
    end = request.bound.expires_at if request.bound else request.created_at
    return end - timedelta(seconds=request.rule.deadline_seconds)


def steps_ahead(request: ApprovalRequest) -> list[tuple[UtcDatetime, EscalationStep]]:
    """The steps of the escalation that were not taken yet, each with its time, in order."""
    steps = sorted(request.rule.escalation, key=lambda step: step.after_seconds)[len(request.asked) :]
    return [(asked_at(request) + timedelta(seconds=step.after_seconds), step) for step in steps]


def _look(desk: Desk, kept: Kept, watch: Watch) -> Kept:
    """Whether the symptom is over; recorded either way, at the latest when the time for it is."""
    request, execution = kept.request, kept.request.execution
    if execution is None or execution.recovery is not Recovery.WATCHING or execution.ended_at is None:
        return desk.store.change(kept, Update(request, []))  # nothing to look at any more
    sight = watch(request, kept.now)
    late = kept.now >= execution.ended_at + timedelta(seconds=WATCH_SECONDS)
    if sight.recovery is Recovery.WATCHING and not late:
        return desk.store.wait(kept, seconds=sight.again_seconds)
    recovery = sight.at_the_end if sight.recovery is Recovery.WATCHING else sight.recovery
    over = (sight.at or kept.now) if recovery is Recovery.RECOVERED else None
    seen = execution.model_copy(update={"recovery": recovery, "recovery_note": sight.words, "recovered_at": over})
    changed = request.model_copy(update={"execution": seen})
    after = desk.store.change(kept, Update(changed, [event(changed, f"outcome.{recovery}", GATEWAY, note=sight.words)]))
    desk.seal(request.tenant)
    return after
