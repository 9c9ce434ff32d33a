"""What is opened for alerts that fire: a burst is gathered for a moment, sorted into incidents, and opened or joined.

A decision and what an investigation is to be opened with are written in one step; whoever finds that opens it, so that a process
may die between any two steps. A decision is made from one view of the store and refused where another one was made since: any
number of processes may tend, and the lease only saves them the trouble.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from middlewatch.context_store.leases import StoreLease
from middlewatch.context_store.occurrences import Change, DueRows, Plan, Row, Written, shown_in
from middlewatch.firing import is_undecided
from middlewatch.forgetting import Forgetting
from middlewatch.occurrences import REPEAT_AFTER, Occurrences
from middlewatch.opening import Surroundings, is_repeat, plan_for
from middlewatch.records import Investigation, InvestigationState, Occurrence, Outcome, UtcDatetime
from middlewatch.records.errors import BadInput, MiddlewatchError, StaleEpoch, StoreUnavailable, Unavailable, UnknownInvestigation
from middlewatch.rounds import go_round
from middlewatch.tools.bursts import Group, groups_of, matched

LOG = logging.getLogger(__name__)

GROUP_WAIT_SECONDS: Final = 3.0
"""How long a burst is gathered after the last service that it reached. Chosen: alert rules of one fault fire within a few
seconds of one another, and somebody waits for the answer."""
SETTLE_SECONDS: Final = 5.0
"""A burst is over when no alert came for so long; then it is sorted once more, by all that it reached. Chosen: somewhat more than
the gaps within a burst."""
PROVISIONAL: Final = timedelta(minutes=2)
"""After which an alert is not sorted once more, however long the burst goes on. Chosen."""
LONGEST_WAIT_SECONDS: Final = 8.0
"""How long a burst that goes on and on is gathered. Chosen: a minute is all that an alert may take to be an investigation."""
INCIDENT: Final = timedelta(minutes=15)
"""Alerts of services that belong together are one incident while no more than this lies between them. Chosen: as long as the
slowest usual rules take to fire after the fastest."""
LONGEST_INCIDENT: Final = timedelta(hours=1)
"""After which alerts join no more, however they follow one another. Chosen."""
IN_VAIN: Final = timedelta(seconds=60)
"""After an answer "I don't know" a later alert is no part of that incident: there is more to see by now. Chosen: within a minute
the alerts of one burst come, and what they show is what was looked at."""
LOOK_AGAIN: Final = timedelta(seconds=60)
"""When alerts that are held by maintenance, or that could not be looked at, are looked at again."""
UNMAPPED_AGAIN: Final = timedelta(seconds=20)
"""When alerts of no known service are: a service that just began to report is known soon after. Chosen, as `UNKNOWN_SECONDS`."""
FORGET_SECONDS: Final = 600.0
TEND_SECONDS: Final = 0.5
HELD_SECONDS: Final = 10.0
"""How long what could not be opened rests until it is tried again. Chosen: a minute is all that an alert may take."""
LEASE_SECONDS: Final = 10.0
NO_SERVICE: Final = "it maps to no service"


@dataclass(frozen=True, slots=True)
class Standing:
    """An incident that is known already."""

    investigation: Investigation
    rows: tuple[Row, ...]

    @property
    def services(self) -> frozenset[str]:
        """Of the alerts that belong to it, and to no other."""
        return frozenset(one.service for one in (row.occurrence for row in self.rows) if one.investigation == self.investigation.id)


@dataclass(frozen=True, slots=True)
class View:
    """What a decision is made from."""

    wanted: Sequence[Row]
    """The alerts that are sorted."""
    earlier: Mapping[str, Investigation]
    """By alert: the investigation of the time before."""
    now: UtcDatetime
    seen: int
    first: bool
    """Whether others of the burst may come yet."""

    @property
    def again(self) -> UtcDatetime | None:
        """When they are sorted once more."""
        return self.now + timedelta(seconds=SETTLE_SECONDS) if self.first else None


class Tending:
    """Decides what is opened for what fires, of one tenant."""

    def __init__(self, occurrences: Occurrences, surroundings: Surroundings, lease: StoreLease) -> None:
        self._occurrences = occurrences
        self._store = occurrences.store
        self._around = surroundings
        self._lease = lease
        self._forgetting = Forgetting(occurrences.store, surroundings.tenant)
        self._resting: dict[str, float] = {}
        """What could not be opened, and when it is tried again."""

    def tend_until(self, stop: threading.Event) -> None:
        """Do what is due until told to stop."""
        forget_at = time.monotonic() + FORGET_SECONDS

        def look() -> None:
            nonlocal forget_at
            worked = True
            while worked and not stop.is_set():
                if time.monotonic() > forget_at:  # first: a full store is no reason not to
                    forget_at = time.monotonic() + FORGET_SECONDS
                    self._forgetting.forget()
                worked = self.tend()

        go_round(stop, look, lambda: TEND_SECONDS, "alerts are not tended")

    def tend(self) -> bool:
        """Open what is to be opened, and decide what is due; returns whether anything was done."""
        found = self._store.due()
        if not (found.rows or found.plans) or not self._lease.take(LEASE_SECONDS):
            return False
        opened = self._open(found.plans)
        again = [row for row in found.rows if _is_provisional(row, found.now)]
        judged = [(row, *self._judged(row, found.now)) for row in found.rows if not _is_provisional(row, found.now)]
        settled = [change for _, change, wanted in judged if not wanted]
        if settled:
            self._store.write(settled)
        wanted = [Row(change.occurrence, change.token, row.due) for row, change, yes in judged if yes]
        worked = bool(opened or settled)
        if wanted and _is_gathered(wanted, found.now):
            return self._decide(wanted, found) or worked
        if again and not wanted:
            return self._sort_again(again, found) or worked
        return worked

    def _open(self, plans: Mapping[str, Plan]) -> int:
        """Open what can be; one that cannot is in the way of no other. Returns how many are dealt with."""
        opened, given_up, now = list[Investigation](), 0, time.monotonic()
        self._resting = {name: until for name, until in self._resting.items() if name in plans and until > now}
        for name, plan in plans.items():
            if name in self._resting:
                continue
            try:
                found = self._around.investigate(plan.alert, plan.name)
                self._around.begun(found.id)
                self._store.end_plan(name)
                opened.append(found)
            except BadInput as error:
                LOG.warning("%s is not opened, and its alerts are held: %s", name, error)
                given_up += self._give_up(name, error)
            except (StoreUnavailable, StaleEpoch):
                raise
            except Exception:  # whatever it is, it is tried again, and others are opened meanwhile
                LOG.exception("%s is not opened yet", name)
                self._resting[name] = now + HELD_SECONDS
        for found in opened:
            try:
                self._around.rate(found)
            except MiddlewatchError as error:  # it is done again later
                LOG.warning("%s has no severity yet: %s", found.id, error)
        return len(opened) + given_up

    def _give_up(self, name: str, error: BadInput) -> bool:
        """Hold the alerts of what can never be opened: whoever looks sees why. Returns whether nothing is left to be done."""
        held = {"held": f"no investigation can be opened for it: {error.message}"[:300]}
        changes = []
        for row in self._store.of(name).rows:
            own = held | {"investigation": None} if row.occurrence.investigation == name else {}
            also = tuple(one for one in row.occurrence.also if one != name)
            changes.append(Change(row.occurrence.model_copy(update={**own, "also": also}), row.token))
        done = all(self._store.write(changes).done) if changes else True
        if done:
            self._store.end_plan(name)
        else:
            self._resting[name] = time.monotonic() + HELD_SECONDS
        return done

    def _judged(self, row: Row, now: UtcDatetime) -> tuple[Change, bool]:
        """An alert as it is to be kept, and whether something is to be opened for it as it stands."""
        one = row.occurrence
        if one.resolved_at is not None:
            return Change(one, row.token), False
        if one.investigation is not None:
            return Change(one, row.token), self._is_to_be_repeated(one.investigation, now)
        try:
            service, why = (one.service, one.mapped_by) if one.service else self._around.service_of(one.message)
        except Unavailable as error:
            held = one.model_copy(update={"held": f"its service cannot be looked up now: {error.message}"[:300]})
            return Change(held, row.token, now + LOOK_AGAIN), False
        mapped = one.model_copy(update={"service": service, "mapped_by": why[:200], "held": ""})
        if not service:
            held = mapped.model_copy(update={"held": f"{NO_SERVICE}: {why}"[:300] if why else NO_SERVICE})
            return Change(held, row.token, now + UNMAPPED_AGAIN), False
        maintained = self._around.maintenance(service, now)
        if maintained:
            return Change(mapped.model_copy(update={"held": maintained[:300]}), row.token, now + LOOK_AGAIN), False
        return Change(mapped, row.token, row.due), mapped == one  # its service is kept first: it is looked up once

    def _is_to_be_repeated(self, investigation: str, now: UtcDatetime) -> bool:
        found = self._look(investigation)
        if found is None:
            return True
        return found.closed_at is not None and now - found.closed_at >= REPEAT_AFTER

    def _look(self, investigation: str) -> Investigation | None:
        try:
            return self._around.look(investigation)
        except UnknownInvestigation:
            return None

    # Deciding

    def _decide(self, wanted: Sequence[Row], found: DueRows) -> bool:
        earlier = self._earlier(wanted)
        rejoined = [row for row in wanted if _may_be_joined(earlier.get(row.occurrence.id))]
        fresh = [row for row in wanted if not _may_be_joined(earlier.get(row.occurrence.id))]
        seen, worked = found.decided, False
        if rejoined:
            written = self._join([_joined(row, earlier[row.occurrence.id].id) for row in rejoined], seen)
            seen, worked = written.decided, any(written.done)
        return self._sort(View(fresh, earlier, found.now, seen, first=True)) or worked if fresh else worked

    def _sort_again(self, rows: Sequence[Row], found: DueRows) -> bool:
        """When the burst is over: causes that were kept together are told apart."""
        newest = self._store.list(limit=1).rows[0].occurrence.first_at
        over = newest + timedelta(seconds=SETTLE_SECONDS)
        if found.now < over:
            return any(self._store.write([Change(row.occurrence, row.token, over) for row in rows]).done)
        known = {row.occurrence.id for row in rows}
        others = [row for row in self._store.list().rows if _is_provisional(row, found.now) and row.occurrence.id not in known]
        return self._sort(View([*rows, *others], {}, found.now, found.decided, first=False))

    def _earlier(self, wanted: Sequence[Row]) -> dict[str, Investigation]:
        """Of occurrences that come again: the investigation of the time before."""
        before = [row.occurrence.before for row in wanted if row.occurrence.before]
        known = {row.occurrence.id: row.occurrence for row in self._store.read(before) if row is not None}
        found: dict[str, Investigation] = {}
        looked: dict[str, Investigation | None] = {}
        for one in (row.occurrence for row in wanted):
            last = known.get(one.before or "")
            name = one.investigation or (last.investigation if last else None)
            if name is not None:
                looked.setdefault(name, self._look(name))
                if (investigation := looked[name]) is not None:
                    found[one.id] = investigation
        return found

    def _sort(self, view: View) -> bool:
        calls, standing = self._around.calls(view.now), self._standing(view)
        alerting = {row.occurrence.service for row in view.wanted}
        groups = groups_of(alerting.union(*(one.services for one in standing)), calls, first=view.first)
        known = matched(groups, [(one.investigation.id, one.services) for one in standing])
        place = {number: _place(group, view, known.get(number, ""), standing) for number, group in enumerate(groups)}
        ids = {number: name for number, name in place.items() if name}
        own, seen, worked = _by_group(view.wanted, groups), view.seen, False
        for number, group in enumerate(groups):  # new ones first: the others are shown in them too
            if number in ids or not own[number]:
                continue
            follows = _latest(own[number], view.earlier)
            investigation, plan = plan_for(own[number], group, calls, follows, self._around, view.now)
            changes = [_joined(row, investigation, view.again) for row in own[number]]
            written = self._store.write(changes, seen=seen, investigation=investigation, plan=plan)
            seen = written.decided
            if any(written.done):
                worked, ids[number] = True, investigation
        joined = [_joined(row, ids[number], view.again) for number, rows in own.items() if place.get(number) for row in rows]
        if joined:
            written = self._join(joined, seen)
            seen, worked = written.decided, worked or any(written.done)
        self._show_in_all(groups, ids, [*view.wanted, *(row for one in standing for row in one.rows)], seen)
        return worked

    def _join(self, changes: Sequence[Change], seen: int) -> Written:
        """Write that alerts are in investigations that there are; one may be closed, and looked after no more."""
        names = {name for change in changes for name in shown_in(change.occurrence)}
        for name in names:  # whoever dies after the write has said so
            self._around.begun(name)
        written = self._store.write(changes, seen=seen)
        for name in names:  # whoever looked before the write may have let go of it since
            self._around.begun(name)
        return written

    def _standing(self, view: View) -> list[Standing]:
        """Incidents that alerts may join, the oldest first."""
        coming = {row.occurrence.id for row in view.wanted} if view.first else set()
        rows: dict[str, list[Row]] = {}
        for row in self._store.list().rows:
            one = row.occurrence
            if view.now - one.first_at > LONGEST_INCIDENT:
                break
            if one.investigation is not None and one.service and one.id not in coming:
                rows.setdefault(one.investigation, []).append(row)
        found: list[Standing] = []
        for name, group in rows.items():
            fresh = view.now - max(row.occurrence.first_at for row in group) <= INCIDENT
            investigation = self._look(name) if fresh else None
            if investigation is not None and not is_repeat(investigation.alert) and not _is_settled(investigation, view.now):
                found.append(Standing(investigation, tuple(group)))
        return sorted(found, key=lambda one: (one.investigation.opened_at or view.now, one.investigation.id))

    def _show_in_all(self, groups: Sequence[Group], ids: Mapping[int, str], rows: Iterable[Row], seen: int) -> None:
        """Alerts of services that lie above several causes are shown with each of them."""
        above = [(group.services, ids[number]) for number, group in enumerate(groups) if number in ids]
        missing: dict[str, list[str]] = {}
        for row in rows:
            one = row.occurrence
            names = [name for services, name in above if one.service in services]
            if len(names) > 1:
                missing[one.id] = names
        changes = []
        for kept in self._store.read(list(missing)):
            if kept is not None and kept.occurrence.investigation is not None:
                new = [name for name in missing[kept.occurrence.id] if name not in shown_in(kept.occurrence)]
                if new:
                    changes.append(replace(_also(kept, new), due=kept.due))
        if changes:
            self._join(changes, seen)


def _is_settled(investigation: Investigation, now: UtcDatetime) -> bool:
    """Whether no more alerts join it though it is young: it was cancelled, or has found nothing a while ago."""
    if investigation.state is InvestigationState.CANCELLED:
        return True
    found, closed = investigation.headline, investigation.closed_at
    in_vain = found is not None and found.outcome is Outcome.INCONCLUSIVE
    return in_vain and closed is not None and now - closed > IN_VAIN


def _may_be_joined(before: Investigation | None) -> bool:
    """Whether an alert that comes again is of the investigation before: of one that was run again by hand nobody is told."""
    return before is not None and before.state is InvestigationState.OPEN and not is_repeat(before.alert)


def _is_gathered(wanted: Sequence[Row], now: UtcDatetime) -> bool:
    """Whether the burst has come to rest, or has lasted for long enough."""
    first: dict[str, UtcDatetime] = {}
    for row in wanted:
        first[row.occurrence.service] = min(row.due or now, first.get(row.occurrence.service, now))
    quiet, lasted = now - max(first.values()), now - min(first.values())
    return quiet.total_seconds() >= GROUP_WAIT_SECONDS or lasted.total_seconds() >= LONGEST_WAIT_SECONDS


def _by_group(wanted: Sequence[Row], groups: Sequence[Group]) -> dict[int, list[Row]]:
    """Each alert in the group that it belongs to first: the one that its service is the cause of, or else the first."""
    own: dict[int, list[Row]] = {number: [] for number in range(len(groups))}
    for row in wanted:
        service = row.occurrence.service
        numbers = [number for number, group in enumerate(groups) if service in group.services]
        own[next((n for n in numbers if service in groups[n].roots), numbers[0])].append(row)
    return own


def _latest(rows: Sequence[Row], earlier: Mapping[str, Investigation]) -> Investigation | None:
    """The investigation that most of them were in before; of several the newest."""
    count = Counter(earlier[row.occurrence.id].id for row in rows if row.occurrence.id in earlier)
    by_id = {one.id: one for one in earlier.values()}
    names = sorted(count, key=lambda name: (count[name], by_id[name].alert.window_end, name))
    return by_id[names[-1]] if names else None


def _joined(row: Row, name: str, due: UtcDatetime | None = None) -> Change:
    """In an investigation; in the one before it stays to be seen."""
    one = row.occurrence
    also = tuple(dict.fromkeys(other for other in (one.investigation, *one.also) if other and other != name))
    return Change(one.model_copy(update={"investigation": name, "also": also, "held": ""}), row.token, due)


def _place(group: Group, view: View, known: str, standing: Sequence[Standing]) -> str:
    """The incident that a group is of; empty where it is a new one."""
    new_roots = group.roots & {row.occurrence.service for row in view.wanted}
    if not known and not new_roots:  # causes that were put together before
        known = next((one.investigation.id for one in standing if one.services & group.roots), "")
    back = {view.earlier[row.occurrence.id].id for row in view.wanted if row.occurrence.id in view.earlier}
    return "" if known in back else known


def _is_provisional(row: Row, now: UtcDatetime) -> bool:
    """Whether it was sorted while its burst went on."""
    one = row.occurrence
    return one.investigation is not None and row.due is not None and now - one.first_at < PROVISIONAL


def _also(row: Row, names: Sequence[str]) -> Change:
    one: Occurrence = row.occurrence
    assert not is_undecided(one)  # noqa: S101  the caller looked
    return Change(one.model_copy(update={"also": (*one.also, *names)}), row.token)
