"""Severities of investigations: kept, re-evaluated while alerts fire, set by people, and told of where nobody answered in time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pydantic import JsonValue, TypeAdapter

from middlewatch.approval.desk import Desk
from middlewatch.approval.events import name_of, typed
from middlewatch.context_store.leases import StoreLease
from middlewatch.context_store.redaction import redact
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.firing import FLAP_SECONDS
from middlewatch.opening import SOURCE, is_repeat
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
    shown: Callable[[Sequence[str]], Mapping[str, Sequence[Occurrence]]]
    """The alerts of investigations."""
    look: Callable[[str], Investigation]
    handlings: Callable[[Sequence[str]], Mapping[str, Handling]]
    """Whether somebody has them."""


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
        alerts = self._shown(investigation.id)
        severity, words = judged(self._known.facts(investigation, alerts))
        reasons = tuple(map(redact, words))

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

    def begin(self, investigation: str) -> None:
        """Look after it from now on, by its id; also where it has one alert more. Begun twice it is begun."""
        self._watch(add=investigation)

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
            if not self._look_after(name):
                self._watch(remove=name)
                if self._look_after(name):  # an alert joined it meanwhile
                    self._watch(add=name)

    def _look_after(self, name: str) -> bool:
        """Rate and escalate it; returns whether there is anything more to do about it."""
        now, alerts, rating = self._desk.store.now(self._tenant), self._shown(name), self.of(name)
        fires, may_fire = any(one.resolved_at is None for one in alerts), bool(_live(alerts, now))
        if rating is not None and _rests(rating, alerts, now) and not (may_fire and _is_rated_on(rating, now)):
            return not self._is_taken(name)
        try:
            investigation = self._known.look(name)
        except UnknownInvestigation:
            return False
        forgotten = investigation.alert.source == SOURCE and not alerts
        if investigation.state is InvestigationState.CANCELLED or forgotten:
            return False
        rating = rating or self.rate(investigation)
        is_open = investigation.state is InvestigationState.OPEN
        rated_again = (may_fire or is_open) and _is_rated_on(rating, now)
        if rated_again and (fires or is_open) and now - rating.rated_at >= AGAIN:
            rating = self.rate(investigation)
        if not self.calls_for(investigation, rating):
            return rated_again
        answered = self.answered(investigation, alerts)
        if not answered and now >= rating.respond_by and not _is_told(rating, alerts):
            rating = self._escalate(name, rating, alerts)
        if _rests(rating, alerts, now):
            return rated_again or not self._is_taken(name)
        return rated_again or not (answered or _is_told(rating, alerts))

    def calls_for(self, investigation: Investigation, rating: Rating) -> bool:
        """Whether anybody is called for what is rated so: for a repeat by hand only where a person says how severe it is."""
        return rating.set_by is not None or self._repeated(investigation) is None

    def answered(self, investigation: Investigation, alerts: Sequence[Occurrence]) -> bool:
        """Whether somebody acknowledged it, here or at a sender of one of its alerts; or the one that it repeats by hand."""
        return self._is_taken(investigation.id) or _is_acknowledged(alerts) or self._was_answered_before(investigation)

    def answered_of_all(self, investigations: Sequence[Investigation]) -> dict[str, bool]:
        """The same of several, by their ids, read in one piece."""
        names = [one.id for one in investigations]
        shown, handlings = self._known.shown(names), self._known.handlings(names)
        here = {name for name in names if handlings[name].acknowledged_by is not None}
        return {
            one.id: one.id in here or _is_acknowledged(shown[one.id]) or self._was_answered_before(one) for one in investigations
        }

    def _shown(self, investigation: str) -> Sequence[Occurrence]:
        return self._known.shown([investigation])[investigation]

    def _is_taken(self, investigation: str) -> bool:
        """Whether somebody acknowledged it here: that is not taken back."""
        return self._known.handlings([investigation])[investigation].acknowledged_by is not None

    def _was_answered_before(self, investigation: Investigation) -> bool:
        """Whether it was run again by hand, and somebody has the one before: nobody is called for it anew."""
        before = self._repeated(investigation)
        return before is not None and self.answered(before, self._shown(before.id))

    def _repeated(self, investigation: Investigation) -> Investigation | None:
        """The one before, where it was run again by hand and that one is waited for; whoever cancels one ends that."""
        if investigation.alert.follows is None or not is_repeat(investigation.alert):
            return None
        try:
            before = self._known.look(investigation.alert.follows)
        except UnknownInvestigation:
            return None
        return None if before.state is InvestigationState.CANCELLED else before

    # Writing

    def _escalate(self, investigation: str, rating: Rating, alerts: Sequence[Occurrence]) -> Rating:
        def change(was: Rating | None, now: UtcDatetime) -> Rating:
            kept = was or rating
            done = _is_told(kept, alerts) or now < kept.respond_by  # somebody may have said meanwhile that there is more time
            return kept if done else kept.model_copy(update={"escalated_at": now})

        return self._write(investigation, ACTOR, change)

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


def _is_rated_on(rating: Rating, now: UtcDatetime) -> bool:
    """Whether it is rated again while its alerts fire."""
    return now - rating.since < RATED_FOR and rating.set_by is None


def _is_acknowledged(alerts: Sequence[Occurrence]) -> bool:
    """Whether somebody has one of them at its sender; who had one that fires anew since does not have that."""
    came_again = {one.before for one in alerts}
    return any(one.acknowledged_at is not None for one in alerts if one.id not in came_again)


def _is_told(rating: Rating, alerts: Sequence[Occurrence]) -> bool:
    """Whether it was told that nobody acknowledged it, and nobody who did since gave it up again."""
    at = rating.escalated_at
    return at is not None and not any(one.given_up_at is not None and one.given_up_at > at for one in alerts)


def _rests(rating: Rating, alerts: Sequence[Occurrence], now: UtcDatetime) -> bool:
    """Whether nobody need be called as it stands, and that may end: who has it at a sender may give it up, or a flap takes it."""
    live = _live(alerts, now)
    had = _is_acknowledged(alerts) and any(one.acknowledged_at is not None for one in live)
    return had or (bool(live) and _is_told(rating, alerts))


def _live(alerts: Sequence[Occurrence], now: UtcDatetime) -> list[Occurrence]:
    """Those that fire, or may do so again as the same occurrence."""
    flaps = timedelta(seconds=FLAP_SECONDS)
    return [one for one in alerts if one.resolved_at is None or now - one.resolved_at <= flaps]


def _events(was: Rating | None, new: Rating) -> list[str]:
    """What is worth a line of the audit log: another severity, somebody who sets it, and that nobody answered."""
    if new.escalated_at is not None and (was is None or was.escalated_at != new.escalated_at):
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
