"""What a page shows of an approval request: the card in words, the facts it rests on, and what its visitor can do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from middlewatch.app import App
from middlewatch.cards import Asked, Card, Line, card, line
from middlewatch.frontends import quantity
from middlewatch.frontends.request_wording import NOT_DONE, SHORT_DIGEST, WAITING, RequestWording
from middlewatch.frontends.web.visitors import FACE, Visitor
from middlewatch.frontends.wording import Wording
from middlewatch.records import ApprovalRequest, Evidence, Recovery, RequestState, Role, Snapshot
from middlewatch.records.errors import Misconfigured, Refused, UnknownInvestigation
from middlewatch.watching import foreseen

S = RequestState
LISTED: Final = 5
"""Facts that a card lists: it is read while somebody waits, and the investigation's page has all. Chosen, not derived."""
_LOOKS: Final[Mapping[RequestState, str]] = {
    S.PREPARING: "working",
    S.PENDING: "approval",
    S.APPROVED: "working",
    S.EXECUTING: "working",
    S.UNKNOWN: "fault",
    S.SUCCEEDED: "resolved",
    S.FAILED: "fault",
    S.EXPIRED: "expired",
}
_HEADINGS: Final[Mapping[RequestState, str]] = {
    S.PREPARING: "Being prepared",
    S.APPROVED: "Approved, not begun yet",
    S.EXECUTING: "Running now",
    S.UNKNOWN: "Nobody knows whether it was done",
    S.SUCCEEDED: "Done",
    S.FAILED: "Failed",
    S.DENIED: "Denied, nothing ran",
    S.EXPIRED: "Expired, nothing ran",
    S.SUPERSEDED: "Void, nothing ran",
    S.REFUSED: "Cannot be done, nothing ran",
}
_RECOVERED: Final[Mapping[Recovery, str]] = {
    Recovery.WATCHING: "Done, the symptom is being watched",
    Recovery.RECOVERED: "Done, and the symptom went away",
    Recovery.NOT_RECOVERED: "Done, and the symptom did NOT go away",
    Recovery.NOT_SEEN: "Done; nobody saw whether the symptom went away",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that a request rests on."""

    id: str
    label: str
    """`E` and its number in the report; the id where it has none."""
    line: str


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request for a page."""

    card: Card
    words: RequestWording
    facts: tuple[Fact, ...] = ()
    """The first ones that it rests on."""
    successor: str = ""
    """Id of the request that took its place."""
    typed: Mapping[str, str] = field(default_factory=dict)
    """What a form held that was not accepted."""

    @property
    def request(self) -> ApprovalRequest:
        return self.card.request

    @property
    def look(self) -> str:
        return look_of(self.request)

    @property
    def heading(self) -> str:
        if self.request.state is S.PENDING:
            if self.card.overdue:
                return "Its time is over"
            return "Needs your decision" if "approve" in self.can else "Needs a decision"
        return _heading(self.request)

    @property
    def short(self) -> str:
        return self.request.digest[:SHORT_DIGEST]

    @property
    def rest(self) -> str:
        return self.request.digest[SHORT_DIGEST:]

    @property
    def more_facts(self) -> int:
        """How many it rests on besides."""
        return len(self.request.remediation.evidence) - len(self.facts)

    @property
    def waits(self) -> bool:
        """Whether something of it may still begin."""
        return self.request.state in WAITING

    @property
    def left(self) -> str:
        """Until its state ends by itself."""
        return "" if self.card.ends_at is None else left(self.card.ends_at, self.card.now)

    @property
    def next_step(self) -> Asked | None:
        return next((step for step in self.card.asked if not step.done), None)

    @property
    def next_left(self) -> str:
        return "" if self.next_step is None else left(self.next_step.at, self.card.now)

    @property
    def last_word(self) -> bool:
        """Whether an approval by the viewer would be the last that is asked for."""
        return len(self.card.missing) <= 1 or (
            self.request.rule.requires is not None and self.request.rule.requires.quantifier == "any_of"
        )

    @property
    def can(self) -> frozenset[str]:
        """What is offered to the viewer. Whether they may, the gateway says when they do it."""
        request, viewer = self.request, self.card.viewer
        if viewer is None:
            return frozenset()
        manager = viewer.role is Role.MANAGER
        offers = {
            "approve": request.state is S.PENDING and not self.card.overdue and not self.card.objection,
            "deny": self.waits,
            "edit": self.waits and self.card.spec is not None and bool(self.card.spec.parameters_schema.get("properties")),
            "glass": request.state is S.APPROVED and bool(self.card.freeze) and request.break_glass is None and manager,
            "reconcile": request.state is S.UNKNOWN,
            "undo": request.state is S.SUCCEEDED and request.execution is not None and request.execution.undo is not None,
            "again": request.state in NOT_DONE and not self.successor,
            "review": request.awaits_review and manager,
        }
        return frozenset(name for name, offered in offers.items() if offered)


@dataclass(frozen=True, slots=True)
class OverView:
    """A request of which nothing is left to wait for: one line, with the way to the whole of it."""

    line: Line
    look: str
    heading: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Untold:
    """A request that cannot be shown whole now, and so cannot be decided: there is no policy that can be used."""

    request: ApprovalRequest
    problem: str


def request_view(  # what a page of one says, and what many on a page save
    app: App,
    request: str,
    visitor: Visitor,
    *,
    typed: Mapping[str, str] | None = None,
    of: Snapshot | None = None,
) -> RequestView | Untold:
    """A request for whoever asks.

    Args:
        app: where it is.
        request: its id.
        visitor: who asks.
        typed: what a form held that was not accepted.
        of: the investigation on whose page it stands, which shows only requests whose place no other took; None on its own page.

    Raises:
        UnknownRequest: there is none.
    """
    try:
        found = card(app.approvals, request, visitor.principal, face=FACE)
    except (Refused, Misconfigured) as error:
        return Untold(app.approvals.show(request, face=""), f"{error.message} {error.remedy}".strip())
    found = found.model_copy(update={"request": _foreseen(app, found.request, of)})
    after = successor(app, found.request) if found.request.state.terminal and of is None else ""
    return RequestView(found, RequestWording(found), _facts(app, found.request, of), after, typed or {})


def look_of(request: ApprovalRequest) -> str:
    """The class of its state's label."""
    if request.execution is not None and request.execution.recovery is Recovery.NOT_RECOVERED:
        return "fault"
    return _LOOKS.get(request.state, "over")


def remediation_view(app: App, visitor: Visitor, snapshot: Snapshot) -> dict[str, Any]:
    """What `_remediation.html` shows: the requests of an investigation, whole where they wait, or why there are none."""
    name, report = snapshot.investigation.id, snapshot.report
    found = [_foreseen(app, one, snapshot) for one in requests_of(app, name)]
    over = [one for one in found if _is_over(one)]
    waiting = sorted((one for one in found if not _is_over(one)), key=lambda one: one.state.terminal)
    return {
        "cards": [request_view(app, one.id, visitor, of=snapshot) for one in waiting],
        "over": [OverView(line(one), look_of(one), _heading(one), one.created_at) for one in over],
        "over_states": Counter(str(one.state) for one in over),
        "investigation_id": name,
        "finished": report is not None,
        "considered": report.considered if report else (),
    }


def requests_of(app: App, investigation: str) -> list[ApprovalRequest]:
    """Of an investigation, newest first, without those whose place another one took."""
    found = app.approvals.of(investigation)
    replaced = {one.remediation.instead_of for one in found}
    return [one for one in found if one.id not in replaced]


def successor(app: App, request: ApprovalRequest) -> str:
    """The newest request that takes the place of one; empty where none does."""
    return next(
        (one.id for one in app.approvals.of(request.remediation.investigation) if one.remediation.instead_of == request.id), ""
    )


def left(end: datetime, now: datetime) -> str:
    """How long something still takes, in whole seconds."""
    seconds = (end - now).total_seconds()
    return "over" if seconds <= 0 else quantity.duration(max(1.0, float(int(seconds))))


def _heading(request: ApprovalRequest) -> str:
    if request.state is S.SUCCEEDED and request.execution and request.execution.recovery:
        return _RECOVERED[request.execution.recovery]
    return _HEADINGS[request.state]


def _is_over(request: ApprovalRequest) -> bool:
    """Whether nobody is waited for any more: neither to decide, nor to review, nor to see whether the symptom goes away."""
    watched = request.execution is not None and request.execution.recovery is Recovery.WATCHING
    return request.state.terminal and not request.awaits_review and not watched


def _foreseen(app: App, request: ApprovalRequest, of: Snapshot | None) -> ApprovalRequest:
    if request.execution is None:  # then nothing is being watched
        return request
    try:
        return foreseen(request, of.investigation if of else app.investigation(request.remediation.investigation))
    except UnknownInvestigation:
        return request


def _facts(app: App, request: ApprovalRequest, of: Snapshot | None) -> tuple[Fact, ...]:
    """Those that it rests on, as many as are listed, in the order in which the report has its proof."""
    cited = request.remediation.evidence
    if not cited:
        return ()
    try:
        snapshot = of or app.snapshot(request.remediation.investigation)
    except UnknownInvestigation:
        return tuple(Fact(id_, id_, "") for id_ in cited[:LISTED])
    words = Wording(snapshot.report) if snapshot.report else None
    known = {fact.id: fact for fact in snapshot.evidence}
    order = {fact.id: number for number, fact in enumerate(words.facts())} if words else {}
    listed = sorted(cited, key=lambda id_: order.get(id_, len(order)))[:LISTED]
    return tuple(_fact(id_, known.get(id_), words) for id_ in listed)


def _fact(name: str, fact: Evidence | None, words: Wording | None) -> Fact:
    if fact is None:
        return Fact(name, name, "")
    if words is None or name not in words.numbers:
        return Fact(name, name, fact.anomaly.summary)
    return Fact(name, f"E{words.numbers[name]}", words.fact_line(fact, named=True))
