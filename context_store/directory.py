"""Which investigations there are: opening them once per alert, listing them, and forgetting the archived ones.

An opening crosses two slots. The alert is reserved in the tenant's slot first, together with all that is needed to open the
investigation; then the investigation is created in its own slot. Whoever finds a reservation without its investigation (the
next opener of the same alert, or a sweep) finishes it, so a process that dies in between loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from middlewatch.context_store import scripts
from middlewatch.context_store.keys import IndexKeys, investigation_keys, tenant_keys
from middlewatch.context_store.queues import Queues
from middlewatch.context_store.script import AT_ONCE, Server
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.records import Headline, Investigation, InvestigationState, Task
from middlewatch.records.errors import BadInput, StoreUnavailable, UnknownInvestigation

GONE_SECONDS: Final = 24 * 3600.0
"""How long the mark of an archived investigation stays: longer than any process sleeps between two steps of an opening."""

_ALL: Final = 0  # as a limit
_TURNS: Final = 16  # how often a race for one alert may be lost before it is called a fault


@dataclass(frozen=True, slots=True)
class Listing:
    """A tenant's part of the directory."""

    recent: tuple[str, ...]
    """Newest first."""
    open: tuple[str, ...]
    """May be open; those that are not are dropped by the next sweep."""
    unfinished: tuple[str, ...]
    """Reserved, and not known to be created."""


@dataclass(frozen=True, slots=True)
class Opening:
    """All that is needed to open an investigation."""

    investigation: Investigation
    first: Task

    def dump(self) -> str:
        return json.dumps([text_of(self.investigation), text_of(self.first)])

    @classmethod
    def parse(cls, text: str) -> Opening:
        investigation, first = json.loads(text)
        return cls(record_from(Investigation, investigation), record_from(Task, first))


class Directory:
    """The investigations of every tenant."""

    def __init__(self, server: Server, queues: Queues) -> None:
        self._server = server
        self._queues = queues

    def joinable(self, investigation: Investigation) -> Investigation | None:
        """The open investigation of the same alert, if one can still come to a report."""
        holder, unfinished = self._holder(investigation)
        if holder is None:
            return None
        if unfinished is not None:
            self.finish_opening(Opening.parse(unfinished))
        return self._if_open(investigation, holder)

    def open(self, opening: Opening) -> tuple[Investigation, bool]:
        """Open an investigation, or join the open one of the same alert.

        Returns:
            The investigation, and whether it is the one that was given.
        """
        investigation = opening.investigation
        tenant, alert = investigation.tenant, investigation.alert.digest
        scripts.enrol(self._server, IndexKeys(), tenant=tenant)
        instead_of = ""
        for _ in range(_TURNS):
            reply = scripts.reserve(
                self._server,
                tenant_keys(tenant),
                alert=alert,
                investigation=investigation.id,
                payload=opening.dump(),
                instead_of=instead_of,
            )
            if reply[0] == "OK":
                created = self.finish_opening(opening)
                found = None if created is None else self.look(tenant, investigation.id)
                reserved_now = reply[1] == 1
                if found is None or (reserved_now and found.state is not InvestigationState.OPEN):
                    raise BadInput(f"The id {investigation.id!r} is used already.", remedy="Give the investigation a new id.")
                # Somebody who saw the reservation may have been faster to create it; it is still ours.
                return found, created or reserved_now
            joined = self.joinable(investigation)
            if joined is not None:
                return joined, False
            instead_of = self._holder(investigation)[0] or ""
        raise StoreUnavailable("Too many processes open the same alert at once.", remedy="Try again.")

    def finish_opening(self, opening: Opening) -> bool | None:
        """Create what was reserved.

        Returns:
            True when this call created it, False when it was there before, None when the id belongs to another investigation.
        """
        investigation, first = opening.investigation, opening.first
        tenant, alert = investigation.tenant, investigation.alert.digest
        reply = scripts.create(
            self._server,
            investigation_keys(tenant, investigation.id),
            investigation=text_of(investigation),
            alert=alert,
            first=[(first.id, text_of(first))],
            call=uuid4().hex,
        )
        scripts.opened(self._server, tenant_keys(tenant), investigation=investigation.id)
        match reply:
            case ["OK", ready]:
                self._queues.feed(tenant, investigation.id, ready)
                return True
            case ["EXISTS", other] if other == alert:
                return False
            case _:
                return None

    def look(self, tenant: str, identifier: str) -> Investigation:
        """The investigation as it stands.

        Raises:
            UnknownInvestigation: when Redis holds none of that id.
        """
        return as_it_stands(scripts.look(self._server, investigation_keys(tenant, identifier))[1])

    def look_each(self, tenant: str, identifiers: Sequence[str], *, at_once: int) -> Iterator[Investigation]:
        """Those of them that Redis holds, in the order in which they are given; so many are read at once as the caller goes on."""
        step = min(max(at_once, 1), AT_ONCE)
        for start in range(0, len(identifiers), step):
            keys = [investigation_keys(tenant, one) for one in identifiers[start : start + step]]
            for reply in scripts.look.over(self._server, keys):
                if reply is not None:  # reserved, not created yet; or archived meanwhile
                    yield as_it_stands(reply[1])

    def age(self, tenant: str, identifier: str) -> tuple[Investigation, float | None]:
        """The investigation, and for how many seconds of Redis' clock it has been over; None while it is open.

        Raises:
            UnknownInvestigation: when Redis holds none of that id.
        """
        _, head, now = scripts.look(self._server, investigation_keys(tenant, identifier))
        closed_at = head[3]
        return as_it_stands(head), None if closed_at is None else (now - int(closed_at)) / 1000

    def tenants(self) -> tuple[str, ...]:
        return tuple(sorted(scripts.tenants(self._server, IndexKeys())[1]))

    def listing(self, tenant: str, limit: int = _ALL) -> Listing:
        _, recent, still_open, opening = scripts.directory(self._server, tenant_keys(tenant), limit=limit)
        return Listing(tuple(recent), tuple(still_open), tuple(opening[1::2]))

    def each_open(self) -> Iterator[tuple[str, str]]:
        """(tenant, investigation) of everything that may be open, whoever's it is."""
        for tenant in self.tenants():
            for identifier in self.listing(tenant, limit=1).open:
                yield tenant, identifier

    def close(self, tenant: str, identifier: str) -> None:
        """Leave it out of what is swept and reaped."""
        scripts.closed(self._server, tenant_keys(tenant), investigation=identifier)

    def forget(self, tenant: str, identifier: str, alert: str) -> None:
        """Leave it out of the directory."""
        scripts.forget(self._server, tenant_keys(tenant), investigation=identifier, alert=alert)

    def _holder(self, investigation: Investigation) -> tuple[str | None, str | None]:
        reply = scripts.lookup(self._server, tenant_keys(investigation.tenant), alert=investigation.alert.digest)
        return reply[1], reply[2]

    def _if_open(self, wanted: Investigation, identifier: str) -> Investigation | None:
        try:
            head = scripts.look(self._server, investigation_keys(wanted.tenant, identifier))[1]
        except UnknownInvestigation:  # archived meanwhile
            return None
        found = as_it_stands(head)
        stalled = head[4] is not None
        same_alert = found.alert.digest == wanted.alert.digest
        return found if found.state is InvestigationState.OPEN and same_alert and not stalled else None


def as_it_stands(head: list[str | None]) -> Investigation:
    """An investigation from what the scripts answer of it."""
    text, state, opened_at, closed_at, _, headline = head
    return record_from(Investigation, text).model_copy(
        update={
            "state": InvestigationState(state or ""),
            "opened_at": moment(opened_at),
            "closed_at": moment(closed_at),
            "headline": record_from(Headline, headline) if headline else None,
        }
    )


def moment(milliseconds: str | None) -> datetime | None:
    """A time of Redis, as everybody else writes it."""
    return None if milliseconds is None else datetime.fromtimestamp(int(milliseconds) / 1000, tz=UTC)
