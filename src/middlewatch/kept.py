"""What is kept of investigations: in the store while they run and for a while after, and then in the archive."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache

from middlewatch.agents.model_work import by_rules
from middlewatch.context_store.archive import Archive
from middlewatch.context_store.store import ContextStore
from middlewatch.records import Event, Evidence, Investigation, InvestigationState, Outcome, Snapshot, Tenant
from middlewatch.records.errors import BadInput, UnknownInvestigation

EVENTS_KEPT = 8
"""Archived investigations whose events are at hand: a reader asks again several times a second, and they do not change."""
NEVER = datetime.min.replace(tzinfo=UTC)


class Kept:
    """The investigations of a tenant, wherever they are."""

    def __init__(self, tenant: Tenant, store: ContextStore, archive: Archive) -> None:
        self.tenant = tenant
        self.store = store
        self.archive = archive
        self._archived_events = lru_cache(maxsize=EVENTS_KEPT)(lambda investigation: self._out_of_archive(investigation)[1])

    def investigations(self, *, limit: int) -> tuple[Investigation, ...]:
        """Newest first; archived ones where those in the store are fewer than `limit`."""
        found = {row.id: row for row in self.store.investigations(self.tenant, limit=limit)}
        if len(found) < limit:
            found = {row.id: row for row in self.archive.heads(self.tenant, limit=limit)} | found
        return tuple(sorted(found.values(), key=lambda row: row.opened_at or NEVER, reverse=True)[:limit])

    def investigation(self, investigation: str) -> Investigation:
        """One investigation as it stands.

        Raises:
            UnknownInvestigation: there is none.
        """
        try:
            return self.store.investigation(self.tenant, investigation)
        except UnknownInvestigation:
            return self.archived(investigation).investigation

    def cancel(self, investigation: str) -> Investigation:
        """Stop it; nothing more is recorded for it. Who may, and that they did, is for `Handlings.cancel`.

        Raises:
            BadInput: it is closed already.
            UnknownInvestigation: there is none.
        """
        try:
            found = self.store.cancel(self.tenant, investigation)
        except UnknownInvestigation:
            found = self.archived(investigation).investigation
        if found.state is InvestigationState.CLOSED:
            remedy = f"Read its report: middlewatch show {investigation}"
            raise BadInput(f"The investigation {investigation!r} is closed already: there is nothing to cancel.", remedy=remedy)
        return found

    def snapshot(self, investigation: str) -> Snapshot:
        """Everything of one.

        Raises:
            UnknownInvestigation: there is none.
        """
        try:
            return self.store.snapshot(self.tenant, investigation)
        except UnknownInvestigation:
            return self.archived(investigation)

    def of(self, tenant: str, investigation: str) -> Snapshot:
        """The same of any tenant; executed actions are looked after for all of them."""
        try:
            return self.store.snapshot(tenant, investigation)
        except UnknownInvestigation:
            return self.archive.get(tenant, investigation)[0]

    def archived(self, investigation: str) -> Snapshot:
        """One that left the store.

        Raises:
            UnknownInvestigation: there is none.
        """
        return self._out_of_archive(investigation)[0]

    def events(self, investigation: str, after: str, wait_seconds: float) -> tuple[Event, ...]:
        """Events after one; where there are none it waits for them, but not in the archive, where there will be none."""
        try:
            return self.store.events(self.tenant, investigation, after=after, block_seconds=wait_seconds)
        except UnknownInvestigation:
            events = self._archived_events(investigation)
        found = tuple(event for event in events if _place(event.id) > _place(after))
        if not found:
            time.sleep(wait_seconds)
        return found

    def evidence(self, tenant: str, investigation: str) -> tuple[Evidence, ...]:
        """The facts of an investigation that rules found; none where there is none of it.

        What models' tool calls found is true, but a model chose where to look: nothing may be done on the strength of that.
        """
        try:
            return by_rules(self.of(tenant, investigation)).evidence
        except UnknownInvestigation:
            return ()

    def confidence(self, tenant: str, investigation: str, target: str) -> float:
        """Of the finding that blames a service, as far as rules bear it out; 0 where none does."""
        try:
            report = self.of(tenant, investigation).report
        except UnknownInvestigation:
            return 0.0
        found = report.causes if report is not None and report.outcome is Outcome.FINDING else ()
        return max((cause.enough_to_act for cause in found if cause.service == target), default=0.0)

    def _out_of_archive(self, investigation: str) -> tuple[Snapshot, tuple[Event, ...]]:
        try:
            return self.archive.get(self.tenant, investigation)
        except UnknownInvestigation:
            raise UnknownInvestigation(
                f"There is no investigation {investigation!r}.", remedy="List them with: middlewatch list"
            ) from None


def _place(event: str) -> tuple[int, ...]:
    """Ids of events in the order in which they happened."""
    return tuple(int(part) for part in event.split("-")) if event else ()
