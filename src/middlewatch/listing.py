"""Investigations and approval requests a page at a time, newest first. What is new meanwhile moves no page."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from middlewatch.context_store.approvals import ApprovalStore, waits
from middlewatch.records import ApprovalRequest, Investigation, InvestigationState, UtcDatetime
from middlewatch.records.errors import BadInput

_PLACE = re.compile(r"(\d{1,15})\.([A-Za-z0-9][A-Za-z0-9._:-]{0,127})")
_MORE = 4
"""How many times as much is looked at where a page is not full; a filter that lets little through costs few rounds."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Of a row in a list that is ordered by time and id, the newest first."""

    time_ms: int
    id: str

    def __str__(self) -> str:
        return f"{self.time_ms}.{self.id}"

    @classmethod
    def of(cls, at: datetime | None, identifier: str) -> Place:
        return cls(0 if at is None else round(at.timestamp() * 1000), identifier)

    @classmethod
    def parse(cls, text: str) -> Place:
        """What a reader was given.

        Raises:
            BadInput: it is none.
        """
        found = _PLACE.fullmatch(text)
        if found is None:
            raise BadInput(f"{text!r} is not a place in the list.", remedy="Give the `next` of the page before.")
        return cls(int(found[1]), found[2])


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which investigations. What is left out does not matter."""

    state: InvestigationState | None = None
    service: str | None = None
    """That alarmed, or that the answer names."""
    since: UtcDatetime | None = None
    """Opened then or later."""

    def __call__(self, row: Investigation) -> bool:
        symptom, headline = row.alert.symptom, row.headline
        named = {symptom.service if symptom else None, headline.service if headline else None}
        return (
            (self.state is None or row.state is self.state)
            and (self.service is None or self.service in named)
            and (self.since is None or (row.opened_at or datetime.min.replace(tzinfo=UTC)) >= self.since)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Some of them."""

    rows: tuple[Investigation, ...]
    next: Place | None
    """Where the next page begins; None where there is none."""


@dataclass(frozen=True, slots=True)
class RequestPage:
    """Some approval requests."""

    rows: tuple[ApprovalRequest, ...]
    next: Place | None
    """As of a page of investigations."""


def requests(
    store: ApprovalStore, tenant: str, *, waiting: bool, investigation: str | None, after: Place | None, limit: int
) -> RequestPage:
    """Approval requests after a place; no more of them are read than the page needs, or than the investigation has."""
    if investigation is not None:
        return _of_one(store, tenant, investigation, waiting=waiting, after=after, limit=limit)
    place, found = (after.time_ms, after.id) if after else None, list[ApprovalRequest]()
    while True:
        part = store.page(tenant, waiting=waiting, after=place, limit=limit - len(found))
        found += [kept.request for kept in part.rows]
        place = part.last
        if place is None or len(found) == limit:
            return RequestPage(tuple(found), Place(*place) if place else None)


def _of_one(
    store: ApprovalStore, tenant: str, investigation: str, *, waiting: bool, after: Place | None, limit: int
) -> RequestPage:
    rows = [kept.request for kept in store.of(tenant, investigation) if not waiting or waits(kept.request)]
    placed = sorted(((Place.of(one.created_at, one.id), one) for one in rows), key=lambda row: row[0], reverse=True)
    left = [row for row in placed if after is None or row[0] < after]
    return RequestPage(tuple(one for _, one in left[:limit]), left[limit - 1][0] if len(left) > limit else None)


def page(newest: Callable[[int], Sequence[Investigation]], wanted: Wanted, *, after: Place | None, limit: int) -> Page:
    """Those that are wanted, after a place.

    Args:
        newest: so many investigations, the newest first.
        wanted: which.
        after: the place of the last one of the page before; None for the first page.
        limit: at most so many.
    """
    ask = limit + 2  # one to see that there is more, one for the moment that may not be whole
    while True:
        rows = sorted(newest(ask), key=_place, reverse=True)
        whole = len(rows) < ask or (wanted.since is not None and not Wanted(since=wanted.since)(rows[-1]))
        if not whole:  # others of the same moment as the last may be missing
            rows = [row for row in rows if _place(row).time_ms > _place(rows[-1]).time_ms]
        found = [row for row in rows if (after is None or _place(row) < after) and wanted(row)]
        if whole or len(found) > limit:
            more = len(found) > limit
            return Page(tuple(found[:limit]), _place(found[limit - 1]) if more else None)
        ask *= _MORE


def _place(row: Investigation) -> Place:
    return Place.of(row.opened_at, row.id)
