"""Approval requests in Redis: each change is one step, judged by the revision it was made from, with its audit events.

The revision is the fencing token of a request: it rises with every write, and a write from an older one is refused. What has to
be looked at later (a deadline, an escalation, a beginning, an execution whose executor may have died) is a time in one sorted set,
so that no timer lives in a process: whoever is there when the time comes takes it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic_core import to_json

from middlewatch.context_store import scripts
from middlewatch.context_store.audit import Private
from middlewatch.context_store.directory import moment
from middlewatch.context_store.keys import IndexKeys, approval_keys, checked_identifier
from middlewatch.context_store.script import Reply, Server
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.records import ApprovalRequest, AuditEvent, Halt, RequestState, UtcDatetime
from middlewatch.records.errors import Conflict, Halted, Refused, StoreUnavailable

_LOG = logging.getLogger(__name__)

_AT_ONCE = 500
"""Requests that are read in one exchange: a few megabytes (chosen, not derived)."""
_FOUND_AT_ONCE = 20
"""Requests that are sent of those that were searched for: whoever searches wants a few (chosen, not derived)."""
EXECUTED = (RequestState.SUCCEEDED, RequestState.FAILED, RequestState.UNKNOWN)
NEVER_DUE = None
"""Nobody has to look at the request any more."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A request as the store has it."""

    request: ApprovalRequest
    revision: int
    now: UtcDatetime
    """By the store's clock, when it was read."""
    halt: Halt | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """A new version of a request, and what it depends on beside the revision."""

    request: ApprovalRequest
    events: Sequence[AuditEvent]
    private: Sequence[Private] = ()
    due_in_seconds: float | None = NEVER_DUE
    """When somebody must look at it again."""
    not_before: datetime | None = None
    not_after: datetime | None = None
    """By the store's clock, checked in the step that writes; half-open."""
    unless_halted: bool = False


@dataclass(frozen=True, slots=True)
class RequestPage:
    """A part of a list."""

    rows: tuple[Kept, ...]
    last: tuple[int, str] | None
    """Time in milliseconds and id of the last one that was looked at; None where the list ends here."""


class ApprovalStore:
    """The approval requests of every tenant.

    Every method may raise `StoreUnavailable` and `StaleEpoch`, and those about one request `UnknownRequest`.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    @property
    def epoch(self) -> int:
        """At which this process talks to the store."""
        return self._server.epoch.number

    def propose(self, change: Update) -> tuple[Kept, bool]:
        """Write a request if there is none of its id.

        Returns:
            The request as the store has it; whether it was written now.
        """
        request = change.request
        scripts.enrol(self._server, IndexKeys(), tenant=request.tenant)
        reply = scripts.propose(
            self._server,
            approval_keys(request.tenant),
            request=request.id,
            record=text_of(request),
            state=request.state,
            due_in_ms=_milliseconds(change.due_in_seconds),
            waits=int(waits(request)),
            events=[text_of(event) for event in change.events],
            private=[item.pair for item in change.private],
        )
        return _kept(reply), reply[0] == "OK"

    def look(self, tenant: str, request: str) -> Kept:
        """A request as it stands."""
        reply = scripts.look_request(self._server, approval_keys(tenant), request=checked_identifier(request))
        return _kept(reply, halt=reply[3])

    def take(
        self, tenant: str, states: Sequence[RequestState], *, lease_seconds: float, overdue_seconds: float = 0.0
    ) -> Kept | None:
        """The first request in one of the states that somebody must look at, and that nobody took for `overdue_seconds`.

        For `lease_seconds` nobody else takes it then.

        The lease saves doubled work and guards nothing: what is written is judged by the revision. A request that another version
        wrote, and this one cannot read, is left to that version and holds nobody else's up.
        """
        passed: set[str] = set()
        while True:
            reply = scripts.take_due(
                self._server,
                approval_keys(tenant),
                in_states=[*states],
                overdue_ms=_milliseconds(overdue_seconds),
                lease_ms=_milliseconds(lease_seconds),
            )
            if reply[1] is None or reply[1][0] in passed:
                return None
            found = _readable(reply[1], reply[2], halt=reply[3])
            if found is not None:
                return found
            passed.add(reply[1][0])

    def wait(self, kept: Kept, *, seconds: float) -> Kept:
        """Look at it again after so long; it stays as it is. Where somebody changed it, nothing is to be done."""
        try:
            self.hold(kept, lease_seconds=seconds)
        except Conflict:
            return self.look(kept.request.tenant, kept.request.id)
        return kept

    def hold(self, kept: Kept, *, lease_seconds: float) -> Kept:
        """Keep what was taken for so long from now on.

        Returns:
            The request as it stands, with the halt that holds now.

        Raises:
            Conflict: somebody changed it.
        """
        reply = scripts.hold(
            self._server,
            approval_keys(kept.request.tenant),
            request=kept.request.id,
            revision=kept.revision,
            lease_ms=_milliseconds(lease_seconds),
        )
        return _kept(reply, halt=reply[3])

    def change(self, kept: Kept, change: Update) -> Kept:
        """Write a new version of a request with its audit events: all of it, or nothing.

        Raises:
            Conflict: it is not as it was when it was read; nothing was written.
            Refused: the time is not within the bounds of the change.
            Halted: the kill switch is set, and the change depends on that.
        """
        request = change.request
        record = text_of(request)
        try:
            reply = scripts.transition(
                self._server,
                approval_keys(request.tenant),
                request=request.id,
                revision=kept.revision,
                record=record,
                state=request.state,
                not_before_ms=_time_ms(change.not_before, or_else=0),
                not_after_ms=_time_ms(change.not_after, or_else=-1),
                unless_halted=int(change.unless_halted),
                due_in_ms=_milliseconds(change.due_in_seconds),
                waits=int(waits(request)),
                events=[text_of(event) for event in change.events],
                private=[item.pair for item in change.private],
            )
        except Conflict:
            written = self.look(request.tenant, request.id)
            if written.revision == kept.revision + 1 and text_of(written.request) == record:
                return written  # it was us: the answer was lost, and the call repeated
            raise
        match reply[0]:
            case "TIME":
                raise Refused("It is too late, or too early, for this now.", remedy="Look at the request again.")
            case "HALTED":
                raise Halted
        return _kept(reply)

    def list(self, tenant: str, *, limit: int = 1000) -> tuple[Kept, ...]:
        """A tenant's requests, newest first, without those that only another version can read."""
        return self.page(tenant, limit=limit).rows

    def waiting(self, tenant: str) -> tuple[Kept, ...]:
        """Those that wait for somebody or something, likewise, all of them."""
        found, after = list[Kept](), None
        while True:
            part = self.page(tenant, waiting=True, after=after, limit=_AT_ONCE)
            found += part.rows
            if (after := part.last) is None:
                return tuple(found)

    def page(self, tenant: str, *, waiting: bool = False, after: tuple[int, str] | None = None, limit: int) -> RequestPage:
        """A part of either list.

        Args:
            tenant: whose.
            waiting: only those that wait for somebody or something.
            after: the place of the last one of the part before.
            limit: at most so many.
        """
        after_ms, after_id = after or (-1, "")
        keys = approval_keys(tenant)
        reply = scripts.list_requests(
            self._server, keys, only_waiting=int(waiting), after_ms=after_ms, after_id=after_id, limit=limit + 1
        )
        _, found, now, halt = reply
        looked = found[:limit]  # one more tells whether the list goes on
        last = (looked[-1][3], looked[-1][0]) if len(found) > limit else None
        rows = _all_readable(looked, now, halt=halt)
        return RequestPage(tuple(kept for kept in rows if not waiting or waits(kept.request)), last)

    def executed(
        self, tenant: str, action: str, *, target: str = "", since: datetime | None = None, only: Sequence[RequestState] = EXECUTED
    ) -> Iterator[Kept]:
        """Those of an action that were executed, newest first, however old; they are read as they are taken.

        Args:
            tenant: whose.
            action: which.
            target: on what; empty for anything.
            since: those that were proposed then or later; None for all.
            only: as they ended.
        """
        texts = [checked_identifier(action), *([target] if target else [])]
        for kept in self._naming(tenant, texts, only, oldest_ms=_time_ms(since, or_else=0)):
            found = kept.request.remediation
            if found.action == action and target in {"", found.target}:
                yield kept

    def of(self, tenant: str, investigation: str) -> tuple[Kept, ...]:
        """Those of one investigation, newest first, all of them."""
        found = self._naming(tenant, [checked_identifier(investigation)])
        return tuple(kept for kept in found if kept.request.remediation.investigation == investigation)

    def _naming(
        self, tenant: str, texts: Sequence[str], states: Sequence[RequestState] = (), *, oldest_ms: int = 0
    ) -> Iterator[Kept]:
        """Those whose record has each text as a whole string of its JSON."""
        after: tuple[int, str] | None = (-1, "")
        while after is not None:
            _, rows, now, halt, after = scripts.find_requests(
                self._server,
                approval_keys(tenant),
                holding=[to_json(text).decode() for text in texts],
                in_states=[*states],
                oldest_ms=oldest_ms,
                after_ms=after[0],
                after_id=after[1],
                look_at=_AT_ONCE,
                limit=_FOUND_AT_ONCE,
            )
            for row in rows:
                if (found := _readable(row, now, halt=halt)) is not None:
                    yield found

    def halt(self, tenant: str, halt: Halt | None, events: Sequence[AuditEvent], private: Sequence[Private] = ()) -> Halt | None:
        """Set the kill switch, or lift it with None. Where it is so already nothing is written.

        Returns:
            The halt that holds now.
        """
        reply = scripts.set_halt(
            self._server,
            approval_keys(tenant),
            halt="" if halt is None else text_of(halt),
            events=[text_of(event) for event in events],
            private=[item.pair for item in private],
        )
        return None if halt is None or not reply[1] else record_from(Halt, reply[1])

    def halted(self, tenant: str) -> tuple[Halt | None, UtcDatetime]:
        """The halt, if there is one, and the store's time."""
        _, halt, now = scripts.read_halt(self._server, approval_keys(tenant))
        return (record_from(Halt, halt) if halt else None), _moment(now)

    def now(self, tenant: str) -> UtcDatetime:
        """By the store's clock."""
        return self.halted(tenant)[1]

    def note(self, tenant: str, name: str) -> str:
        """What is kept under a name beside the requests; empty where there is nothing."""
        return str(scripts.read_note(self._server, approval_keys(tenant), name=name)[1])

    def notes(self, tenant: str, names: Sequence[str]) -> tuple[str, ...]:
        """What is kept under each of the names."""
        if not names:
            return ()
        return tuple(text or "" for text in scripts.read_notes(self._server, approval_keys(tenant), names=[*names])[1])

    def set_note(
        self, tenant: str, name: str, record: str, *, before: str, events: Sequence[AuditEvent], private: Sequence[Private] = ()
    ) -> bool:
        """Keep something under a name, with its events, if it still is as it was; an empty record is forgotten.

        Returns:
            False where somebody else was first; nothing was written then.
        """
        scripts.enrol(self._server, IndexKeys(), tenant=tenant)
        reply = scripts.set_note(
            self._server,
            approval_keys(tenant),
            name=name,
            before=before,
            record=record,
            events=[text_of(event) for event in events],
            private=[item.pair for item in private],
        )
        return bool(reply[0] == "OK")

    def tenants(self) -> tuple[str, ...]:
        """Everybody who ever had an investigation or a request."""
        return tuple(sorted(scripts.tenants(self._server, IndexKeys())[1]))


def waits(request: ApprovalRequest) -> bool:
    """Whether it waits for somebody or something: it is not over, or nobody reviewed its broken glass."""
    return not request.state.terminal or request.awaits_review


def _all_readable(rows: Sequence[Reply], now: int, *, halt: str | None) -> tuple[Kept, ...]:
    found = (_readable(row, now, halt=halt) for row in rows)
    return tuple(kept for kept in found if kept is not None)


def _kept(reply: Reply, *, halt: str | None = None) -> Kept:
    (_, record, revision), now = reply[1], reply[2]
    return Kept(record_from(ApprovalRequest, record), revision, _moment(now), record_from(Halt, halt) if halt else None)


def _readable(row: Reply, now: int, *, halt: str | None) -> Kept | None:
    """A row among others; None, with a word in the log, where this version cannot read it."""
    try:
        request = record_from(ApprovalRequest, row[1])
    except StoreUnavailable as error:
        _LOG.warning("the request %s is passed over: %s", row[0], error)
        return None
    return Kept(request, row[2], _moment(now), record_from(Halt, halt) if halt else None)


def _moment(milliseconds: int) -> UtcDatetime:
    found = moment(str(milliseconds))
    assert found is not None  # noqa: S101  there was a number
    return found


def _milliseconds(seconds: float | None) -> int:
    return -1 if seconds is None else max(0, int(seconds * 1000))


def _time_ms(at: datetime | None, *, or_else: int) -> int:
    return or_else if at is None else int(at.timestamp() * 1000)
