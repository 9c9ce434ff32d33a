"""An approval request with what surrounds it now: what every front end shows a person before they decide."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import Field

from middlewatch.approval import decided
from middlewatch.approval.requirement import fits, in_words, may_sit, open_seats, seat_in_words
from middlewatch.approval.timers import asked_at, steps_ahead
from middlewatch.approval.transitions import Attempt, Event, end_of, has_a_seat, is_another, is_first_word, row_for
from middlewatch.records import ActionSpec, ApprovalRequest, Halt, Principal, Record, RequestState, RiskTier, Seat, UtcDatetime
from middlewatch.records.errors import Misconfigured, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from middlewatch.approval.policy import Policy
    from middlewatch.approvals import Approvals


already = decided.already
"""Why a decision comes too late; the same words in every face."""
verb = decided.verb
"""How a request stands; likewise."""


class Asked(Record):
    """One level that is asked, or will be if nobody decides before."""

    at: UtcDatetime
    whom: tuple[str, ...] = Field(description="in words, such as 'a lead'")
    reaches: tuple[str, ...] = Field(default=(), description="ids of the principals that these are, as policy has them now")
    done: bool


class Line(Record):
    """A request in a list. It has neither the steps nor the digest: who decides is shown the whole of it before."""

    id: str
    state: RequestState
    tier: RiskTier
    action: str
    target: str
    why: str = Field(description="why it is in this state")
    ends_at: UtcDatetime | None = Field(description="when its state ends by itself; null where it does not")
    asked: str = Field(description="who is asked now; empty where nobody is")


class Card(Record):
    """A request, and what holds for it at this moment."""

    request: ApprovalRequest
    now: UtcDatetime = Field(description="by the store's clock, which deadlines go by")
    ends_at: UtcDatetime | None = Field(description="when its state ends by itself; null where it does not")
    needs: str = Field(description="who must approve, in words; empty where policy lets it run by itself")
    deciders: tuple[Principal, ...] = Field(description="who may approve it still, as policy has them now")
    missing: tuple[str, ...] = Field(default=(), description="who must still approve, in words; empty where nobody is asked")
    asked: tuple[Asked, ...] = Field(description="in order")
    viewer: Principal | None = Field(description="whom it is shown to")
    objection: str = Field(description="why the viewer may not approve it; empty where they may")
    spec: ActionSpec | None = Field(description="the entry of the catalogue; null where there is none any more")
    freeze: str = Field(description="what holds it up now, in words; empty where nothing does")
    halt: Halt | None

    @property
    def overdue(self) -> bool:
        """Whether its time is over, and nobody was there to write that down."""
        return self.ends_at is not None and self.now >= self.ends_at


def line(request: ApprovalRequest) -> Line:
    """A request as a list has it; that is no event."""
    return Line(
        id=request.id,
        state=request.state,
        tier=request.rule.tier,
        action=request.remediation.action,
        target=request.remediation.target,
        why=request.why,
        ends_at=end_of(request),
        asked=asked_now(request),
    )


def card(approvals: Approvals, request: str, viewer: Principal | None, *, face: str) -> Card:
    """Show a request to somebody; that they saw it is an event, once for each digest and face.

    Raises:
        UnknownRequest: there is none.
        Misconfigured: there is no policy that can be used.
    """
    found = approvals.show(request, viewer, face=face)
    return _card(approvals, found, viewer)


def look(approvals: Approvals, request: str) -> Card:
    """The same, shown to nobody: to see how it goes on."""
    return _card(approvals, approvals.show(request, None, face=""), None)


def glance(approvals: Approvals, request: ApprovalRequest, viewer: Principal | None) -> Card:
    """What holds for a request in a list: the viewer is told whether it waits for them, and does not see the whole of it."""
    return _card(approvals, request, viewer)


def ends_at(request: ApprovalRequest) -> datetime | None:
    """When its state ends by itself."""
    return end_of(request)


def asked_now(request: ApprovalRequest) -> str:
    """Who is asked, in a few words: those whom the rule requires, and those to whom it was escalated since; or for a review."""
    if request.awaits_review:
        return "review"
    requires = request.rule.requires
    if request.state is not RequestState.PENDING or requires is None:
        return ""
    first = (" + " if requires.quantifier == "all_of" else " or ").join(map(_short, requires.seats))
    first += f" ({len(request.approvals)} of {len(requires.seats)} approved)" if request.approvals else ""
    return ", ".join(dict.fromkeys((first, *(_short(seat) for step in request.asked for seat in step.asked))))


def _short(seat: Seat) -> str:
    return seat.principal or str(seat.role)


def _card(approvals: Approvals, request: ApprovalRequest, viewer: Principal | None) -> Card:
    desk = approvals.desk
    halt, now = desk.store.halted(request.tenant)
    policy = desk.policy()
    requires = request.rule.requires
    try:
        spec = desk.catalogue.spec(request.remediation.action)
    except (Refused, Misconfigured):
        spec = None
    people = policy.principals.values()
    return Card(
        request=request,
        now=now,
        ends_at=end_of(request),
        needs=in_words(requires) if requires else "",
        deciders=tuple(person for person in people if requires and not _excluded(Attempt(request, now, desk.store.epoch, person))),
        missing=_missing(request, policy),
        asked=_asked(request, policy),
        viewer=viewer,
        objection=_objection(Attempt(request, now, desk.store.epoch, viewer, request.digest)),
        spec=spec,
        freeze="" if request.state.terminal else desk.frozen(request, now),
        halt=halt,
    )


def _missing(request: ApprovalRequest, policy: Policy) -> tuple[str, ...]:
    requires = request.rule.requires
    if request.state is not RequestState.PENDING or requires is None:
        return ()
    said = {approval.principal for approval in request.approvals}
    return _words(open_seats(requires, [person for person in policy.principals.values() if person.id in said and person.active]))


def _objection(attempt: Attempt) -> str:
    """What the guards of an approval would say to it now."""
    row = row_for(attempt.request.state, Event.APPROVE)
    if row is None:
        return f"it is {attempt.request.state}"
    return next(filter(None, (guard(attempt) for guard in row.guards)), "")


def _excluded(attempt: Attempt) -> str:
    """Why this person is none of those whom it waits for, whatever the hour; once it is over, none of those who could sit."""
    waits = attempt.request.state in {RequestState.PREPARING, RequestState.PENDING}
    guards = (has_a_seat, is_another, is_first_word) if waits else (has_a_seat,)
    return next(filter(None, (guard(attempt) for guard in guards)), "")


def _asked(request: ApprovalRequest, policy: Policy) -> tuple[Asked, ...]:
    """Who was asked and who will be."""
    if request.rule.requires is None or request.bound is None:
        return ()
    first = Asked(
        at=asked_at(request),
        whom=(in_words(request.rule.requires),),
        reaches=tuple(person.id for person in policy.principals.values() if may_sit(person, request.rule.requires)),
        done=True,
    )
    done = [Asked(at=step.at, whom=_words(step.asked), reaches=_reached(step.asked, policy), done=True) for step in request.asked]
    ahead = [
        Asked(at=at, whom=_words(step.asked), reaches=_reached(step.asked, policy), done=False) for at, step in steps_ahead(request)
    ]
    return (first, *done, *(ahead if request.state is RequestState.PENDING else ()))


def _words(seats: Sequence[Seat]) -> tuple[str, ...]:
    return tuple(seat_in_words(seat) for seat in seats)


def _reached(seats: Sequence[Seat], policy: Policy) -> tuple[str, ...]:
    return tuple(person.id for person in policy.principals.values() if any(fits(person, seat) for seat in seats))
