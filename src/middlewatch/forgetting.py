"""What is forgotten of alerts, so that no sender fills the store: what was not told of for long, and the oldest of too many.

All are looked at, in parts and the oldest first, so that what stays is in nobody's way. What was noted of an occurrence goes before
it does: a process may die in between, and what is written back twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.context_store.occurrences import MOST_AT_ONCE, OccurrenceStore, Row
from middlewatch.records import Occurrence, UtcDatetime
from middlewatch.write_back import NOTE

KEPT: Final = timedelta(days=30)
"""How long an alert is kept after it was told of last, whether or not it was said to be over: there are senders that never say so.
Chosen: a month's nights."""
MOST_KEPT: Final = 20_000
"""Alerts that are kept: some 20 MB. Of more the oldest go. Chosen."""
SILENT: Final = timedelta(days=1)
"""What fires goes with those only where it was not told of for so long. Chosen: most senders repeat within four hours, and what
fires tonight is not to be lost, however much it is."""


class Forgetting:
    """Forgets alerts of a tenant. Any number may do so at once."""

    def __init__(self, store: OccurrenceStore, tenant: str) -> None:
        self._store = store
        self._notes = ApprovalStore(store.server)
        self._tenant = tenant

    def forget(self) -> int:
        """Forget what was not told of for long, and what is too much; returns how many."""
        now = self._store.latest([])[0]
        over = self._go_over(now, lambda one: one.resolved_at is not None)
        return over + self._go_over(now, lambda one: now - one.last_at > SILENT)

    def _go_over(self, now: UtcDatetime, may_go: Callable[[Occurrence], bool]) -> int:
        """Forget what was not told of for long, and of too many the oldest of those that may go."""
        count, gone = self._store.list(limit=1).all, 0
        for rows in self._parts(count):
            too_many, chosen = count - gone - MOST_KEPT, list[Row]()
            for row in rows:
                one = row.occurrence
                if now - one.last_at > KEPT or (len(chosen) < too_many and may_go(one)):
                    chosen.append(row)
            gone += self._remove(chosen)
            if count - gone <= MOST_KEPT and now - rows[-1].occurrence.first_at <= KEPT:
                break  # all others are newer
        return gone

    def _parts(self, count: int) -> Iterator[Sequence[Row]]:
        """All of them, the oldest first; where alerts come meanwhile, a few are looked at only the next time."""
        for end in range(count, 0, -MOST_AT_ONCE):
            start = max(0, end - MOST_AT_ONCE)
            if rows := self._store.list(start=start, limit=end - start).rows[::-1]:
                yield rows

    def _remove(self, rows: Sequence[Row]) -> int:
        names = [f"{NOTE}{row.occurrence.id}" for row in rows]
        for name, text in zip(names, self._notes.notes(self._tenant, names), strict=True):
            if text:
                self._notes.set_note(self._tenant, name, "", before=text, events=[])
        return self._store.forget(rows)
