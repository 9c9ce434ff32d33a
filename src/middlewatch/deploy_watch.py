"""Deploy watch: for ten minutes after a change its service is compared with the hour before, and what got worse is an alert.

Nothing is kept but the alert itself, in the store of occurrences, and which changes' alerts fire: what is watched follows from the
changes, and how they do from telemetry. So any process may go on with it, and a restart forgets nothing.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from pydantic import TypeAdapter

from middlewatch.alerts import EARLIER_INCIDENT_LEAD_SECONDS
from middlewatch.changes import Changes
from middlewatch.context_store.leases import StoreLease
from middlewatch.context_store.objective_counts import CountStore
from middlewatch.context_store.occurrences import alert_key
from middlewatch.context_store.redaction import redact_names
from middlewatch.occurrences import Occurrences
from middlewatch.records import (
    AlertMessage,
    AlertStatus,
    Change,
    ChangeKind,
    Occurrence,
    ReportedChange,
    UtcDatetime,
    WatchedChange,
    Window,
    digest_of,
)
from middlewatch.records.errors import BoundExceeded, MiddlewatchError
from middlewatch.rounds import go_round
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.deploy_watch import (
    HELD_STEPS,
    HISTORY_SECONDS,
    WATCH_SECONDS,
    Judgement,
    in_words,
    judge,
)
from middlewatch.tools.service_steps import read_steps
from middlewatch.tools.shared_calls import Others
from middlewatch.tools.watched_steps import STEP_SECONDS, Measure, Steps

LOG = logging.getLogger(__name__)

SENDER: Final = "deploy-watch"
"""The built-in sender."""
KINDS: Final = frozenset({ChangeKind.DEPLOY, ChangeKind.CONFIG, ChangeKind.FLAG, ChangeKind.MIGRATION})
"""What is watched. Scaling is an answer to load, and shows as load."""
LOOK_SECONDS: Final = 10.0
LEASE_SECONDS: Final = 120.0
"""How long whoever looks keeps it to themselves; longer than a look takes."""
LATE_SECONDS: Final = 10.0
"""Telemetry is this late: exporters gather for five seconds, and collectors for some more. Chosen."""
LONGEST: Final = timedelta(hours=24)
"""After which what is worse is what is usual, and the alert ends by saying so. Chosen."""
WELL_FOR: Final = HELD_STEPS + 1
"""It is over when so many minutes in a row, each ten seconds after the one before, show nothing: two minutes together."""
RECENT: Final = timedelta(minutes=2)
"""Of others' calls no older minutes are read: whether something is told depends on the latest ones, and a process that starts anew
would read ten minutes for each change."""
MOST: Final = 500
"""Changes of a day that are looked through; the newest. Those whose alert fires are known besides."""
SHARES: Final = (1.0, 1 / 8, 1 / 64)
"""Of requests; the next one where the bound of a query is hit."""
REMEMBERED: Final = 100
"""Services' hours before their changes that are kept in memory; some hundred kilobytes each."""
_REPORTS = TypeAdapter(tuple[ReportedChange, ...])


@dataclass(frozen=True, slots=True)
class _Watch:
    """One change, and what has become of its alert."""

    report: ReportedChange
    until: UtcDatetime
    occurrence: Occurrence | None

    @property
    def change(self) -> Change:
        return self.report.change

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.change)

    @property
    def fires(self) -> bool:
        return _fires(self.occurrence)

    def tired(self, now: UtcDatetime) -> bool:
        """Whether its alert fires for so long that it is no news any more."""
        return self.fires and now - self.change.time >= LONGEST


class DeployWatch:
    """The changes of a tenant that are watched."""

    def __init__(
        self, changes: Changes, occurrences: Occurrences, sources: Callable[[UtcDatetime], Sources], lease: StoreLease, tenant: str
    ) -> None:
        """Nothing is looked at yet.

        Args:
            changes: what was changed.
            occurrences: takes alerts, and knows those that fire.
            sources: the live telemetry up to a moment.
            lease: who looks.
            tenant: whose.
        """
        self._changes = changes
        self._occurrences = occurrences
        self._sources = sources
        self._lease = lease
        self._store = CountStore(occurrences.store.server, tenant)
        self._tenant = tenant
        self._before: OrderedDict[tuple[str, float], tuple[Steps, Others]] = OrderedDict()
        self._share: dict[str, float] = {}
        self._lock = threading.Lock()

    def watch_until(self, stop: threading.Event) -> None:
        """Look again and again, until told to stop."""
        go_round(stop, lambda: self.look(datetime.now(UTC)), lambda: LOOK_SECONDS, "changes are not watched")

    def look(self, now: UtcDatetime) -> tuple[AlertMessage, ...]:
        """Look at every change that is watched, and tell what got worse and what is well again.

        Returns:
            What was told; nothing where another process looks.
        """
        if not self._lease.take(LEASE_SECONDS):
            return ()
        told: list[AlertMessage] = []
        try:
            watches = tuple(self._watches(now))
            firing = {watch.fingerprint: watch.report for watch in watches if watch.fires}
            for watch in watches:
                try:
                    judgement = Judgement() if watch.tired(now) else self._judged(watch, now)
                except MiddlewatchError as error:  # of one service; the others are looked at all the same
                    LOG.warning("a change of %r is not watched: %s", watch.change.service, error)
                    continue
                if (message := _message(watch, judgement, now)) is None:
                    continue
                if message.status is AlertStatus.FIRING:
                    firing[watch.fingerprint] = watch.report
                    self._keep(firing)  # first: an alert that nobody knows of would fire for ever
                self._occurrences.receive([message])
                told.append(message)
                if message.status is AlertStatus.RESOLVED:
                    del firing[watch.fingerprint]
            self._keep(firing)
        finally:
            self._lease.take(LOOK_SECONDS / 2)  # nobody else looks at once after us
        return tuple(told)

    def watched(self, now: UtcDatetime) -> tuple[WatchedChange, ...]:
        """What is watched now, and what is seen of it; looked at anew, and nothing is told to anybody. The newest first."""
        return tuple(redact_names(self._shown(watch, now)) for watch in self._watches(now))

    def _shown(self, watch: _Watch, now: UtcDatetime) -> WatchedChange:
        try:
            judgement = self._judged(watch, now)
        except MiddlewatchError as error:
            judgement = Judgement(note=f"it could not be looked at: {error.message}")
        change = watch.change
        return WatchedChange(
            id=f"watch-{watch.fingerprint[:16]}",
            time=change.time,
            service=change.service,
            kind=change.kind,
            version=change.version,
            until=watch.until,
            looked_at=now,
            minutes=judgement.looked,
            worse=tuple(map(in_words, judgement.worse)),
            note=judgement.note,
            raised=watch.fires,
        )

    def _watches(self, now: UtcDatetime) -> Iterator[_Watch]:
        """Changes of the last ten minutes, and older ones whose alert still fires; the newest first."""
        newest = self._changes.kept.newest(limit=MOST, since=now - LONGEST - timedelta(minutes=5), kinds=KINDS)
        found = {fingerprint(one.change): one for one in (*newest, *self._kept()) if one.change.time <= now}
        reports = sorted(found.values(), key=lambda one: one.change.time, reverse=True)
        keys = [alert_key(SENDER, fingerprint(one.change)) for one in reports]
        rows = self._occurrences.store.latest(keys)[1] if keys else ()
        standing = [(one, row.occurrence if row else None) for one, row in zip(reports, rows, strict=True)]
        firing = {one.change.service: one.change.time for one, seen in standing if _fires(seen)}
        later: dict[str, UtcDatetime] = {}
        for report, occurrence in standing:
            change = report.change
            end = change.time + timedelta(seconds=WATCH_SECONDS)
            watch = _Watch(report, min(end, later.get(change.service, end)), occurrence)
            later[change.service] = change.time
            # While an earlier change of the service still shows, a later one is not told of: it may be what is to mend it.
            if watch.fires or (
                now <= watch.until + timedelta(seconds=LATE_SECONDS) and not firing.get(change.service, now) < change.time
            ):
                yield watch

    def _kept(self) -> tuple[ReportedChange, ...]:
        """Changes whose alert fires, as whoever looked last knew; the newest changes may not have them any more."""
        kept = self._store.found(SENDER)
        return _REPORTS.validate_json(kept) if kept else ()

    def _keep(self, firing: Mapping[str, ReportedChange]) -> None:
        kept = _REPORTS.dump_json(tuple(firing.values())).decode()
        if kept != (self._store.found(SENDER) or "[]"):
            self._store.keep_found(SENDER, kept)

    def _judged(self, watch: _Watch, now: UtcDatetime) -> Judgement:
        change, sources = watch.change, self._sources(now)
        end = now - timedelta(seconds=LATE_SECONDS)
        if not watch.fires:
            end = min(end, watch.until)
        begin = max(change.time, end - timedelta(seconds=WATCH_SECONDS)) if watch.fires else change.time
        if (end - begin).total_seconds() < STEP_SECONDS * HELD_STEPS:
            return Judgement(note="less than a minute of telemetry came since")
        before, others = self._before_it(sources, change)
        after = self._read(sources, change.service, Window(start=begin, end=end))
        late = end - RECENT
        judgement = judge(
            before, after, self._hidden(change), lambda minute: others.shared(sources, after, minute, read=minute.end > late)
        )
        if any(each.measure is Measure.SILENCE for each in judgement.worse):
            latest = judgement.worse[0].window
            if not sources.traces.freshness(latest).services:
                return Judgement(
                    looked=judgement.looked, note="no service sends spans any more, so nothing can be told of this one"
                )
        return judgement

    def _before_it(self, sources: Sources, change: Change) -> tuple[Steps, Others]:
        """The hour before the change, read once, and whom to ask about the time after it."""
        key = (change.service, change.time.timestamp())
        with self._lock:
            known = self._before.get(key)
        if known is None:
            window = Window(start=change.time - timedelta(seconds=HISTORY_SECONDS), end=change.time)
            steps = since_first(self._read(sources, change.service, window))
            known = steps, Others(change.service, change.time, steps)
            with self._lock:
                self._before[key] = known
                while len(self._before) > REMEMBERED:
                    self._before.popitem(last=False)
        return known

    def _read(self, sources: Sources, service: str, window: Window) -> Steps:
        for share in SHARES:
            if share > self._share.get(service, 1.0):
                continue
            try:
                return read_steps(sources, service, window, share)
            except BoundExceeded:
                self._share[service] = share / 8
        raise BoundExceeded(f"{service!r} has more requests than can be looked at.", remedy="Raise MIDDLEWATCH_QUERY_SECONDS.")

    def _hidden(self, change: Change) -> tuple[Window, ...]:
        """When something fired before the change: that is not what is usual."""
        lead = timedelta(seconds=EARLIER_INCIDENT_LEAD_SECONDS)
        times = ((one.message.started_at - lead, one.resolved_at or change.time) for one in self._occurrences.list())
        return tuple(Window(start=start, end=min(end, change.time)) for start, end in times if start < min(end, change.time))


def fingerprint(change: Change) -> str:
    """The same for the same change, whoever told of it."""
    return digest_of(SENDER, change.tenant, change.service, change.kind, change.version, change.time.isoformat())


def since_first(steps: Steps) -> Steps:
    """From the first sign of life on: a service that is new has a shorter past, not a silent one."""
    signs = np.flatnonzero(steps.requests + steps.alive)
    return steps.part(int(signs[0])) if signs.size else steps


def _fires(occurrence: Occurrence | None) -> bool:
    return occurrence is not None and occurrence.resolved_at is None


def _message(watch: _Watch, judgement: Judgement, now: UtcDatetime) -> AlertMessage | None:
    """What is to be told; None where nothing is new."""
    change = watch.change
    what = f"{change.kind.value} {change.version}".strip()
    if watch.fires:
        tired = watch.tired(now)
        if not tired and judgement.well_for < WELL_FOR:
            return None
        why = "it is as before the change again" if not tired else "it has been so for a day, and is what is usual now"
        return _made(watch, AlertStatus.RESOLVED, f"{change.service} after the {what}: {why}", {"resolved": why}, now, ended=now)
    if not judgement.worse:
        return None
    told = [in_words(each) for each in judgement.worse]
    # The end of the first minute that showed it: whoever looks for a cause must find the change before the detection.
    began = (judgement.first or judgement.worse[0]).window.end
    title = f"{change.service} is worse since the {what} at {change.time:%H:%M:%S} UTC: {told[0]}"
    return _made(watch, AlertStatus.FIRING, title, {"worse": "; ".join(told)}, began)


def _made(
    watch: _Watch,
    status: AlertStatus,
    title: str,
    annotations: dict[str, str],
    at: UtcDatetime,
    *,
    ended: UtcDatetime | None = None,
) -> AlertMessage:
    change = watch.change
    before = watch.occurrence.message if ended is not None and watch.occurrence is not None else None
    labels = {
        "service.name": change.service,
        "change.kind": change.kind.value,
        "change.version": change.version,
        "change.time": change.time.isoformat(),
        "change.actor": change.actor,
    }
    return AlertMessage(
        tenant=change.tenant,
        sender=SENDER,
        kind=SENDER,
        fingerprint=watch.fingerprint,
        status=status,
        title=title[:1024],
        labels={key: value[:1024] for key, value in labels.items() if value},
        annotations={key: value[:1024] for key, value in annotations.items()},
        started_at=at if before is None else before.started_at,
        ended_at=ended,
        url=watch.report.url,
    )
