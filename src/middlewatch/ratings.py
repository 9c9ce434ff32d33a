"""Severities of investigations: kept, re-evaluated while alerts fire, set by people, and told of where nobody answered in time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pydantic import JsonValue, TypeAdapter

from middlewatch.approval.desk import Desk
from middlewatch.approval.events import name_of, typed
from middlewatch.context_store.leases import StoreLease
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.opening import BY_HAND
from middlewatch.records import (
    AuditEvent,
    Handling,
    Investigation,
    InvestigationState,
    Occurrence,
    Principal,
    Rating,
    Severity,
    UtcDatetime,
)
from middlewatch.records.errors import Conflict, UnknownInvestigation
from middlewatch.rounds import go_round
from middlewatch.severity import Facts, judged

SEVERITY_NOTE: Final = "severity:"
"""Before the id of an investigation: the note of its rating."""
WATCHED_NOTE: Final = "severities"
"""The note of which investigations are rated again, and may have to be escalated."""
LOOK_SECONDS: Final = 15.0
"""Between two looks; a response time is at least fifteen minutes. Chosen."""
AGAIN: Final = timedelta(minutes=1)
"""Between two ratings of one investigation. Chosen: telemetry comes in steps of up to a minute."""
RATED_FOR: Final = timedelta(hours=24)
"""An investigation is rated again for so long while its alerts fire. Chosen."""
ACTOR: Final = "system:severity"
_TURNS: Final = 16
_IDS = TypeAdapter(tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a tenant's investigations."""

    tenant: str
    facts: Callable[[Investigation, Sequence[Occurrence]], Facts]
    """What a severity follows from, of an investigation and its alerts."""
    shown: Callable[[str], Sequence[Occurrence]]
    """The alerts of an investigation."""
    look: Callable[[str], Investigation]
    handling: Callable[[str], Handling]
    """Whether somebody has it."""


class Ratings:
    """The severities of a tenant's investigations."""

    def __init__(self, desk: Desk, lease: StoreLease, known: Known) -> None:
        """Nothing is rated yet.

        Args:
            desk: where notes and the audit log are.
            lease: of whoever looks after them.
            known: the rest.
        """
        self._desk = desk
        self._lease = lease
        self._known = known
        self._tenant = known.tenant

    def of(self, investigation: str) -> Rating | None:
        """The rating of one; None where nobody rated it."""
        return self.of_all([investigation])[investigation]

    def of_all(self, investigations: Sequence[str]) -> dict[str, Rating | None]:
        """The same of several, read in one piece."""
        kept = self._desk.store.notes(self._tenant, [f"{SEVERITY_NOTE}{one}" for one in investigations])
        return {one: record_from(Rating, text) if text else None for one, text in zip(investigations, kept, strict=True)}

    def rate(self, investigation: Investigation) -> Rating:
        """Rate an investigation by what is known now; what a person set stays."""
        alerts = self._known.shown(investigation.id)
        severity, reasons = judged(self._known.facts(investigation, alerts))

        def change(was: Rating | None, now: UtcDatetime) -> Rating:
            if was is None:
                since = investigation.opened_at or now
                return Rating(severity=severity, reasons=reasons, since=since, rated_at=now)
            if was.set_by is not None:
                return was
            same = (was.severity, was.reasons) == (severity, reasons)
            escalated = was.escalated_at if severity.level >= was.severity.level else None
            new = {"severity": severity, "reasons": reasons, "rated_at": now, "escalated_at": escalated}
            return was if same and now - was.rated_at < AGAIN else was.model_copy(update=new)

        return self._write(investigation.id, ACTOR, change)

    def begin(self, investigation: Investigation) -> None:
        """Look after it from now on."""
        self._watch(add=investigation.id)

    def set(self, investigation: str, severity: Severity, principal: Principal | None, *, why: str = "", face: str) -> Rating:
        """Say how severe it is. It stays so, whatever is measured.

        Raises:
            Refused: policy does not know them.
            UnknownInvestigation: there is none.
        """
        found = self._known.look(investigation)
        actor = name_of(principal)

        def change(was: Rating | None, now: UtcDatetime) -> Rating:
            known = self._desk.known(principal)
            since = was.since if was else found.opened_at or now
            escalated = was.escalated_at if was and severity.level >= was.severity.level else None
            reasons = (f"{known.id} set it.",)
            return Rating(severity=severity, reasons=reasons, since=since, rated_at=now, set_by=known.id, escalated_at=escalated)

        with self._desk.refusals(lambda reason: self._event("severity.refused", investigation, actor, why=reason)):
            rating = self._write(investigation, actor, change, text=why, face=face)
        self._watch(add=investigation)
        return rating

    # In the background

    def tend_until(self, stop: threading.Event) -> None:
        """Rate again what is watched, and escalate what nobody answered in time, until told to stop."""
        go_round(stop, self.tend, lambda: LOOK_SECONDS, "severities are not looked after")

    def tend(self) -> None:
        """One look at all that is watched."""
        watched = self._watched()
        if not watched or not self._lease.take(LOOK_SECONDS * 2):
            return
        for name in watched:
            try:
                investigation = self._known.look(name)
            except UnknownInvestigation:
                self._watch(remove=name)
                continue
            if not self._look_after(investigation):
                self._watch(remove=name)

    def _look_after(self, investigation: Investigation) -> bool:
        """Rate and escalate it; returns whether there is anything more to do about it."""
        now, alerts = self._desk.store.now(self._tenant), self._known.shown(investigation.id)
        if investigation.state is InvestigationState.CANCELLED:
            return False
        rating = self.of(investigation.id) or self.rate(investigation)
        fires = any(one.resolved_at is None for one in alerts) or investigation.state is InvestigationState.OPEN
        rated_again = fires and now - rating.since < RATED_FOR and rating.set_by is None
        if rated_again and now - rating.rated_at >= AGAIN:
            rating = self.rate(investigation)
        answered = self.answered(investigation.id, alerts)
        if not answered and rating.escalated_at is None and now >= rating.respond_by:
            self._write(investigation.id, ACTOR, lambda was, at: _escalated(was or rating, at))
        return rated_again or not (answered or rating.escalated_at is not None)

    def answered(self, investigation: str, alerts: Sequence[Occurrence] | None = None) -> bool:
        """Whether somebody acknowledged it, here or at a sender of one of its alerts; or the one that it repeats by hand."""
        shown = self._known.shown(investigation) if alerts is None else alerts
        if self._known.handling(investigation).acknowledged_by is not None or any(one.acknowledged_at for one in shown):
            return True
        return self._was_answered_before(investigation)

    def _was_answered_before(self, investigation: str) -> bool:
        """Whether it was run again by hand, and somebody has the one before: nobody is called for it anew."""
        try:
            alert = self._known.look(investigation).alert
        except UnknownInvestigation:
            return False
        return alert.source == BY_HAND and alert.follows is not None and self.answered(alert.follows)

    # Writing

    def _write(
        self,
        investigation: str,
        actor: str,
        change: Callable[[Rating | None, UtcDatetime], Rating],
        *,
        text: str = "",
        **data: JsonValue,
    ) -> Rating:
        desk, name = self._desk, f"{SEVERITY_NOTE}{investigation}"
        for _ in range(_TURNS):
            before = desk.store.note(self._tenant, name)
            was = record_from(Rating, before) if before else None
            new = change(was, desk.store.now(self._tenant))
            if new == was:
                return new
            words, private = typed(text)
            events = [self._event(event, investigation, actor, **_said(was, new), **words, **data) for event in _events(was, new)]
            if desk.store.set_note(self._tenant, name, text_of(new), before=before, events=events, private=private):
                if events:
                    desk.seal(self._tenant)
                return new
        raise Conflict(f"Too many change {investigation} at once.", remedy="Look at it again.")

    def _event(self, name: str, investigation: str, actor: str, **data: JsonValue) -> AuditEvent:
        return AuditEvent(tenant=self._tenant, actor=actor, event=name, obj=investigation, data=data)

    def _watched(self) -> tuple[str, ...]:
        text = self._desk.store.note(self._tenant, WATCHED_NOTE)
        return _IDS.validate_json(text) if text else ()

    def _watch(self, *, add: str = "", remove: str = "") -> None:
        for _ in range(_TURNS):
            before = self._desk.store.note(self._tenant, WATCHED_NOTE)
            was = _IDS.validate_json(before) if before else ()
            new = tuple(dict.fromkeys([*(one for one in was if one != remove), *([add] if add else [])]))
            after = _IDS.dump_json(new).decode()
            if new == was or self._desk.store.set_note(self._tenant, WATCHED_NOTE, after, before=before, events=[]):
                return
        raise Conflict("Too many severities change at once.", remedy="Try again.")


def _escalated(was: Rating, now: UtcDatetime) -> Rating:
    return was if was.escalated_at is not None else was.model_copy(update={"escalated_at": now})


def _events(was: Rating | None, new: Rating) -> list[str]:
    """What is worth a line of the audit log: another severity, somebody who sets it, and that nobody answered."""
    if new.escalated_at is not None and (was is None or was.escalated_at is None):
        return ["severity.escalated"]
    if new.set_by is not None and (was is None or (was.set_by, was.severity) != (new.set_by, new.severity)):
        return ["severity.set"]
    return ["severity.rated"] if was is None or was.severity is not new.severity else []


def _said(was: Rating | None, new: Rating) -> dict[str, JsonValue]:
    return {
        "severity": new.severity,
        "before": was.severity if was else "",
        "respond_by": new.respond_by.isoformat(),
        "why": " ".join(new.reasons),
    }
