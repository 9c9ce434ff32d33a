"""Changes that are told of: kept once each, and durable before anybody is told that they are."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from middlewatch.alerts import EARLIEST
from middlewatch.context_store.leases import StoreLease
from middlewatch.context_store.redaction import redact_names, redact_record
from middlewatch.context_store.script import Server
from middlewatch.records import LONGEST_CHANGE_TEXT, ChangeKind, ReportedChange, UtcDatetime
from middlewatch.records.errors import BadInput, Conflict
from middlewatch.records.quoting import cut
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.reported_changes import ReportedChanges

AHEAD: Final = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours. Chosen, not derived."""
REPEATED: Final = timedelta(days=7)
"""How much later a sender may tell again of a change for which it gives no time. Chosen: none repeats itself for longer."""
RETOLD: Final = timedelta(minutes=1)
"""Within it somebody who gives neither time nor reference, and says the same once more, repeats themselves. Chosen: nothing is
deployed twice so fast, and who asks again after an error does it at once."""
LEASE_SECONDS: Final = 30.0
"""Longer than an insert takes."""
WAIT_SECONDS: Final = 5.0
"""For others who record at the same moment; senders wait ten seconds for an answer."""
POLL_SECONDS: Final = 0.02
LONGEST: Final = {"service": 256, "version": 256, "actor": 256, "description": LONGEST_CHANGE_TEXT, "region": 256, "cluster": 256}
"""Characters that are kept of each text."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A change that is kept."""

    report: ReportedChange
    new: bool
    """Whether it was not known before."""


class Changes:
    """The live changes of a tenant. Every method may raise `SourceUnavailable` and `StoreUnavailable`."""

    def __init__(self, telemetry: ClickHouse, server: Server, tenant: str) -> None:
        self.kept = ReportedChanges(telemetry, tenant)
        """As they are kept: with the names that they are known by."""
        self._server = server
        self._tenant = tenant
        self._lock = threading.Lock()

    def record(self, reports: Sequence[ReportedChange], *, retold: bool = False) -> tuple[Recorded, ...]:
        """Keep changes, those that are not known; they are on disk when this returns.

        Args:
            reports: the changes.
            retold: whether one is known that says, in all but time and reference, what its sender told less than `RETOLD` before,
                where no other change of that service and kind was made since.

        One process at a time looks what is known and adds the rest, so that a sender that repeats itself adds nothing. A process
        that dies between the two has told nobody, and the next attempt finds what it added.

        Raises:
            BadInput: one lies in the future, before `EARLIEST`, has no service, or is another tenant's.
            Conflict: others record without end.
        """
        now = datetime.now(UTC)
        whole = [self._checked(report, now) for report in reports]
        if not whole:
            return ()
        lease = StoreLease(self._server, self._tenant, "changes")
        with self._lock:
            _await(lease)
            try:
                if retold:
                    whole = [self._told_before(one) or one for one in whole]
                known = self.kept.known([one.id for one in whole], min(one.change.time for one in whole) - REPEATED)
                new = {one.id: one for one in whole if one.id not in known}
                self.kept.add([*new.values()])
            finally:
                lease.end()
        return tuple(Recorded(one, new=one.id in new) for one in whole)

    def list(
        self,
        *,
        limit: int = 100,
        services: Sequence[str] = (),
        since: UtcDatetime | None = None,
        kinds: Iterable[ChangeKind] = ChangeKind,
    ) -> tuple[ReportedChange, ...]:
        """The newest of some kinds, the newest first, as they may be shown."""
        return tuple(map(redact_names, self.kept.newest(limit=limit, services=services, since=since, kinds=kinds)))

    def _told_before(self, report: ReportedChange) -> ReportedChange | None:
        """The newest change of its service and kind, where that is the same told again: what was undone since was made anew."""
        told = report.change
        newest = self.kept.newest(limit=1, services=[told.service], since=told.time - RETOLD, kinds=[told.kind])
        same = (one for one in newest if one.sender == report.sender and one.change.model_copy(update={"time": told.time}) == told)
        return next(same, None)

    def _checked(self, report: ReportedChange, now: UtcDatetime) -> ReportedChange:
        """As it is kept: without secrets, and bounded."""
        change = report.change
        if change.tenant != self._tenant:
            raise BadInput("This change is another tenant's.", remedy="Send it to the middlewatch of that tenant.")
        if not change.service.strip():
            raise BadInput("The change has no service.", remedy="Name the service as the telemetry has it.")
        if not EARLIEST <= change.time <= now + AHEAD:
            raise BadInput(
                f"{change.time.isoformat()} is no time of a change that was made.", remedy="Give the time when it was made, in UTC."
            )
        redacted = redact_record(report)
        texts = {name: _bounded(getattr(redacted.change, name), most) for name, most in LONGEST.items()}
        return redacted.model_copy(update={"change": redacted.change.model_copy(update=texts)})


def _await(lease: StoreLease) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not lease.take(LEASE_SECONDS):
        if time.monotonic() > deadline:
            raise Conflict("Others record changes at the moment.", remedy="Send it again.")
        time.sleep(POLL_SECONDS)


def _bounded(text: str, most: int) -> str:
    return cut("".join(c if c.isprintable() else " " for c in text).strip(), most)
