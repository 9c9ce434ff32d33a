"""What people do with an incident here is done at its alerts' sender too: acknowledged and resolved there, silenced meanwhile.

What was done is a note in the store, written after it was done; what is done again because a process died in between changes
nothing (see `write_back_ends`). A silence also keeps Alertmanager from telling that its alert is over. So while one holds it is
asked, and what it does not have any more is resolved here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import Field

from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.context_store.leases import StoreLease
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.occurrences import Occurrences
from middlewatch.records import (
    AlertStatus,
    ApprovalRequest,
    Handling,
    Investigation,
    InvestigationState,
    Occurrence,
    UtcDatetime,
)
from middlewatch.records.errors import MiddlewatchError, UnknownInvestigation
from middlewatch.rounds import go_round
from middlewatch.senders import SenderEntry, Senders, WriteBack
from middlewatch.standing import recovered
from middlewatch.write_back_ends import Alertmanager, Attempted, End, PagerDuty

LOG = logging.getLogger(__name__)

NOTE: Final = "write-back:"
TEND_SECONDS: Final = 1.0
LEASE_SECONDS: Final = 60.0
"""Longer than most rounds of calls; where one lasts longer, what is done twice changes nothing."""
MOST: Final = 200
"""Occurrences that are looked at in one round: by turns the newest, as people acknowledge what is new, and the next ones of all.
Chosen: of 20,000 each is looked at within some minutes."""
MOST_TOLD: Final = 2000
"""The newest occurrences, of which it is told what fails: one exchange with the store."""
MOST_AT_ONCE: Final = 8
"""Occurrences that are written back in one round: the lease must last."""
GONE_LOOKS: Final = 2
"""An alert that Alertmanager does not have in so many looks in a row is over: one that just started has none for a moment."""


class Written(Attempted):
    """What was done at the sender for an occurrence."""

    acknowledged: bool = False
    resolved: bool = False
    silence: str = Field(default="", max_length=64, description="that holds for it")
    gone: int = Field(default=0, ge=0, description="looks in a row that did not find the alert")
    look_at: UtcDatetime | None = Field(default=None, description="when it is to be asked for again")


@dataclass(frozen=True, slots=True)
class Wanted:
    """How an occurrence stands with people."""

    acknowledged_by: str = ""
    over: bool = False
    """Its symptom was seen to be gone, or whoever has it stopped the investigation."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the application."""

    look: Callable[[str], Investigation]
    handlings: Callable[[Sequence[str]], Mapping[str, Handling]]
    requests: Callable[[], tuple[ApprovalRequest, ...]]


class WriteBacks:
    """Those of a tenant."""

    def __init__(self, notes: ApprovalStore, occurrences: Occurrences, senders: Senders, known: Asked, tenant: str) -> None:
        """Prefer `App.write_backs`."""
        self._notes = notes
        self._occurrences = occurrences
        self._senders = senders
        self._known = known
        self._tenant = tenant
        self._lease = StoreLease(occurrences.store.server, tenant, "write-backs")
        self._is_turn_of_all, self._start = True, 0

    def of(self, occurrences: Sequence[Occurrence]) -> dict[str, Written]:
        """What was done for each, by its id; nothing where nothing was tried."""
        kept = self._notes.notes(self._tenant, [f"{NOTE}{one.id}" for one in occurrences])
        return {one.id: record_from(Written, text) if text else Written() for one, text in zip(occurrences, kept, strict=True)}

    def failing(self) -> dict[str, Written]:
        """Of the newest occurrences those whose last attempt failed."""
        return {name: one for name, one in self.of(self._occurrences.list(limit=MOST_TOLD)).items() if one.problem}

    def tend_until(self, stop: threading.Event) -> None:
        """Write back what is due until told to stop."""
        go_round(stop, lambda: self.tend(stop.is_set), lambda: TEND_SECONDS, "nothing is written back")

    def tend(self, stopped: Callable[[], bool] = lambda: False) -> int:
        """Write back what is due; returns for how many something was tried."""
        settings = {name: entry for name, entry in self._senders.all().items() if entry.write_back is not None}
        if not settings or not self._lease.take(LEASE_SECONDS):
            return 0
        self._is_turn_of_all = not self._is_turn_of_all
        start = self._start if self._is_turn_of_all else 0
        rows = [row.occurrence for row in self._occurrences.store.list(start=start, limit=MOST).rows]
        tried, looked_at = self._looked_at(rows, settings, stopped)
        if self._is_turn_of_all:  # where the round ended the next one begins, however much is due before it
            self._start = start + looked_at if len(rows) == MOST or looked_at < len(rows) else 0
        return tried

    def _looked_at(
        self, rows: Sequence[Occurrence], settings: Mapping[str, SenderEntry], stopped: Callable[[], bool]
    ) -> tuple[int, int]:
        """Write back what is due of some; returns for how many something was tried, and how many were looked at."""
        ours = [one for one in rows if one.message.sender in settings and one.investigation]
        written, now = self.of(ours), self._occurrences.store.latest([])[0]
        open_ = [one for one in ours if not (written[one.id].resolved or _is_left_alone(one, written[one.id]))]
        wanted = self._wanted(open_)
        tried = 0
        for number, one in enumerate(rows, start=1):
            if one.id not in wanted:
                continue
            was, entry = written[one.id], settings[one.message.sender]
            if not _is_due(one, was, wanted[one.id], now, silences=entry.kind == "alertmanager"):
                continue
            assert entry.write_back is not None  # noqa: S101  the caller looked
            self._keep(one, was, self._done(entry.kind, entry.write_back, (one, was, wanted[one.id]), now))
            tried += 1
            if tried >= MOST_AT_ONCE or stopped():  # between two calls, which may take seconds each
                return tried, number
        return tried, len(rows)

    def _wanted(self, occurrences: Sequence[Occurrence]) -> dict[str, Wanted]:
        names = list(dict.fromkeys(one.investigation for one in occurrences if one.investigation))
        if not names:
            return {}
        handlings = self._known.handlings(names)
        mended = recovered(self._known.requests())
        by = {name: handlings[name].acknowledged_by or "" for name in names}
        over = {name: name in mended or (bool(by[name]) and self._is_stopped(name)) for name in names}
        return {one.id: Wanted(by[one.investigation], over[one.investigation]) for one in occurrences if one.investigation}

    def _is_stopped(self, investigation: str) -> bool:
        try:
            return self._known.look(investigation).state is InvestigationState.CANCELLED
        except UnknownInvestigation:
            return False

    def _done(self, kind: str, settings: WriteBack, about: tuple[Occurrence, Written, Wanted], now: datetime) -> Written:
        """One attempt; what failed is said, and tried again later."""
        one, was, _ = about
        try:
            end = End(settings, self._senders.token_of(settings))
            found = self._silenced(Alertmanager(end), about, now) if kind == "alertmanager" else _told(PagerDuty(end), about)
            return found.well()
        except MiddlewatchError as error:
            if not was.attempts:
                LOG.warning("%s is not written back to %s: %s", one.id, one.message.sender, error)
            return was.failed(error, now)

    def _silenced(self, end: Alertmanager, about: tuple[Occurrence, Written, Wanted], now: datetime) -> Written:
        one, was, wanted = about
        if one.resolved_at is not None or wanted.over:
            if silence := was.silence or (end.silenced(one) if was.attempts else ""):
                end.expire(silence)
            return was.model_copy(update={"silence": "", "resolved": True})
        labels = end.firing(one)
        look = now + timedelta(seconds=end.end.settings.look_seconds)
        if labels is None:
            gone = was.gone + 1
            if gone >= GONE_LOOKS:
                over = {"status": AlertStatus.RESOLVED, "ended_at": max(now, one.message.started_at)}
                self._occurrences.receive([one.message.model_copy(update=over)])
            return was.model_copy(update={"gone": gone, "look_at": look})
        silence = was.silence or end.silence(one, labels, wanted.acknowledged_by, now)
        return was.model_copy(update={"acknowledged": True, "silence": silence, "gone": 0, "look_at": look})

    def _keep(self, one: Occurrence, was: Written, new: Written) -> None:
        if new != was:
            before = text_of(was) if was != Written() else ""
            self._notes.set_note(self._tenant, f"{NOTE}{one.id}", text_of(new), before=before, events=[])


def _told(end: PagerDuty, about: tuple[Occurrence, Written, Wanted]) -> Written:
    one, was, wanted = about
    if one.resolved_at is not None:  # it said so itself
        return was.model_copy(update={"resolved": True})
    if wanted.over:
        end.set(one.message.reference, "resolved")
        return was.model_copy(update={"acknowledged": True, "resolved": True})
    if one.acknowledged_at is None:
        end.set(one.message.reference, "acknowledged")
    return was.model_copy(update={"acknowledged": True})


def _is_left_alone(one: Occurrence, was: Written) -> bool:
    """It was over before anything was done."""
    return one.resolved_at is not None and was == Written()


def _is_due(one: Occurrence, was: Written, wanted: Wanted, now: datetime, *, silences: bool) -> bool:
    if was.rests(now):
        return False
    if one.resolved_at is not None:
        return True
    if not was.acknowledged:
        return bool(wanted.acknowledged_by) or (wanted.over and not silences)
    return wanted.over or (silences and (was.look_at is None or now >= was.look_at))
