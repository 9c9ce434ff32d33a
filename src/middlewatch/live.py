"""What happens in an investigation, as it happens, in one stream: the work on it, its approvals, and what people do with it.

A reader that was cut off goes on after the cursor of the last update it has, in any process: none is lost, none comes twice.
"""

from __future__ import annotations

import heapq
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from pydantic import Field, JsonValue

from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.context_store.audit import AuditStore, Logged
from middlewatch.context_store.directory import moment
from middlewatch.records import REQUEST_PREFIX, Event, Record, UtcDatetime
from middlewatch.records.errors import BadInput, UnknownRequest

AUDIT_SECONDS = 0.25
"""How soon an approval is seen after the store has it."""
REQUESTS_KNOWN = 10_000
"""Requests of which it is remembered what they are about: some 2 MB. Chosen, not derived."""
_CURSOR = re.compile(r"(\d{1,15}-\d{1,10})?\.(\d{1,12})", re.ASCII)
_ABOUT_ALL = frozenset({"halt.set", "halt.lifted"})

Events = Callable[[str, str, float], tuple[Event, ...]]
"""(investigation, after which event, seconds to wait for one) -> what came after it, oldest first."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the stream: after an event of the investigation, and before an event of the audit log."""

    event: str = ""
    seq: int = 0

    def __str__(self) -> str:
        """As readers keep it."""
        return f"{self.event}.{self.seq}"

    def covers(self, other: Cursor) -> bool:
        """Whether whatever is before the other place is before this one too."""
        return order_of(self.event) >= order_of(other.event) and self.seq >= other.seq

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """What a reader kept.

        Raises:
            BadInput: it is none.
        """
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise BadInput(f"{text!r} is not a place in the stream.", remedy="Give the id of an update that was read before.")
        return cls(found[1] or "", int(found[2]))


class Update(Record):
    """One thing that happened."""

    cursor: str
    at: UtcDatetime
    kind: str
    actor: str = ""
    obj: str = ""
    data: dict[str, JsonValue] = Field(default_factory=dict)


class Live:
    """The streams of a tenant's investigations."""

    def __init__(self, tenant: str, events: Events, audit: AuditStore, approvals: ApprovalStore) -> None:
        self._tenant = tenant
        self._events = events
        self._audit = audit
        self._asked = lru_cache(maxsize=REQUESTS_KNOWN)(lambda id_: approvals.look(tenant, id_).request.remediation.investigation)

    def end(self, investigation: str, known: Cursor = Cursor()) -> Cursor:
        """Where the stream stands now. What is read of the investigation after this call is at least as new.

        Args:
            investigation: whose stream.
            known: where it stood before; so much less has to be read.

        Raises:
            UnknownInvestigation: there is none.
        """
        seq = self.log_size()
        after = known.event
        while found := self._events(investigation, after, 0.0):
            after = found[-1].id
        return Cursor(after, seq)

    def log_size(self) -> int:
        """Events that the audit log has: it grows with whatever people and approvals do."""
        return self._audit.sealed(self._tenant).log_size

    def start(self, opened_at: datetime) -> Cursor:
        """Where the stream of an investigation begins that was opened then: nothing is logged about it before."""
        opened_ms = int(opened_at.timestamp() * 1000)
        size = self.log_size()
        return Cursor("", bisect_left(range(size), opened_ms, key=self._logged_ms))

    def _logged_ms(self, seq: int) -> int:
        return next(self._audit.read(self._tenant, seq, at_once=1)).time_ms

    def since(self, investigation: str, cursor: Cursor, *, wait_seconds: float = 0.0) -> tuple[tuple[Update, ...], Cursor]:
        """What happened after a place.

        Args:
            investigation: whose stream.
            cursor: the place. One that the log has not reached yet stands for its end.
            wait_seconds: how long to wait where nothing did.

        Returns:
            The updates, oldest first as far as their clocks tell, and the place after them.

        Raises:
            UnknownInvestigation: there is none.
        """
        deadline = time.monotonic() + wait_seconds
        pause = 0.0
        cursor = Cursor(cursor.event, min(cursor.seq, self.log_size()))
        while True:
            happened = self._events(investigation, cursor.event, pause)
            logged, cursor = self._logged(investigation, cursor)
            if happened or logged:
                return _merged(happened, logged, cursor)
            left = deadline - time.monotonic()
            if left <= 0:
                return (), cursor
            pause = min(AUDIT_SECONDS, left)

    def _logged(self, investigation: str, cursor: Cursor) -> tuple[list[Logged], Cursor]:
        found, seq = [], cursor.seq
        for row in self._audit.read(self._tenant, cursor.seq):
            seq = row.seq + 1
            if row.event.event in _ABOUT_ALL or self._investigation_of(row.event.obj) == investigation:
                found.append(row)
        return found, Cursor(cursor.event, cursor.seq if found else seq)

    def _investigation_of(self, obj: str) -> str:
        """The investigation that a request is of; anything else stands for itself."""
        if not obj.startswith(REQUEST_PREFIX):
            return obj
        try:
            return self._asked(obj)
        except UnknownRequest:
            return ""


def order_of(event: str) -> tuple[int, int]:
    """An event's id as it is ordered; that of none is before all."""
    milliseconds, _, count = event.partition("-")
    return int(milliseconds or -1), int(count or 0)


def _merged(happened: tuple[Event, ...], logged: list[Logged], cursor: Cursor) -> tuple[tuple[Update, ...], Cursor]:
    """Both in the order of their times, each with the place after it; the order within each is kept."""
    rows: Iterable[Event | Logged] = heapq.merge(happened, logged, key=_time_ms)
    updates = []
    for row in rows:
        if isinstance(row, Event):
            cursor = Cursor(row.id, cursor.seq)
            updates.append(Update(cursor=str(cursor), at=row.at, kind=row.kind, data=row.data))
        else:
            cursor = Cursor(cursor.event, row.seq + 1)
            event, at = row.event, moment(str(row.time_ms))
            assert at is not None  # noqa: S101  there was a number
            updates.append(Update(cursor=str(cursor), at=at, kind=event.event, actor=event.actor, obj=event.obj, data=event.data))
    return tuple(updates), cursor


def _time_ms(row: Event | Logged) -> int:
    return int(row.id.partition("-")[0]) if isinstance(row, Event) else row.time_ms
