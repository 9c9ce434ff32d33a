"""The inbox: what needs a person now, and the investigations, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from middlewatch.app import App
from middlewatch.cards import Card, ends_at, glance
from middlewatch.frontends import quantity
from middlewatch.frontends.alert_wording import deadline_words, state_words
from middlewatch.frontends.web.health import health_row
from middlewatch.frontends.web.pages import render
from middlewatch.frontends.web.visitors import Application, SignedIn, Visitor
from middlewatch.records import ApprovalRequest, Handling, Investigation, InvestigationState, Outcome, Rating, RequestState
from middlewatch.records.errors import MiddlewatchError
from middlewatch.standing import Standing, by_investigation, standing_of

router = APIRouter(include_in_schema=False)

PAGE_SIZE = 25
MOST = 1000
"""Investigations and requests that are looked through; older ones are found by their address."""
MOST_WAITING = 20
MOST_HELD = 50
_LOOKS = {
    Standing.AWAITING_APPROVAL: "approval",
    Standing.UNKNOWN: "approval",
    Standing.INCONCLUSIVE: "inconclusive",
    Standing.NOT_RECOVERED: "approval",
    Standing.ACTING: "working",
    Standing.VERIFYING: "working",
    Standing.INVESTIGATING: "working",
    Standing.FINDING: "finding",
    Standing.RECOVERED: "resolved",
    Standing.CANCELLED: "cancelled",
}
_WORKING = frozenset({Standing.ACTING, Standing.VERIFYING, Standing.INVESTIGATING})
FILTERS = {"all": "All", "open": "Open", "mine": "Mine", "finished": "Finished"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits for a person."""

    title: str
    href: str
    remark: str
    tier: str
    deadline: datetime | None
    since: datetime | None
    who: str
    mine: bool
    """Whether the visitor can do something about it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One investigation."""

    found: Investigation
    standing: Standing
    look: str
    working: bool
    answer: str
    confidence: str
    taken: str
    """How long it took to the answer."""
    assignee: str
    severity: str
    deadline: str
    """Until when somebody must respond, in words, or that somebody did elsewhere; empty where somebody did here, or nobody must."""
    late: bool
    elsewhere: bool
    """Whether somebody acknowledged it at a sender of its alerts, and nobody here."""
    alerts: int


@dataclass(frozen=True, slots=True)
class Told:
    """What alerts say of an investigation."""

    rating: Rating | None
    alerts: int
    now: datetime
    waits: bool
    """Whether somebody is called for it, and nobody here has it."""
    elsewhere: bool
    """Whether somebody acknowledged it at a sender of its alerts."""


def inbox_view(app: App, visitor: Visitor, *, show: str, text: str, page: int) -> Mapping[str, Any]:
    """Everything on the page.

    Args:
        app: whose.
        visitor: for whom.
        show: one of `FILTERS`.
        text: only those whose service, title or id contains it.
        page: counted from 1.
    """
    found, requests = app.investigations(limit=MOST), app.approvals.current(limit=MOST)
    of = by_investigation(requests)
    standings = {row.id: standing_of(row, of.get(row.id, ())) for row in found}
    chosen = [row for row in found if _fits(row, text)]
    handlings = app.handlings.of_all([row.id for row in found])
    alerts, now = app.occurrences.list(limit=MOST), app.approvals.now()
    own = visitor.principal.id if visitor.principal else ""
    sets = {name: [row for row in chosen if _shown(name, row, standings[row.id], handlings[row.id], own)] for name in FILTERS}
    rows = sets[show][(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    ids = [row.id for row in rows]
    ratings, counts = app.alerting.ratings.of_all(ids), app.occurrences.counts(ids)
    open_ = [row for row in rows if handlings[row.id].acknowledged_by is None and standings[row.id] is not Standing.CANCELLED]
    waiting_for = [row for row in open_ if (rating := ratings[row.id]) and app.alerting.ratings.calls_for(row, rating)]
    answered = app.alerting.ratings.answered_of_all(waiting_for)
    told = {name: Told(ratings[name], counts[name], now, name in answered, answered.get(name, False)) for name in ids}
    untaken = [row for row in found if standings[row.id] is Standing.INCONCLUSIVE and handlings[row.id].assignee is None]
    asked = _asked(requests)
    waiting = [_decision(app, visitor, one) for one in asked[:MOST_WAITING]]
    waiting += map(_untaken, untaken[: MOST_WAITING - len(waiting)])
    return {
        "waiting": waiting,
        "waiting_more": len(asked) + len(untaken) - len(waiting),
        "rows": [_row(row, standings[row.id], handlings[row.id], told[row.id]) for row in rows],
        "held": [(one, state_words(one)) for one in alerts if one.held and one.resolved_at is None][:MOST_HELD],
        "filters": [(name, words, len(sets[name])) for name, words in FILTERS.items()],
        "show": show,
        "text": text,
        "page_number": page,
        "more": len(sets[show]) > page * PAGE_SIZE,
        "any": bool(found),
        "health": health_row(app),
        "recordings": not found and bool(app.recordings()),
    }


def _asked(requests: Sequence[ApprovalRequest]) -> list[ApprovalRequest]:
    """Those that wait for a person: what ends soonest first, then what has no deadline, the oldest first."""
    waiting = (one for one in requests if one.state in {RequestState.PENDING, RequestState.UNKNOWN} or one.awaits_review)
    return sorted(waiting, key=lambda one: (_deadline(one) is None, _deadline(one) or one.created_at))


def _deadline(request: ApprovalRequest) -> datetime | None:
    """Until when it can be decided; None where nobody is asked to decide."""
    return ends_at(request) if request.state is RequestState.PENDING else None


def _decision(app: App, visitor: Visitor, request: ApprovalRequest) -> Waiting:
    try:
        card = glance(app.approvals, request, visitor.principal)
    except MiddlewatchError as error:  # without a policy that can be used nobody can decide; that it waits is said all the same
        card, who = None, error.message
    what = f"{request.remediation.action} on {request.remediation.target}"
    deadline = _deadline(request)
    if request.state is RequestState.UNKNOWN:
        title, who = f"Find out what became of {what}", "Whoever may decide on it."
    elif request.awaits_review:
        title, who = f"Review the broken glass: {what}", "A manager who did not break it."
    else:
        title = f"{card.spec.title if card and card.spec else request.remediation.action} on {request.remediation.target}"
        who = _who(card) if card else who
    return Waiting(
        title=title,
        href=f"/approvals/{request.id}",
        remark=f"of {request.remediation.investigation}" + (f", {request.held_up}" if request.held_up else ""),
        tier=request.rule.tier,
        deadline=deadline,
        since=request.created_at,
        who=who,
        mine=card is not None and visitor.principal is not None and not card.objection and deadline is not None,
    )


def _who(card: Card) -> str:
    """Who may decide, whether the visitor may, and who is asked next."""
    names = ", ".join(person.id for person in card.deciders) or "nobody whom policy names"
    text = f"{card.needs}: {names}."
    if card.viewer is not None:
        text += " You may." if not card.objection else f" Not you: {card.objection}."
    following = next((step for step in card.asked if not step.done), None)
    return text + (f" At {quantity.clock(following.at, card.now.date())} it asks {', '.join(following.whom)}." if following else "")


def _untaken(row: Investigation) -> Waiting:
    headline = row.headline
    guess = (
        f"best guess {headline.service}, {quantity.percent(headline.confidence)}" if headline and headline.service else "no guess"
    )
    return Waiting(
        title=f"No cause found: {row.alert.title}",
        href=f"/investigations/{row.id}",
        remark=guess,
        tier="",
        deadline=None,
        since=row.closed_at,
        who="Nobody has taken it.",
        mine=True,
    )


def _row(row: Investigation, standing: Standing, handling: Handling, told: Told) -> Row:
    headline, rating = row.headline, told.rating
    seconds = (row.closed_at - row.opened_at).total_seconds() if row.closed_at and row.opened_at and headline else None
    return Row(
        found=row,
        standing=standing,
        look=_LOOKS[standing],
        working=standing in _WORKING,
        answer=headline.answer if headline else "",
        confidence=quantity.percent(headline.confidence) if headline and headline.outcome is Outcome.FINDING else "",
        taken=quantity.duration(seconds) if seconds is not None else "",
        assignee=handling.assignee or "",
        severity=rating.severity if rating else "",
        deadline=deadline_words(rating, told.now, answered=told.elsewhere, called=told.waits) if rating else "",
        late=rating is not None and told.waits and not told.elsewhere and told.now >= rating.respond_by,
        elsewhere=told.elsewhere,
        alerts=told.alerts,
    )


def _fits(row: Investigation, text: str) -> bool:
    symptom = row.alert.symptom.service if row.alert.symptom else ""
    fields = (row.id, row.alert.title, symptom, row.headline.service if row.headline else "")
    return text.strip().casefold() in "\n".join(fields).casefold()


def _shown(show: str, row: Investigation, standing: Standing, handling: Handling, own: str) -> bool:
    """Whether a list of this name has it. Open is what somebody, or middlewatch, still has to do something about."""
    over = standing in {Standing.RECOVERED, Standing.CANCELLED, Standing.FINDING}
    match show:
        case "open":
            return not over
        case "mine":
            return bool(own) and handling.assignee == own
        case "finished":
            return row.state is not InvestigationState.OPEN and over
        case _:
            return True


@router.get("/")
def inbox(  # the address of a list says all of it
    request: Request,
    app: Application,
    visitor: SignedIn,
    show: Annotated[str, Query(max_length=20)] = "all",
    q: Annotated[str, Query(max_length=200)] = "",
    page: Annotated[int, Query(ge=1, le=MOST)] = 1,
) -> Response:
    """The page."""
    show = show if show in FILTERS else "all"
    return render(request, "inbox.html", page="inbox", **inbox_view(app, visitor, show=show, text=q, page=page))


@router.get("/parts/inbox")
def inbox_part(
    request: Request,
    app: Application,
    visitor: SignedIn,
    show: Annotated[str, Query(max_length=20)] = "all",
    q: Annotated[str, Query(max_length=200)] = "",
    page: Annotated[int, Query(ge=1, le=MOST)] = 1,
) -> Response:
    """What of the page changes while it is open."""
    show = show if show in FILTERS else "all"
    return render(request, "_inbox.html", **inbox_view(app, visitor, show=show, text=q, page=page))
