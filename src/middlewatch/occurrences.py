"""Occurrences of alerts: what senders say is kept first, and only then decided upon. Nothing is dropped.

`receive` writes; `Tending` (in `middlewatch.tending`) decides what is investigated, in the background.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from middlewatch.context_store.occurrences import MOST_AT_ONCE, Change, OccurrenceStore, Part, Row, alert_key
from middlewatch.context_store.redaction import redact_names, redact_record
from middlewatch.context_store.script import Server
from middlewatch.firing import bounded, is_undecided, told
from middlewatch.records import AlertMessage, Occurrence, UtcDatetime
from middlewatch.records.errors import BadInput, Conflict, UnknownAlert

AT_ONCE: Final = 200
"""Messages that are written in one step; a step holds the store up for a few milliseconds (chosen, not derived)."""
REPEAT_AFTER: Final = timedelta(hours=1)
"""An alert that still fires so long after its investigation was closed is investigated again when it is told of. Chosen, not
derived: more often than the four hours after which Alertmanager repeats what nobody mended, and not at each repetition of those
who do it every minute."""
_TURNS: Final = 100
"""How often others may be first before it is called a conflict: as many may tell of one alert at once. Chosen."""
_PAUSE_SECONDS: Final = 0.02
"""The longest pause before the next turn; it is drawn, so that those who met do not meet again. Chosen."""


class Occurrences:
    """The occurrences of a tenant. Every method may raise `StoreUnavailable`, `StoreFull` and `StaleEpoch`."""

    def __init__(self, server: Server, tenant: str) -> None:
        self.store = OccurrenceStore(server, tenant)
        self._tenant = tenant

    def receive(self, messages: Sequence[AlertMessage]) -> tuple[Occurrence, ...]:
        """Keep what senders say. It is durable when this returns; what is opened for it is decided afterwards.

        Returns:
            For each message the occurrence that it is about, after all of them.

        Raises:
            BadInput: a message is another tenant's.
            Conflict: others tell of the same alert without end.
        """
        if any(message.tenant != self._tenant for message in messages):
            raise BadInput("These alerts are another tenant's.", remedy="Send them to the middlewatch of that tenant.")
        whole = [_redacted(message) for message in messages]
        found: dict[str, Occurrence] = {}
        for part in _parts(whole):
            found |= self._receive(part)
        return tuple(found[_alert(message)] for message in whole)

    def list(self, *, start: int = 0, limit: int = 200) -> tuple[Occurrence, ...]:
        """The newest first, as they may be shown."""
        return self.page(start=start, limit=limit)[0]

    def page(self, *, start: int, limit: int) -> tuple[tuple[Occurrence, ...], int]:
        """The same, and how many there are."""
        found = self.store.list(start=start, limit=limit)
        return tuple(redact_names(row.occurrence) for row in found.rows), found.all

    def of(self, investigation: str) -> tuple[Occurrence, ...]:
        """Those that an investigation shows, the first first, as they may be shown."""
        return tuple(map(redact_names, self.of_all([investigation])[investigation]))

    def of_all(self, investigations: Sequence[str]) -> dict[str, tuple[Occurrence, ...]]:
        """Those of several, read in pieces of a bounded size, as they are kept: with the names that they are known by."""
        found: dict[str, Part] = {}
        for part in _pieces(investigations, self.counts(investigations) if len(investigations) > 1 else {}):
            found |= self.store.of_all(part)
        return {name: in_order(found[name].rows) for name in investigations}

    def counts(self, investigations: Sequence[str]) -> dict[str, int]:
        """How many each of some investigations shows."""
        return dict(zip(investigations, self.store.counts(investigations), strict=True))

    def occurrence(self, name: str) -> Occurrence:
        """One by its id, as it may be shown.

        Raises:
            UnknownAlert: there is none.
        """
        return redact_names(self.row(name).occurrence)

    def row(self, name: str) -> Row:
        """One by its id, to be changed.

        Raises:
            UnknownAlert: there is none.
        """
        (found,) = self.store.read([name])
        if found is None:
            raise UnknownAlert(f"There is no alert {name!r}.", remedy="List them with: middlewatch alerts list")
        return found

    def _receive(self, messages: Sequence[AlertMessage]) -> dict[str, Occurrence]:
        left: dict[str, list[AlertMessage]] = {}
        for message in messages:
            left.setdefault(_alert(message), []).append(message)
        found: dict[str, Occurrence] = {}
        for _ in range(_TURNS):
            now, rows = self.store.latest(list(left))
            changes: list[Change] = []
            for alert, row in zip(left, rows, strict=True):
                found[alert], change = _after(row, left[alert], now)
                changes.append(change)
            done = self.store.write(changes).done
            left = {alert: left[alert] for alert, written in zip(list(left), done, strict=True) if not written}
            if not left:
                return found
            time.sleep(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311  no secret
        raise Conflict("Too many tell of the same alert at once.", remedy="Send it again.")


def _after(row: Row | None, messages: Iterable[AlertMessage], now: UtcDatetime) -> tuple[Occurrence, Change]:
    was = row.occurrence if row else None
    one = was
    for message in messages:
        one = told(one, message, now)
    assert one is not None  # noqa: S101  there is a message at least
    same = row is not None and was is not None and one.id == was.id
    after = "" if same or was is None else was.id
    return one, Change(one, row.token if same and row else "", _due(one, row if same else None, now), after=after)


def _due(one: Occurrence, row: Row | None, now: UtcDatetime) -> UtcDatetime | None:
    """When it has to be looked at: at once where something is to be decided; where it was due before, since then."""
    waiting = row.due if row is not None else None
    if is_undecided(one):
        return min(waiting, now) if waiting else now
    if one.resolved_at is not None:
        return None
    if one.held:  # it may be of a service by now, or the window over
        return now
    return now if now - one.first_at >= REPEAT_AFTER else waiting


def in_order(rows: Iterable[Row]) -> tuple[Occurrence, ...]:
    """The first first."""
    return tuple(sorted((row.occurrence for row in rows), key=lambda one: (one.first_at, one.id)))


def _pieces(investigations: Sequence[str], counts: Mapping[str, int]) -> Iterable[Sequence[str]]:
    """So many at once that what they show is read in one exchange; one that shows more is read alone."""
    piece, size = list[str](), 0
    for name in investigations:
        count = counts.get(name, 0)
        if piece and size + count > MOST_AT_ONCE:
            yield piece
            piece, size = [], 0
        piece.append(name)
        size += count
    if piece:
        yield piece


def _parts(messages: Sequence[AlertMessage]) -> Iterable[Sequence[AlertMessage]]:
    """Part by part, in order."""
    return (messages[start : start + AT_ONCE] for start in range(0, len(messages), AT_ONCE))


def _redacted(message: AlertMessage) -> AlertMessage:
    """As it is kept: without secrets, and bounded."""
    return bounded(redact_record(message))


def _alert(message: AlertMessage) -> str:
    return alert_key(message.sender, message.fingerprint)
