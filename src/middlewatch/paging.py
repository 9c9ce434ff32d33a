"""Whoever is on call is paged through PagerDuty, where services.toml says `tell = ["pagerduty"]` of a severity.

One investigation is one page: what is said of it has one key, so that what is said again because a process died in between pages
nobody twice. What was said is a note in the store, written after it was said.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from pydantic import JsonValue, TypeAdapter

from middlewatch.approval.desk import Desk
from middlewatch.context_store.leases import StoreLease
from middlewatch.context_store.redaction import redact_names
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.records import (
    ApprovalRequest,
    AuditEvent,
    Investigation,
    InvestigationState,
    Occurrence,
    Rating,
    Severity,
    UtcDatetime,
)
from middlewatch.records.errors import Conflict, MiddlewatchError, UnknownInvestigation
from middlewatch.rounds import go_round
from middlewatch.senders import Senders
from middlewatch.service_catalogue import PAGERDUTY, PagerDutyEntry, ServiceCatalogue
from middlewatch.standing import recovered
from middlewatch.write_back_ends import Attempted, End, PagerDutyEvents

LOG = logging.getLogger(__name__)

KEY: Final = "middlewatch:"
"""How every key begins under which PagerDuty is told something."""
NOTE: Final = "paged:"
"""Before the id of an investigation."""
OPEN_NOTE: Final = "pages"
"""The note of which investigations may have an open page: from before one is triggered until it is resolved."""
ACTOR: Final = "system:paging"
TEND_SECONDS: Final = 5.0
"""Between two looks: short beside the fifteen minutes in which somebody must have answered. Chosen."""
LEASE_SECONDS: Final = 60.0
"""Longer than a round of calls; where one lasts longer, what is said twice pages nobody twice."""
MOST: Final = 100
"""Investigations that are looked at, the newest, and all that have an open page. Chosen."""
MOST_AT_ONCE: Final = 8
"""Of which so many are told of in one round: the lease must last."""
NEW: Final = timedelta(hours=24)
"""Nobody is paged for what began, or was left unanswered, longer ago: whoever configures this is not paged for all that was."""
_CALLED: Final = {Severity.SEV_1: "critical", Severity.SEV_2: "error", Severity.SEV_3: "warning", Severity.SEV_4: "info"}
"""By PagerDuty."""
_LONGEST_SUMMARY: Final = 1024
_TURNS: Final = 16
_IDS = TypeAdapter(tuple[str, ...])


class Say(StrEnum):
    """What PagerDuty is told."""

    TRIGGER = "trigger"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"


class Paged(Attempted):
    """What PagerDuty was told of an investigation."""

    open: bool = False
    """It was triggered, and not resolved since."""
    acknowledged: bool = False
    severity: Severity | None = None
    """The last one that somebody was paged for."""
    escalated: bool = False
    """It was said that nobody had acknowledged it in time."""
    owed: bool = False
    """It was resolved because whoever had it gave it up: a page that is acknowledged calls nobody, so it is to be a new one."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be said now."""

    say: Say
    then: Paged
    """What is kept once it was said."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What is asked of the application."""

    tenant: str
    investigations: Callable[[int], Sequence[Investigation]]
    """So many, the newest first."""
    ratings: Callable[[Sequence[str]], Mapping[str, Rating | None]]
    shown: Callable[[str], Sequence[Occurrence]]
    """The alerts of an investigation."""
    calls_for: Callable[[Investigation, Rating], bool]
    """Whether anybody is called for what is rated so."""
    answered: Callable[[Investigation, Sequence[Occurrence]], bool]
    """Whether somebody acknowledged it, here or at a sender of these alerts."""
    requests: Callable[[], Sequence[ApprovalRequest]]
    look: Callable[[str], Investigation]
    page: str = ""
    """Where the pages of investigations begin; empty where nobody said."""


class Paging:
    """The pages of a tenant."""

    def __init__(self, desk: Desk, lease: StoreLease, catalogue: ServiceCatalogue, senders: Senders, known: Answers) -> None:
        """Prefer `App.paging`."""
        self._desk = desk
        self._lease = lease
        self._catalogue = catalogue
        self._senders = senders
        self._known = known

    def of(self, investigations: Sequence[str]) -> dict[str, Paged]:
        """What was said of each."""
        kept = self._desk.store.notes(self._known.tenant, [f"{NOTE}{one}" for one in investigations])
        return {one: record_from(Paged, text) if text else Paged() for one, text in zip(investigations, kept, strict=True)}

    def failing(self) -> dict[str, Paged]:
        """Of the investigations that are looked at those that PagerDuty could not be told of at the last attempt."""
        if self._catalogue.usable().pagerduty is None:
            return {}
        return {name: one for name, one in self.of(list(self._looked_at())).items() if one.problem}

    def tend_until(self, stop: threading.Event) -> None:
        """Page who has to be paged until told to stop."""
        go_round(stop, lambda: self.tend(stop.is_set), lambda: TEND_SECONDS, "nobody is paged")

    def tend(self, stopped: Callable[[], bool] = lambda: False) -> int:
        """Say what is due; returns of how many investigations something was tried."""
        declared = self._catalogue.usable()
        severities = frozenset(one for one, tell in declared.tell.items() if PAGERDUTY in tell)
        if declared.pagerduty is None or not severities:
            return 0
        now = self._desk.store.now(self._known.tenant)
        found, listed = self._looked_at(), self._listed()[1]
        paged, ratings = self.of(list(found)), self._known.ratings(list(found))
        looked_at = [
            (found[name], rating, paged[name])
            for name, rating in ratings.items()
            if rating is not None
            and (name in listed or (_is_new(rating, now) and self._known.calls_for(found[name], rating)))
            and not paged[name].rests(now)
        ]
        if not looked_at or not self._lease.take(LEASE_SECONDS):
            return 0
        mended = recovered(self._known.requests())
        tried = 0
        for one, rating, was in looked_at:
            alerts = self._known.shown(one.id)
            over = one.id in mended or not _fires(one, alerts)
            answered = not over and self._known.answered(one, alerts)
            due = _due(rating, was, alerts, severities, over=over, answered=answered)
            if due is not None and (was.open or was.owed or _is_new(rating, now) if due.say is Say.TRIGGER else one.id in listed):
                if due.say is Say.TRIGGER:
                    self._list(one.id, may_be_open=True)
                self._keep(one.id, was, self._said(declared.pagerduty, due, (one, rating, was), now), due.say)
                tried += 1
            if tried >= MOST_AT_ONCE or stopped():  # between two calls, which may take seconds each
                break
        return tried

    def _looked_at(self) -> dict[str, Investigation]:
        """The newest, and all that have an open page."""
        found = {one.id: one for one in self._known.investigations(MOST)}
        for name in self._listed()[1]:
            if name not in found:
                try:
                    found[name] = self._known.look(name)
                except UnknownInvestigation:
                    self._list(name, may_be_open=False)
        return found

    def _listed(self) -> tuple[str, tuple[str, ...]]:
        """What may have an open page: as it is kept, and their ids."""
        text = self._desk.store.note(self._known.tenant, OPEN_NOTE)
        return text, _IDS.validate_json(text) if text else ()

    def _list(self, investigation: str, *, may_be_open: bool) -> None:
        for _ in range(_TURNS):
            before, was = self._listed()
            new = (*(one for one in was if one != investigation), *([investigation] if may_be_open else []))
            after = _IDS.dump_json(new).decode()
            known = (investigation in was) == may_be_open
            if known or self._desk.store.set_note(self._known.tenant, OPEN_NOTE, after, before=before, events=[]):
                return
        raise Conflict("Too many pages change at once.", remedy="Try again.")

    def _said(self, entry: PagerDutyEntry, due: Due, about: tuple[Investigation, Rating, Paged], now: UtcDatetime) -> Paged:
        """One attempt; what failed is told, and tried again later."""
        one, rating, was = about
        try:
            end = PagerDutyEvents(End(entry.end, self._senders.token_of(entry.end)))
            more = self._payload(redact_names(one), rating) if due.say is Say.TRIGGER else {}
            end.say(due.say.value, f"{KEY}{self._known.tenant}:{one.id}", **more)
        except MiddlewatchError as error:
            if not was.attempts:
                LOG.warning("PagerDuty is not told of %s: %s", one.id, error)
            return was.failed(error, now)
        return due.then

    def _payload(self, one: Investigation, rating: Rating) -> dict[str, JsonValue]:
        symptom = one.alert.symptom
        late = "nobody has acknowledged it: " if rating.escalated_at is not None else ""
        details: dict[str, JsonValue] = {
            "investigation": one.id,
            "acknowledge by": rating.respond_by.isoformat(),
            "why": " ".join(rating.reasons),
        }
        payload: dict[str, JsonValue] = {
            "summary": f"{rating.severity}: {late}{one.alert.title or one.id}"[:_LONGEST_SUMMARY],
            "source": (symptom.service if symptom else "") or "middlewatch",
            "severity": _CALLED[rating.severity],
            "timestamp": one.alert.detected_at.isoformat(),
            "custom_details": details,
        }
        page = {"client_url": f"{self._known.page}/investigations/{one.id}"} if self._known.page else {}
        return {"payload": payload, "client": "middlewatch", **page}

    def _keep(self, investigation: str, was: Paged, new: Paged, say: Say) -> None:
        tenant, done = self._known.tenant, not new.problem
        data: dict[str, JsonValue] = {"severity": new.severity or was.severity or "", "said": say.value}
        events = [AuditEvent(tenant=tenant, actor=ACTOR, event="severity.paged", obj=investigation, data=data)] if done else []
        before, after = ("" if one == Paged() else text_of(one) for one in (was, new))
        if self._desk.store.set_note(tenant, f"{NOTE}{investigation}", after, before=before, events=events) and events:
            self._desk.seal(tenant)
        if new == Paged():
            self._list(investigation, may_be_open=False)


def _is_new(rating: Rating, now: UtcDatetime) -> bool:
    return now - (rating.escalated_at or rating.since) < NEW


def _fires(one: Investigation, alerts: Sequence[Occurrence]) -> bool:
    """Whether there is still something that somebody has to look at."""
    if one.state is InvestigationState.CANCELLED:
        return False
    return one.state is InvestigationState.OPEN or any(alert.resolved_at is None for alert in alerts)


def _due(
    rating: Rating, was: Paged, alerts: Sequence[Occurrence], severities: frozenset[Severity], *, over: bool, answered: bool
) -> Due | None:
    """What PagerDuty is to be told now, if it may have a page; None where it knows."""
    if over:
        return Due(Say.RESOLVE, Paged())
    if answered:
        has = was.well().model_copy(update={"acknowledged": True})
        return Due(Say.ACKNOWLEDGE, has) if was.open and not was.acknowledged else None
    if rating.severity not in severities or any(one.message.kind == PAGERDUTY and one.resolved_at is None for one in alerts):
        return None  # of an alert of PagerDuty's own it has paged somebody itself
    if was.acknowledged:
        return Due(Say.RESOLVE, Paged(owed=True))
    escalated = rating.escalated_at is not None
    worse = was.severity is None or rating.severity.level < was.severity.level
    if was.open and not worse and (was.escalated or not escalated):
        return None
    return Due(Say.TRIGGER, Paged(open=True, severity=rating.severity, escalated=escalated))
