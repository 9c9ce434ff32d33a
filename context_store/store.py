"""The context store: the one door to all durable state."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from itertools import islice

from redis import Redis

from middlewatch.context_store import scripts
from middlewatch.context_store.archive import Archive
from middlewatch.context_store.claims import Claims, status
from middlewatch.context_store.connection import patiently
from middlewatch.context_store.directory import GONE_SECONDS, Directory, Opening
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.health import StoreHealth, memory, read_health
from middlewatch.context_store.keys import investigation_keys
from middlewatch.context_store.queues import Backlog, Queues
from middlewatch.context_store.reading import event_of, snapshot_of
from middlewatch.context_store.redaction import redact_record
from middlewatch.context_store.script import Server
from middlewatch.records import (
    Claim,
    Completion,
    Event,
    Evidence,
    Investigation,
    Snapshot,
    Task,
    TaskState,
    TaskStatus,
)
from middlewatch.records.errors import BadInput, Misconfigured, StoreFull, StoreUnavailable, UnknownInvestigation

EVENTS_AT_ONCE = 1000
"""More are there when this many come back; the reader asks again after the last one."""

_WAIT_SECONDS = 1.0
"""One blocking read at most: well below the socket's timeout."""

_EVENT_ID = re.compile(r"(?:\d{1,19}-\d{1,19})?", re.ASCII)


class ContextStore:
    """Investigations, tasks, claims, evidence, hypotheses and votes of every tenant.

    Safe to use from many threads and processes at once. Every method may raise `StoreUnavailable` (Redis stays away or
    refuses) and `StaleEpoch` (the operator raised the epoch after this process started).
    """

    def __init__(
        self,
        redis: Redis,
        *,
        epoch: Epoch,
        lease_seconds: float = 30.0,
        max_attempts: int = 5,
        queue_shards: int = 4,
        memory_limit_bytes: int | None = None,
    ) -> None:
        """Nothing is sent yet.

        Args:
            redis: as `connect` makes it.
            epoch: of the operator's file.
            lease_seconds: how long a claim lasts unless it is renewed.
            max_attempts: how often a task is tried before it is dead.
            queue_shards: the same in every process of a deployment.
            memory_limit_bytes: above it no investigation is opened; without it, 80 % of Redis' maxmemory.

        Raises:
            Misconfigured: when a number cannot work.
        """
        if lease_seconds <= 0 or max_attempts < 1 or queue_shards < 1:
            raise Misconfigured("lease_seconds must be above 0, max_attempts and queue_shards at least 1.")
        self._server = Server(redis, epoch)
        self._memory_limit_bytes = memory_limit_bytes
        self._lease_seconds = lease_seconds
        self._queues = Queues(self._server, queue_shards)
        self._directory = Directory(self._server, self._queues)
        self._claims = Claims(self._server, self._directory, self._queues, lease_seconds=lease_seconds, max_attempts=max_attempts)

    @property
    def server(self) -> Server:
        """The Redis and the epoch; for backup and restore."""
        return self._server

    @property
    def lease_seconds(self) -> float:
        """How long a claim lasts unless it is renewed."""
        return self._lease_seconds

    def open(self, investigation: Investigation, first: Task) -> tuple[Investigation, bool]:
        """Open an investigation with its first task ready, or join the open one of the same alert.

        An investigation that is open but stalled (every task done or dead, and no report) is not joined.

        Returns:
            The investigation as the store has it; True when it was opened, False when it was joined.

        Raises:
            StoreFull: when memory is short; investigations that run go on.
            BadInput: when the task is of another investigation, or the id is used already.
        """
        if (first.tenant, first.investigation) != (investigation.tenant, investigation.id):
            raise BadInput("The first task must be of the investigation that it opens.")
        opening = Opening(redact_record(investigation), redact_record(first))
        joined = self._directory.joinable(opening.investigation)
        if joined is not None:
            return joined, False
        self._refuse_when_full()
        return self._directory.open(opening)

    def investigation(self, tenant: str, id: str) -> Investigation:  # noqa: A002  # the record's own word
        """The investigation as it stands.

        Raises:
            UnknownInvestigation: when Redis has none; it may have been archived.
        """
        return self._directory.look(tenant, id)

    def investigations(self, tenant: str, *, limit: int = 50) -> tuple[Investigation, ...]:
        """A tenant's investigations, newest first; archived ones are not among them."""
        recent = self._directory.listing(tenant).recent
        return tuple(islice(self._directory.look_each(tenant, recent, at_once=limit), max(0, limit)))

    def snapshot(self, tenant: str, id: str) -> Snapshot:  # noqa: A002  # the record's own word
        """All of one investigation, read in one piece.

        Evidence is in order of round, agent and id, votes of round, hypothesis and agent, whoever was faster; tasks and
        hypotheses are in the order in which they were written.

        Raises:
            UnknownInvestigation: when Redis has none.
        """
        return snapshot_of(scripts.snapshot(self._server, investigation_keys(tenant, id)))

    def events(
        self,
        tenant: str,
        id: str,  # noqa: A002  # the record's own word
        *,
        after: str = "",
        block_seconds: float = 0.0,
    ) -> tuple[Event, ...]:
        """What happened after an event, at most `EVENTS_AT_ONCE`, oldest first.

        Args:
            tenant: whose.
            id: which investigation.
            after: the id of the last event that the reader has; empty for all.
            block_seconds: how long to wait for one when there is none.

        Raises:
            UnknownInvestigation: when Redis has none.
            BadInput: when `after` is not the id of an event.
        """
        if not _EVENT_ID.fullmatch(after):
            raise BadInput(f"{after!r} is not the id of an event.", remedy="Pass the id of an event that was read before.")
        keys = investigation_keys(tenant, id)
        deadline = time.monotonic() + block_seconds
        while True:
            found = scripts.events(self._server, keys, after=after, limit=EVENTS_AT_ONCE)[1]
            left = deadline - time.monotonic()
            if found or left <= 0:
                return tuple(map(event_of, found))
            self._wait_for_event(keys.events, after or "0-0", min(left, _WAIT_SECONDS))

    def cancel(self, tenant: str, id: str) -> Investigation:  # noqa: A002  # the record's own word
        """Cancel it if it is open: its tasks are not claimed any more, and whoever runs one has lost the lease.

        Raises:
            UnknownInvestigation: when Redis has none.
        """
        scripts.cancel(self._server, investigation_keys(tenant, id))
        self._directory.close(tenant, id)
        return self.investigation(tenant, id)

    def claim(self, worker: str, *, request_id: str | None = None) -> Claim | None:
        """Claim a ready task of any tenant.

        Args:
            worker: who asks; part of every later check.
            request_id: names this request. Repeated within `TAKEN_SECONDS`, it gets the same grant again, and never
                a second one; when that grant's time is over, nothing.

        Returns:
            The claim; None when nothing is ready.
        """
        return self._claims.claim(worker, request_id)

    def renew(self, claim: Claim) -> None:
        """Extend the lease by its whole length.

        Raises:
            LeaseLost: it expired, somebody else has the task, or the investigation is over: stop at once.
        """
        self._claims.renew(claim)

    def append(self, claim: Claim, evidence: Sequence[Evidence]) -> int:
        """Write evidence while a task runs. It is redacted first; what is there already stays as it is.

        Returns:
            How many pieces are new.

        Raises:
            LeaseLost: the token is stale; nothing was written.
            BadInput: evidence of another investigation.
        """
        return self._claims.append(claim, evidence)

    def finish(self, claim: Claim, completion: Completion) -> bool:
        """Record a task's outcome: all of it, in one step, or nothing.

        Returns:
            True the first time; False when this very outcome was recorded before.

        Raises:
            LeaseLost: the token is stale; nothing was written.
            BadInput: records of another investigation, or tasks whose ids are taken.
        """
        return self._claims.finish(claim, completion)

    def fail(self, claim: Claim, error: str, *, retry: bool = True) -> TaskState:
        """Give a task up after an error.

        Args:
            claim: of the task.
            error: what went wrong; people see it.
            retry: whether another attempt may help.

        Returns:
            `READY` (after a pause that doubles with each attempt), or `DEAD` after too many attempts or without a retry.

        Raises:
            LeaseLost: the token is stale; the task belongs to somebody else.
        """
        return self._claims.fail(claim, error, retry=retry)

    def give_back(self, claim: Claim) -> None:
        """Make an unfinished task ready again at once, without counting the attempt: this worker has to stop.

        Raises:
            LeaseLost: the token is stale; the task belongs to somebody else.
        """
        self._claims.fail(claim, "", given_back=True)

    def reap(self, limit: int = 100) -> tuple[TaskStatus, ...]:
        """Take tasks from holders whose leases have expired: ready again, or dead.

        Returns:
            What was reaped, at most `limit` tasks, as it stands now.
        """
        return self._claims.reap(limit)

    def sweep(self) -> int:
        """Mend what a process that died left half done: openings, and hints that are missing from the queues.

        Returns:
            How many hints were missing.
        """
        restored = 0
        for tenant in self._directory.tenants():
            listing = self._directory.listing(tenant, limit=1)
            for payload in listing.unfinished:
                self._directory.finish_opening(Opening.parse(payload))
            for identifier in listing.open:
                try:
                    hints = self._claims.restore_hints(tenant, identifier)
                except UnknownInvestigation:  # its opening is finished by now, so it was archived
                    hints = None
                if hints is None:
                    self._directory.close(tenant, identifier)
                restored += hints or 0
        return restored

    def dead_tasks(self, tenant: str) -> tuple[TaskStatus, ...]:
        """Poison tasks of a tenant's investigations, newest investigation first: for a person to look at."""
        found: list[TaskStatus] = []
        for identifier in self._directory.listing(tenant).recent:
            try:
                reply = scripts.dead(self._server, investigation_keys(tenant, identifier))
            except UnknownInvestigation:
                continue
            found.extend(map(status, reply[1]))
        return tuple(found)

    def archive_closed(self, archive: Archive, *, older_than_seconds: float) -> int:
        """Move investigations that ended long enough ago out of Redis: into the archive first, durably, then away here.

        Killed in between, it leaves an investigation in both places or in the archive alone, and does the rest next time.

        Returns:
            How many were moved.

        Raises:
            StoreUnavailable: also when one cannot be read or written; it stays in Redis then, and the others are moved.
        """
        moved = 0
        failure: StoreUnavailable | None = None
        for tenant in self._directory.tenants():
            listing = self._directory.listing(tenant)
            unfinished = {Opening.parse(payload).investigation.id for payload in listing.unfinished}
            for identifier in listing.recent:
                try:
                    moved += self._archive_one(archive, tenant, identifier, older_than_seconds)
                except UnknownInvestigation:  # moved before, by a process that did not get to this line
                    if identifier not in unfinished:
                        self._directory.forget(tenant, identifier, alert="")
                except StoreUnavailable as error:  # one that cannot be read must not keep all others here
                    failure = failure or error
        if failure is not None:
            raise failure
        return moved

    def identifiers(self, tenant: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The ids of all investigations of a tenant that are in the store, newest first, and of those that may be open."""
        listing = self._directory.listing(tenant)
        return listing.recent, listing.open

    def backlog(self) -> Backlog:
        """Tasks that wait for a worker, of all tenants."""
        return self._queues.backlog()

    def health(self) -> StoreHealth:
        """How the server stands, and whether its settings keep what it acknowledged."""
        return read_health(self._server, self._memory_limit_bytes)

    def _archive_one(self, archive: Archive, tenant: str, identifier: str, older_than_seconds: float) -> bool:
        investigation, age_seconds = self._directory.age(tenant, identifier)
        if age_seconds is None or age_seconds < older_than_seconds:
            return False
        archive.put(self.snapshot(tenant, identifier), tuple(self._all_events(tenant, identifier)))
        keys = investigation_keys(tenant, identifier)
        if scripts.remove(self._server, keys, keep_ms=int(GONE_SECONDS * 1000))[0] != "OK":
            return False
        self._directory.forget(tenant, identifier, investigation.alert.digest)
        return True

    def _wait_for_event(self, stream: str, after: str, seconds: float) -> None:
        """Only waits; what is there is read by the script, which checks the epoch. Scripts cannot block."""
        redis = self._server.redis
        patiently(redis, lambda: redis.xread({stream: after}, count=1, block=max(1, int(seconds * 1000))))

    def _all_events(self, tenant: str, identifier: str) -> Iterator[Event]:
        after = ""
        while found := self.events(tenant, identifier, after=after):
            yield from found
            after = found[-1].id

    def _refuse_when_full(self) -> None:
        used, limit = memory(self._server.redis, self._memory_limit_bytes)
        if limit is not None and used >= limit:
            raise StoreFull(
                f"The context store is full ({used} of {limit} bytes) and opens no new investigation.",
                remedy="Investigations that run go on. Archive closed ones sooner, or raise the limit.",
            )
