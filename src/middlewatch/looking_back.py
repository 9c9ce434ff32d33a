"""The numbers of the user's own nights, from what is kept of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from middlewatch.app import App
from middlewatch.nights import WEEK, Nights, night, summed
from middlewatch.records import ApprovalRequest, Occurrence, UtcDatetime
from middlewatch.standing import by_investigation

MOST: Final = 5000
"""Investigations and alerts that are looked through, the newest. Chosen: a hundred a week for a year; where there are
more in the weeks that are asked for, it is said."""
AT_ONCE: Final = 200
"""Read in one step, which holds the store up for a few milliseconds. Chosen."""


def look_back(app: App, weeks: int) -> Nights:
    """The last so many weeks, up to now by the store's clock."""
    end = app.approvals.now()
    start = end - weeks * WEEK
    kept = app.investigations(limit=MOST)
    found = [row for row in kept if row.opened_at is not None and start <= row.opened_at < end]
    own = [row for row in found if not row.scope.recording]
    requests = by_investigation(_requests(app, start))
    handlings = app.handlings.of_all([row.id for row in own])
    alerts = _alerts(app, {row.id for row in own}, start)
    nights = [night(row, handlings[row.id], requests.get(row.id, ()), alerts.get(row.id, ())) for row in own]
    cut = len(kept) == MOST and len(found) == MOST
    return summed(nights, end=end, weeks=weeks, recorded=len(found) - len(own), cut=cut)


def _requests(app: App, start: UtcDatetime) -> Iterator[ApprovalRequest]:
    """Those that were made since then: what an investigation leads to is younger than itself."""
    after: tuple[int, str] | None = None
    while True:
        part = app.approvals.desk.store.page(app.settings.tenant, after=after, limit=AT_ONCE)
        yield from (kept.request for kept in part.rows)
        after = part.last
        if after is None or after[0] < start.timestamp() * 1000:
            return


def _alerts(app: App, wanted: set[str], start: UtcDatetime) -> dict[str, list[Occurrence]]:
    """The alerts of each investigation; those that were first heard of long before the weeks belong to none of theirs."""
    found: defaultdict[str, list[Occurrence]] = defaultdict(list)
    for first in range(0, MOST if wanted else 0, AT_ONCE):
        part = app.occurrences.list(start=first, limit=AT_ONCE)
        for one in part:
            for name in {one.investigation, *one.also} & wanted:
                found[str(name)].append(one)
        if len(part) < AT_ONCE or part[-1].first_at < start - WEEK:
            break
    return dict(found)
