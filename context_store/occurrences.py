"""Occurrences of alerts in Redis: each is written as a whole, by whoever saw how it stood before.

The token of an occurrence names the call that wrote it last. A write gives the token that it was made from; where another call
wrote meanwhile nothing changes, and the caller looks again. A call whose answer was lost is sent again and finds its own token:
it counts once. What has to be looked at later is a time in one sorted set, so that no timer lives in a process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from middlewatch.context_store import scripts
from middlewatch.context_store.keys import IndexKeys, occurrence_keys
from middlewatch.context_store.script import Server
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.records import Alert, Occurrence, Record, UtcDatetime, digest_of

MOST_AT_ONCE = 2000
"""Occurrences in one exchange: some megabytes (chosen, not derived)."""


class Plan(Record):
    """What an investigation is to be opened with."""

    alert: Alert
    name: str
    """Of the request for it: opened twice under one name, it is one investigation."""


@dataclass(frozen=True, slots=True)
class Row:
    """An occurrence as the store has it."""

    occurrence: Occurrence
    token: str
    due: UtcDatetime | None
    """From when somebody must look at it."""


@dataclass(frozen=True, slots=True)
class Change:
    """An occurrence as it is to be."""

    occurrence: Occurrence
    token: str = ""
    """Of the row that it was made from; empty where it is new."""
    due: UtcDatetime | None = None
    after: str = field(default="", kw_only=True)
    """The alert's occurrence before it, where it is new and there is one."""

    def row(self) -> list[object]:
        one = self.occurrence
        alert = "" if self.token else alert_key(one.message.sender, one.message.fingerprint)
        due = -1 if self.due is None else milliseconds(self.due)
        return [one.id, text_of(one), self.token, alert, self.after, milliseconds(one.first_at), due, list(shown_in(one))]


@dataclass(frozen=True, slots=True)
class DueRows:
    """What there is to do."""

    now: UtcDatetime
    rows: tuple[Row, ...]
    plans: dict[str, Plan]
    """Investigations that are not known to be open yet."""
    decided: int
    """How many decisions were made so far; names the view that the next one is made from."""


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a write."""

    done: tuple[bool, ...]
    """For each change whether it stands; where it does not, somebody else wrote meanwhile."""
    decided: int
    """As in `DueRows`, after it."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a list."""

    rows: tuple[Row, ...]
    all: int
    """How many there are."""


class OccurrenceStore:
    """The occurrences of a tenant. Every method may raise `StoreUnavailable`, `StoreFull` and `StaleEpoch`."""

    def __init__(self, server: Server, tenant: str) -> None:
        self._server = server
        self._tenant = tenant
        self._keys = occurrence_keys(tenant)

    @property
    def server(self) -> Server:
        """Where they are."""
        return self._server

    def latest(self, alerts: Sequence[str]) -> tuple[UtcDatetime, tuple[Row | None, ...]]:
        """Now, by the store's clock, and the latest occurrence of each alert; alerts are named by `alert_key`."""
        _, now, rows = scripts.look_alerts(self._server, self._keys, alerts=list(alerts))
        return _time(now), tuple(_row(row) if row else None for row in rows)

    def write(
        self, changes: Sequence[Change], *, seen: int | None = None, investigation: str = "", plan: Plan | None = None
    ) -> Written:
        """Write each that still is as its change saw it.

        Args:
            changes: what is to be.
            seen: of a decision, `decided` of the view that it was made from; nothing is written where another one was made since.
            investigation: that is to be opened where any of them is written.
            plan: with what.
        """
        if any(not change.token for change in changes):
            scripts.enrol(self._server, IndexKeys(), tenant=self._tenant)
        reply = scripts.write_occurrences(
            self._server,
            self._keys,
            call=uuid4().hex,
            changes=[change.row() for change in changes],
            view=-1 if seen is None else seen,
            investigation=investigation,
            plan=text_of(plan) if plan else "",
        )
        return Written(tuple(bool(done) for done in reply[1]), int(reply[2]))

    def due(self) -> DueRows:
        """What somebody must look at by now."""
        _, now, rows, plans, decided = scripts.due_occurrences(self._server, self._keys, limit=MOST_AT_ONCE)
        found = {name: record_from(Plan, text) for name, text in zip(plans[::2], plans[1::2], strict=True)}
        return DueRows(_time(now), tuple(map(_row, rows)), found, int(decided))

    def end_plan(self, investigation: str) -> None:
        """It is open."""
        scripts.end_plan(self._server, self._keys, investigation=investigation)

    def read(self, ids: Sequence[str]) -> tuple[Row | None, ...]:
        """Some by their ids; None for those that there are not."""
        rows = scripts.read_occurrences(self._server, self._keys, ids=list(ids))[2]
        return tuple(_row(row) if row else None for row in rows)

    def list(self, *, start: int = 0, limit: int = MOST_AT_ONCE) -> Part:
        """The newest first."""
        _, _, rows, count = scripts.list_occurrences(self._server, self._keys, start=start, limit=limit)
        return Part(tuple(map(_row, rows)), int(count))

    def of(self, investigation: str, *, limit: int = MOST_AT_ONCE) -> Part:
        """Those that an investigation shows."""
        return self.of_all([investigation], limit=limit)[investigation]

    def of_all(self, investigations: Sequence[str], *, limit: int = MOST_AT_ONCE) -> dict[str, Part]:
        """The same of each of several, so many of each, in one piece."""
        _, _, parts = scripts.linked_occurrences(self._server, self._keys, investigations=list(investigations), limit=limit)
        each = zip(investigations, parts[::2], parts[1::2], strict=True)
        return {name: Part(tuple(map(_row, rows)), int(count)) for name, rows, count in each}

    def counts(self, investigations: Sequence[str]) -> tuple[int, ...]:
        """How many each of them shows."""
        return tuple(scripts.count_occurrences(self._server, self._keys, investigations=list(investigations))[1])

    def forget(self, rows: Sequence[Row]) -> int:
        """Remove those that nobody changed meanwhile; returns how many."""
        gone = [
            [row.occurrence.id, row.token, alert_key(message.sender, message.fingerprint), list(shown_in(row.occurrence))]
            for row in rows
            for message in [row.occurrence.message]
        ]
        return int(scripts.forget_occurrences(self._server, self._keys, rows=gone)[1]) if gone else 0


def alert_key(sender: str, fingerprint: str) -> str:
    """Names an alert of a sender."""
    return digest_of(sender, fingerprint)


def shown_in(occurrence: Occurrence) -> tuple[str, ...]:
    """Every investigation that shows it, its own first."""
    return (*((occurrence.investigation,) if occurrence.investigation else ()), *occurrence.also)


def milliseconds(at: datetime) -> int:
    """As Redis has times."""
    return round(at.timestamp() * 1000)


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, tz=UTC)


def _row(row: Sequence[str | None]) -> Row:
    _, record, token, due = row
    return Row(record_from(Occurrence, record), token or "", None if due is None else _time(int(float(due))))
