"""The shop in live use: a supervisor of its processes that breaks, mends, deploys and rolls back when it is asked to."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from middlewatch.evals.lab.changes import FIRST_VERSIONS, deploy
from middlewatch.evals.lab.faults import DECOYS, FAULTS, fault_named
from middlewatch.evals.lab.shop import AppliedChange, Shop
from middlewatch.evals.lab.ways import Changed, Done, Way
from middlewatch.records import ChangeKind
from middlewatch.records.errors import BadInput, Refused
from middlewatch.rounds import go_round

LOG = logging.getLogger(__name__)

TEND_SECONDS = 0.5
AGAIN_SECONDS = 10.0
"""Until it is tried again to take back what could not be taken back at its time."""
_CHANGES_SHOWN = 20

Tell = Callable[[AppliedChange], None]
"""Called for every change that was made; a slow one holds up the next."""


@dataclass(slots=True)
class ActiveFault:
    """Something that is done to the shop now."""

    name: str
    way: Way
    done: Done
    until: datetime | None
    """When it is taken back by itself; None for when somebody says so."""

    def told(self) -> dict[str, Any]:
        """For people and programs."""
        return {
            "name": self.name,
            "service": self.way.service,
            "instance": self.done.instance,
            "since": self.done.at.isoformat(timespec="milliseconds"),
            "until": self.until.isoformat(timespec="milliseconds") if self.until else None,
        }


@dataclass(slots=True)
class Supervisor:
    """Leads an open shop. Its methods may be called from any thread; one is done at a time."""

    shop: Shop
    tell: Tell
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _active: list[ActiveFault] = field(default_factory=list)
    _earlier: dict[str, list[str]] = field(default_factory=lambda: {service: [] for service in FIRST_VERSIONS})
    _changes: deque[AppliedChange] = field(default_factory=lambda: deque(maxlen=_CHANGES_SHOWN))

    def status(self) -> dict[str, Any]:
        """What runs, what the customers meet with, and what is done to the shop."""
        services = [
            {
                "name": service,
                "version": self.version(service),
                "instances": [
                    {"name": each.name, "version": each.version, "restarts": each.restarts, "pid": each.process.pid}
                    for each in self.shop.instances(service)
                ],
            }
            for service in FIRST_VERSIONS
        ]
        return {
            "since": self.began.isoformat(timespec="seconds"),
            "otlp": self.shop.options.otlp,
            "services": services,
            "customers": self._customers(),
            "faults": [each.told() for each in tuple(self._active)],
            "changes": [_change_told(each) for each in tuple(self._changes)],
        }

    def version(self, service: str) -> str:
        """What most recently was rolled out, wholly or on some instances."""
        versions = [each.version for each in self.shop.instances(service)]
        earlier = self._earlier[service][-1:]
        return next((version for version in versions if version not in earlier), versions[0])

    def earlier_version(self, service: str) -> str:
        """What ran before the last deploy; empty where there was none."""
        self._known(service)
        return next((version for version in reversed(self._earlier[service]) if version != self.version(service)), "")

    def fault(self, name: str, *, service: str = "", seconds: float | None = None) -> dict[str, Any]:
        """Do a fault, or what only looks like one, and take it back after a time.

        Args:
            name: one of `FAULTS`, or of `DECOYS` where that does something.
            service: where; the first where it can be done if it is empty.
            seconds: how long; until `mend` if it is None.

        Raises:
            BadInput: there is no such fault, or it cannot be done to that service.
            Refused: something is done to that service already.
        """
        ways = DECOYS[name] if DECOYS.get(name) else fault_named(name).ways
        way = next((each for each in ways if service in ("", each.service)), None)
        if way is None:
            possible = ", ".join(dict.fromkeys(each.service for each in ways))
            raise BadInput(f"{name} cannot be done to {service!r}.", remedy=f"Choose one of: {possible}.")
        with self._lock:
            if any(each.way.service == way.service for each in self._active):
                raise Refused(f"Something is done to {way.service} already.", remedy="Run `middlewatch lab mend` first.")
            before = {each.version for each in self.shop.instances(way.service)}
            done = way.do(self.shop)
            until = datetime.now(UTC) + timedelta(seconds=seconds) if seconds is not None else None
            active = ActiveFault(name, way, done, until)
            self._active.append(active)
            if isinstance(way, Changed) and way.change.kind is ChangeKind.DEPLOY:
                self._earlier[way.service] += sorted(before)
            self._note(done.changes)
            return active.told()

    def mend(self) -> list[dict[str, Any]]:
        """Take back whatever is done to the shop; what could not be taken back stands in the status still.

        Returns:
            What that was.
        """
        with self._lock:
            mended = [each.told() for each in self._active]
            with ExitStack() as every:  # the others too, whatever goes wrong with one
                for each in reversed(self._active):
                    every.callback(self._take_back, each)
            return mended

    def deploy(self, service: str, version: str) -> dict[str, Any]:
        """Roll out a version, whatever it does.

        Raises:
            BadInput: there is no such service, or it runs that version.
        """
        self._known(service)
        with self._lock:
            if all(each.version == version for each in self.shop.instances(service)):
                raise BadInput(f"{service} runs {version} already.", remedy="Name another version.")
            before = self.version(service)
            applied = self.shop.apply(deploy(service, version, "by hand", actor="lab"))
            self._earlier[service].append(before)
            self._note((applied,))
            return _change_told(applied)

    def rollback(self, service: str, *, actor: str = "on-call") -> dict[str, Any]:
        """Roll out what ran before the last deploy; a fault that came with that deploy is over then.

        Raises:
            BadInput: there is no such service.
            Refused: it was never deployed here.
        """
        with self._lock:
            to = self.earlier_version(service)
            if not to:
                raise Refused(f"There is no earlier version of {service} to go back to.", remedy="See `middlewatch lab status`.")
            change = deploy(service, to, "", actor=actor)
            applied = self.shop.apply(replace(change, description=f"Roll back to {to}"))
            self._earlier[service] = self._earlier[service][: self._earlier[service].index(to)]
            self._active = [each for each in self._active if not _came_with_a_deploy_of(each, service)]
            self._note((applied,))
            return _change_told(applied)

    def restart(self, service: str, *, instance: str = "") -> tuple[str, ...]:
        """Replace the instances of a service, or one, by new ones of the same version.

        Raises:
            BadInput: there is no such service or instance.
        """
        self._known(service)
        with self._lock:
            return self.shop.restart(service, instance=instance)

    def tend(self) -> None:
        """Start again what ended, and take back faults whose time is over."""
        with self._lock:
            self.shop.tend(whatever_ended=True)
            for each in tuple(self._active):
                if each.until is not None and datetime.now(UTC) >= each.until:
                    try:
                        self._take_back(each)
                    except Exception:  # the others are taken back at their time all the same
                        LOG.exception("%s is not taken back from %s; it is tried again", each.name, each.way.service)
                        each.until = datetime.now(UTC) + timedelta(seconds=AGAIN_SECONDS)

    def tend_until(self, end: threading.Event) -> None:
        """Do that again and again, whatever goes wrong with one time."""
        go_round(end, self.tend, lambda: TEND_SECONDS, "the shop is not tended")

    def await_customers(self, well: Callable[[Mapping[str, Any]], bool], *, within_seconds: float) -> float | None:
        """Wait until what the customers meet with is as wanted.

        Args:
            well: told the load generator's report.
            within_seconds: how long to wait at most.

        Returns:
            The seconds that it took; None where it never was.
        """
        began = time.monotonic()
        while time.monotonic() - began < within_seconds:
            if well(self._customers()):
                return time.monotonic() - began
            time.sleep(TEND_SECONDS)
        return None

    def _take_back(self, fault: ActiveFault) -> None:
        changes = fault.done.take_back()
        self._active.remove(fault)  # only now: what could not be taken back is still done
        if isinstance(fault.way, Changed) and fault.way.change.kind is ChangeKind.DEPLOY:
            self._earlier[fault.way.service].clear()
        self._note(changes)

    def _note(self, changes: Sequence[AppliedChange]) -> None:
        for change in changes:
            if change.instances:  # a roll back of what was rolled back already changes nothing
                self._changes.append(change)
                self.tell(change)

    def _customers(self) -> dict[str, Any]:
        try:
            report = json.loads(self.shop.folder.load_report.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # none came yet
            return {}
        return report if isinstance(report, dict) else {}

    @staticmethod
    def _known(service: str) -> None:
        if service not in FIRST_VERSIONS:
            raise BadInput(f"There is no service {service!r}.", remedy=f"Choose one of: {', '.join(FIRST_VERSIONS)}.")


def possible_faults() -> dict[str, tuple[str, ...]]:
    """Every name that `Supervisor.fault` takes, with the services that it can be done to."""
    ways = {name: fault.ways for name, fault in FAULTS.items()} | {name: ways for name, ways in DECOYS.items() if ways}
    return {name: tuple(dict.fromkeys(way.service for way in each)) for name, each in ways.items()}


def _came_with_a_deploy_of(fault: ActiveFault, service: str) -> bool:
    way = fault.way
    return isinstance(way, Changed) and way.service == service and way.change.kind is ChangeKind.DEPLOY


def _change_told(applied: AppliedChange) -> dict[str, Any]:
    change = applied.change
    return {
        "time": applied.time.isoformat(timespec="milliseconds"),
        "service": change.service,
        "kind": change.kind.value,
        "version": change.version,
        "actor": change.actor,
        "description": change.description,
        "instances": list(applied.instances),
    }
