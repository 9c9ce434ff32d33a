"""Who has an investigation, and what people found it worth: acknowledge, assign, hand over with a note, feedback, cancel.

Whoever policy names may do each of these; each is an event of the audit log, which holds a salted digest of what was typed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from pydantic import JsonValue, ValidationError

from middlewatch.approval.desk import Desk
from middlewatch.approval.events import name_of, typed
from middlewatch.context_store.audit import HANDLING_NOTE, Private
from middlewatch.context_store.redaction import redact_fields
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.records import (
    AuditEvent,
    Feedback,
    Handling,
    Handover,
    Investigation,
    InvestigationState,
    Principal,
    UtcDatetime,
    Verdict,
)
from middlewatch.records.errors import BadInput, Conflict

_TURNS = 16
"""How often somebody else may be first before it is called a conflict."""
MOST_HANDOVERS = 100
"""The latest are kept; the audit log has them all. Chosen: nobody reads more, and a list reads them of every investigation."""

R = TypeVar("R")
Words = tuple[dict[str, JsonValue], tuple[Private, ...]]
"""What somebody typed, as an event has it and as it is kept beside the log."""
Change = Callable[[Handling, UtcDatetime], Handling]


class Handlings:
    """What people do with investigations. `principal` is whom a front end authenticated; None for somebody unknown to policy."""

    def __init__(self, desk: Desk, tenant: str, look: Callable[[str], Investigation], stop: Callable[[str], Investigation]) -> None:
        self._desk = desk
        self._tenant = tenant
        self._look = look
        self._stop = stop

    def of(self, investigation: str) -> Handling:
        """Who has one, and what was said of it."""
        return self.of_all([investigation])[investigation]

    def of_all(self, investigations: Sequence[str]) -> dict[str, Handling]:
        """The same of several, read in one piece."""
        kept = self._desk.store.notes(self._tenant, [_name(one) for one in investigations])
        return {one: record_from(Handling, text) if text else Handling() for one, text in zip(investigations, kept, strict=True)}

    def acknowledge(self, investigation: str, principal: Principal | None, *, face: str) -> Handling:
        """Say that one has seen it, and has it unless somebody does already. A second time changes nothing.

        Raises:
            Refused: policy does not know them.
            UnknownInvestigation: there is none.
        """

        def change(was: Handling, now: UtcDatetime) -> Handling:
            known = self._desk.known(principal)
            taken = was.handovers or (Handover(by=known.id, to=known.id, at=now),)
            if was.acknowledged_by is not None:
                return was
            return was.model_copy(update={"acknowledged_by": known.id, "acknowledged_at": now, "handovers": taken})

        return self._write("investigation.acknowledged", investigation, principal, change, face=face)

    def assign(self, investigation: str, to: str, principal: Principal | None, *, note: str = "", face: str) -> Handling:
        """Give it to somebody, or take it. To whom it belongs already it is given again only with a note.

        Args:
            investigation: which.
            to: id of an active principal of the policy.
            principal: who does it.
            note: what they want the other to know.
            face: where.

        Raises:
            Refused: policy does not know them.
            BadInput: it does not know the other, or the note is too long.
            UnknownInvestigation: there is none.
        """
        words = typed(note)

        def change(was: Handling, now: UtcDatetime) -> Handling:
            known = self._desk.known(principal)
            other = self._desk.policy().principals.get(to)
            if other is None or not other.active:
                raise BadInput(f"Policy has no active principal {to!r}.", remedy="See who there is with: middlewatch policy check")
            if was.assignee == to and not note:
                return was
            handover = _checked(lambda: Handover(by=known.id, to=to, at=now, note=note, digest=_digest(words)))
            return was.model_copy(update={"handovers": (*was.handovers, redact_fields(handover, "note"))[-MOST_HANDOVERS:]})

        return self._write("investigation.assigned", investigation, principal, change, face=face, words=words, to=to)

    def give_feedback(  # a verdict is said whole
        self, investigation: str, verdict: Verdict, principal: Principal | None, *, cause: str = "", face: str
    ) -> Handling:
        """Say whether the answer was right, and what the cause was where it was not. Said again, the last word counts.

        Raises:
            Refused: policy does not know them.
            BadInput: there is no answer yet, or the cause is too long.
            UnknownInvestigation: there is none.
        """
        words = typed(cause)

        def change(was: Handling, now: UtcDatetime) -> Handling:
            known = self._desk.known(principal)
            said = _checked(lambda: Feedback(by=known.id, at=now, verdict=verdict, cause=cause, digest=_digest(words), face=face))
            said = redact_fields(said, "cause")
            others = tuple(one for one in was.feedback if one.by != known.id)
            same = any((one.by, one.verdict, one.cause) == (said.by, said.verdict, said.cause) for one in was.feedback)
            return was if same else was.model_copy(update={"feedback": (*others, said)})

        match self._look(investigation).state:
            case InvestigationState.OPEN:
                raise BadInput(f"The investigation {investigation} has no answer yet.", remedy="Wait for it, or cancel it.")
            case InvestigationState.CANCELLED:
                raise BadInput(f"The investigation {investigation} was cancelled and has no answer.", remedy="Start it again.")
        return self._write("feedback.given", investigation, principal, change, face=face, words=words, verdict=verdict)

    def cancel(self, investigation: str, principal: Principal | None, *, face: str) -> Investigation:
        """Stop an investigation; nothing more is recorded for it. One that is cancelled already stays so.

        Raises:
            BadInput: it is closed already.
            Refused: policy does not know them.
            UnknownInvestigation: there is none.
        """
        state = self._look(investigation).state
        if state is InvestigationState.CLOSED:
            return self._stop(investigation)  # which says that there is nothing to stop
        with self._refusals("cancellation.refused", investigation, name_of(principal)):
            known = self._desk.known(principal)
        if state is InvestigationState.OPEN:  # who did it is written down before it is done
            self._desk.tell(self._event("cancellation.asked", investigation, known.id, face=face))
        return self._stop(investigation)

    def _write(  # an event is said whole
        self,
        name: str,
        investigation: str,
        principal: Principal | None,
        change: Change,
        *,
        face: str,
        words: Words = ({}, ()),
        **data: JsonValue,
    ) -> Handling:
        self._look(investigation)
        actor, desk = name_of(principal), self._desk
        with self._refusals(name.split(".", 1)[0] + ".refused", investigation, actor):
            for _ in range(_TURNS):
                (before,) = desk.store.notes(self._tenant, [_name(investigation)])
                was = record_from(Handling, before) if before else Handling()
                new = change(was, desk.store.now(self._tenant))
                if new == was:
                    return was
                reason, private = words
                event = self._event(name, investigation, actor, **data, **reason, face=face)
                if desk.store.set_note(
                    self._tenant, _name(investigation), text_of(new), before=before, events=[event], private=private
                ):
                    desk.seal(self._tenant)
                    return new
        raise Conflict(f"Too many people change {investigation} at once.", remedy="Look at it again.")

    def _refusals(self, name: str, investigation: str, actor: str) -> AbstractContextManager[None]:
        """What is refused within is an event of this name."""
        return self._desk.refusals(lambda why: self._event(name, investigation, actor, why=why))

    def _event(self, name: str, investigation: str, actor: str, **data: JsonValue) -> AuditEvent:
        return AuditEvent(tenant=self._tenant, actor=actor, event=name, obj=investigation, data=data)


def _name(investigation: str) -> str:
    return f"{HANDLING_NOTE}{investigation}"


def _digest(words: Words) -> str:
    return "".join(private.digest for private in words[1])


def _checked(make: Callable[[], R]) -> R:
    try:
        return make()
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"That cannot be kept: {first['loc'][0]}: {first['msg']}.", remedy="Say it shorter.") from None
