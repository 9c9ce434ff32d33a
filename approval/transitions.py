"""The table of what may follow on what. People read it first: one row an event, its guards in the order in which they are asked.

A guard answers with the reason why it refuses, or with nothing. Guards judge what they are given and look nothing up. What they
cannot promise alone is checked again by the store, in the step that writes: that the request is still as it was judged (its
revision), that the time is within the bounds that were judged, and that nothing is halted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from middlewatch.approval.binding import digest_of_bound, digest_of_shown
from middlewatch.approval.requirement import in_words, is_met, may_sit
from middlewatch.records import ApprovalRequest, Decision, Halt, Principal, RequestState, RiskTier, Role, Rule, Scalar, UtcDatetime
from middlewatch.records.errors import Refused


class Event(StrEnum):
    """What can happen to a request."""

    ASK = "ask"
    REFUSE = "refuse"
    APPROVE = "approve"
    APPROVE_BY_POLICY = "approve_by_policy"
    DENY = "deny"
    EDIT = "edit"
    TIMEOUT = "timeout"
    FINAL_TIMEOUT = "final_timeout"
    VOID = "void"
    BEGIN = "begin"
    SUCCEED = "succeed"
    FAIL = "fail"
    LOSE = "lose"


@dataclass(frozen=True, slots=True)
class Attempt:
    """Everything that the guards judge an event by. Where nobody asks and time passes, much of it does not matter."""

    request: ApprovalRequest
    now: UtcDatetime
    """By the store's clock."""
    epoch: int
    """Of the store."""
    actor: Principal | None = None
    """Who acts, as policy has them now; None for middlewatch itself, and for somebody whom policy does not know."""
    digest: str = ""
    """Of what the actor was shown."""
    approvers: Collection[Principal] = ()
    """Who approved, as policy has them now; those it does not know any more are left out."""
    rule: Rule | None = None
    """The rule that holds now; None where policy does not let the action through any more."""
    catalogue_hash: str = ""
    """Of the action's entry, now."""
    version: dict[str, Scalar] = field(default_factory=dict)
    """Of the target, now."""
    halt: Halt | None = None
    frozen: str = ""
    """The freeze that holds the action up now; empty where none does."""
    breaker: Principal | None = None
    """Who broke the glass, as policy has them now; None where nobody did, or policy does not know them any more."""
    fence: int = 0
    """Of whoever reports a result."""
    lost: bool = False
    """Whether whoever executes it was not heard of for a whole lease."""


Guard = Callable[[Attempt], str]


def is_current(attempt: Attempt) -> str:
    """The store was not restored, and no replica promoted, since the request was made."""
    return "" if attempt.request.epoch == attempt.epoch else "the store was restored or failed over since it was proposed"


def is_known(attempt: Attempt) -> str:
    """Somebody whom policy names, and who is active."""
    return "" if attempt.actor else "policy does not know whoever asks, or they are not active"


def saw_this(attempt: Attempt) -> str:
    """The decision is about the very thing that would run."""
    return "" if attempt.digest and attempt.digest == attempt.request.digest else "what was shown is not what would run now"


def is_intact(attempt: Attempt) -> str:
    """The digest is that of what is bound, recomputed, and what is bound is what the request says."""
    request, bound = attempt.request, attempt.request.bound
    whole = (
        bound is not None
        and digest_of_bound(bound) == request.digest
        and digest_of_shown(request) == bound.shown
        and (bound.tenant, bound.investigation) == (request.tenant, request.remediation.investigation)
        and (bound.action_id, bound.target) == (request.remediation.action, request.remediation.target)
        and bound.params == request.remediation.parameters
        and (bound.tier, bound.rule_hash) == (request.rule.tier, request.rule.digest)
    )
    return "" if whole else "the stored request is not the one that was shown"


def has_a_seat(attempt: Attempt) -> str:
    """The live role is at least that of the tier, or of a seat that policy names."""
    requirement = attempt.request.rule.requires
    if requirement is None or attempt.actor is None or may_sit(attempt.actor, requirement):
        return ""
    return f"it needs {in_words(requirement)}, and {attempt.actor.id} is a {attempt.actor.role}"


def runs_by_policy(attempt: Attempt) -> str:
    """Policy asks nobody about it, which it may for the lowest tier alone."""
    rule = attempt.request.rule
    return "" if rule.requires is None and rule.tier is RiskTier.INFO else "somebody has to decide it"


def is_another(attempt: Attempt) -> str:
    """Who proposed or edited it does not decide it, unless policy names them a sole operator for the tier."""
    actor, request = attempt.actor, attempt.request
    if actor is None or actor.id != request.remediation.proposed_by or request.rule.tier in actor.sole_operator:
        return ""
    return f"{actor.id} proposed it, so somebody else decides"


def is_first_word(attempt: Attempt) -> str:
    """One person fills one seat."""
    given = {approval.principal for approval in attempt.request.approvals}
    return f"{attempt.actor.id} approved it already" if attempt.actor and attempt.actor.id in given else ""


def end_of(request: ApprovalRequest) -> UtcDatetime | None:
    """When the state ends by itself: what was asked for expires, and what was approved has its own short life."""
    match request.state:
        case RequestState.PREPARING:
            return request.created_at + timedelta(seconds=request.rule.deadline_seconds)
        case RequestState.PENDING:
            return request.bound.expires_at if request.bound else request.created_at
        case RequestState.APPROVED:
            newest = max((approval.at for approval in request.approvals), default=request.created_at)
            life = timedelta(seconds=request.rule.life_seconds)
            return min(request.approved_until or request.created_at, newest + life)
        case _:
            return None


def is_in_time(attempt: Attempt) -> str:
    """Before the end of its state."""
    end = end_of(attempt.request)
    return "" if end is None or attempt.now < end else "its time is over"


def is_over_time(attempt: Attempt) -> str:
    """The last deadline has passed."""
    return "" if is_in_time(attempt) else "its time is not over yet"


def is_voided(attempt: Attempt) -> str:
    """Something that it is bound to is not what it was."""
    return "" if any(guard(attempt) for guard in BINDING) else "everything that it is bound to is as it was"


def is_approved_still(attempt: Attempt) -> str:
    """Those who approved may still approve, and are enough."""
    requirement = attempt.request.rule.requires
    if requirement is None:
        return ""
    said = {approval.principal for approval in attempt.request.approvals if approval.decision is Decision.APPROVE}
    good = [
        person
        for person in attempt.approvers
        if person.id in said
        and may_sit(person, requirement)
        and (person.id != attempt.request.remediation.proposed_by or attempt.request.rule.tier in person.sole_operator)
    ]
    return "" if is_met(requirement, good) else "those who approved it may not any more"


def approved_this(attempt: Attempt) -> str:
    """Every decision is an approval, and of this digest."""
    decisions = {(approval.decision, approval.digest) for approval in attempt.request.approvals}
    return "" if decisions == {(Decision.APPROVE, attempt.request.digest)} else "it was not this that was approved"


def has_same_rule(attempt: Attempt) -> str:
    """The effective rule is the one that was shown."""
    same = attempt.rule is not None and attempt.rule.digest == attempt.request.rule.digest
    return "" if same else "the rule for it changed since it was proposed"


def has_same_entry(attempt: Attempt) -> str:
    """The catalogue means the same by the action."""
    bound = attempt.request.bound
    return "" if bound is None or bound.catalogue_hash == attempt.catalogue_hash else "the catalogue changed since it was proposed"


def has_same_target(attempt: Attempt) -> str:
    """The target is as it was when the action was shown."""
    bound = attempt.request.bound
    return "" if bound is None or bound.target_version == attempt.version else "the target changed since it was proposed"


def skips_freezes(attempt: Attempt) -> bool:
    """Whether the glass is broken, by somebody who is a manager still."""
    broken, breaker = attempt.request.break_glass, attempt.breaker
    return broken is not None and breaker is not None and breaker.id == broken.principal and breaker.role is Role.MANAGER


def is_not_frozen(attempt: Attempt) -> str:
    """No freeze window holds it up; break-glass skips this guard and no other."""
    return "" if skips_freezes(attempt) else attempt.frozen


def is_not_halted(attempt: Attempt) -> str:
    """The kill switch is not set."""
    return f"everything is halted by {attempt.halt.by}" if attempt.halt else ""


def is_unused(attempt: Attempt) -> str:
    """One approval, one execution."""
    return "it was begun before" if attempt.request.execution else ""


def holds_the_fence(attempt: Attempt) -> str:
    """The result is of the execution that holds the request, in this epoch."""
    execution = attempt.request.execution
    held = execution is not None and execution.fence == attempt.fence and attempt.request.epoch == attempt.epoch
    return "" if held else "the execution belongs to somebody else, or to nobody any more"


def is_lost(attempt: Attempt) -> str:
    """Whoever executes it was not heard of."""
    return "" if attempt.lost or attempt.request.epoch != attempt.epoch else "it is being executed"


BINDING: tuple[Guard, ...] = (is_current, has_same_rule, has_same_entry, has_same_target)
"""What a request is bound to. Where one of them refuses, the request is void, and a new one may be made."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: in these states, on this event, if no guard refuses, the request is in the state `to`."""

    states: tuple[RequestState, ...]
    event: Event
    guards: tuple[Guard, ...]
    to: RequestState


S = RequestState
TABLE: tuple[Row, ...] = (
    Row((S.PREPARING,), Event.ASK, (is_current,), S.PENDING),
    Row((S.PREPARING,), Event.REFUSE, (), S.REFUSED),
    Row(
        (S.PENDING,),
        Event.APPROVE,
        (is_current, is_known, is_first_word, saw_this, is_intact, has_a_seat, is_another, is_in_time),
        S.APPROVED,
    ),
    Row((S.PENDING,), Event.APPROVE_BY_POLICY, (is_current, saw_this, is_intact, runs_by_policy, is_in_time), S.APPROVED),
    Row((S.PREPARING, S.PENDING, S.APPROVED), Event.DENY, (is_known,), S.DENIED),
    Row((S.PREPARING, S.PENDING, S.APPROVED), Event.EDIT, (is_known,), S.SUPERSEDED),
    Row((S.PENDING,), Event.TIMEOUT, (is_current, is_in_time), S.PENDING),
    Row((S.PREPARING, S.PENDING, S.APPROVED), Event.FINAL_TIMEOUT, (is_over_time,), S.EXPIRED),
    Row((S.PREPARING, S.PENDING, S.APPROVED), Event.VOID, (is_voided,), S.SUPERSEDED),
    Row(
        (S.APPROVED,),
        Event.BEGIN,
        (
            is_current,
            is_unused,
            is_intact,
            approved_this,
            is_in_time,
            is_approved_still,
            has_same_rule,
            has_same_entry,
            has_same_target,
            is_not_halted,
            is_not_frozen,
        ),
        S.EXECUTING,
    ),
    Row((S.EXECUTING,), Event.SUCCEED, (holds_the_fence,), S.SUCCEEDED),
    Row((S.EXECUTING,), Event.FAIL, (holds_the_fence,), S.FAILED),
    Row((S.EXECUTING,), Event.LOSE, (is_lost,), S.UNKNOWN),
    Row((S.UNKNOWN,), Event.SUCCEED, (has_a_seat,), S.SUCCEEDED),
    Row((S.UNKNOWN,), Event.FAIL, (has_a_seat,), S.FAILED),
)


def row_for(state: RequestState, event: Event) -> Row | None:
    """The row, if the event can happen in that state at all. Nothing happens in a terminal state."""
    return next((row for row in TABLE if row.event is event and state in row.states), None)


_REMEDIES: Final[Mapping[Guard, str]] = MappingProxyType(
    {
        saw_this: "Look at what would run now, and decide on that: with the digest that it has.",
        is_known: "Whoever keeps policy.toml can name you there.",
    }
)


def judge(event: Event, attempt: Attempt) -> RequestState:
    """The state that follows.

    Raises:
        Refused: no row, or a guard refuses; the message says why.
    """
    row = row_for(attempt.request.state, event)
    if row is None:
        raise Refused(
            f"The request {attempt.request.id} is {attempt.request.state}: {attempt.request.why or 'nothing changes it'}."
        )
    for guard in row.guards:
        if reason := guard(attempt):
            raise Refused(f"The request {attempt.request.id} is not let through: {reason}.", remedy=_REMEDIES.get(guard, ""))
    return row.to


def opens(attempt: Attempt) -> bool:
    """Whether an approval by the actor is the last that the rule asks for."""
    requirement = attempt.request.rule.requires
    people = [*attempt.approvers, *([attempt.actor] if attempt.actor else [])]
    return requirement is None or is_met(requirement, people)
