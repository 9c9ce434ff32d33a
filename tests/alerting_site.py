"""Alerting over a real store, with a map of calls, maintenance and telemetry that a test sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import pytest

from middlewatch import tending
from middlewatch.alerts import investigation_id
from middlewatch.context_store.leases import StoreLease
from middlewatch.context_store.store import ContextStore
from middlewatch.occurrences import Occurrences
from middlewatch.opening import Surroundings
from middlewatch.records import Alert, AlertMessage, AlertStatus, Completion, Edge, Investigation, Scope
from middlewatch.tending import Tending
from middlewatch.tools.bursts import Calls
from tests.alert_data import make_message
from tests.store_data import make_report, make_task
from tests.store_fixtures import set_times

TENANT = "default"


@dataclass
class AlertingSite:
    """A tenant with a map of calls; maintenance and what telemetry knows can be set."""

    store: ContextStore
    edges: str | frozenset[tuple[str, str]] = ""
    """Pairs of services; in a text such as "ab bc" with names of one letter."""
    maintained: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    opens: Callable[[], None] = lambda: None
    opened: list[str] = field(default_factory=list)
    begun: list[tuple[str, int]] = field(default_factory=list)
    """Those whose severity is looked after, and how many alerts they showed by then, each time that it was said."""
    names: Iterator[int] = field(default_factory=count)

    @property
    def occurrences(self) -> Occurrences:
        return Occurrences(self.store.server, TENANT)

    def tender(self, lease: str) -> Tending:
        around = Surroundings(
            tenant=TENANT,
            service_of=self._service_of,
            maintenance=lambda service, _at: self.maintained.get(service, ""),
            calls=lambda _now: Calls.of(Edge(caller=caller, callee=callee) for caller, callee in self._pairs()),
            metric=lambda _service, message, _now: message.labels.get("metric"),
            since=lambda earlier, services, _now: (f"After {earlier.id}: {', '.join(sorted(services))}.",),
            investigate=self.investigate,
            look=lambda name: self.store.investigation(TENANT, name),
            begun=lambda name: self.begun.append((name, self.occurrences.counts([name])[name])),
        )
        return Tending(self.occurrences, around, StoreLease(self.store.server, TENANT, lease))

    def _pairs(self) -> list[tuple[str, str]]:
        return [(pair[0], pair[1]) for pair in (self.edges.split() if isinstance(self.edges, str) else self.edges)]

    def _service_of(self, message: AlertMessage) -> tuple[str, str]:
        service = message.labels.get("service.name", "")
        return ("", "nobody knows it") if service in self.unknown else (service, "its label")

    def investigate(self, alert: Alert, name: str) -> Investigation:
        self.opens()
        investigation = Investigation(tenant=TENANT, id=investigation_id(alert, name), scope=Scope(tenant=TENANT), alert=alert)
        found, new = self.store.open(investigation, make_task("plan", investigation=investigation))
        self.opened += [found.id] if new else []
        return found

    def close(self) -> None:
        """Every open one comes to a report."""
        while (claim := self.store.claim("ann")) is not None:
            investigation = self.store.investigation(TENANT, claim.task.investigation)
            self.store.finish(claim, Completion(report=make_report(investigation)))

    def fire(self, *services: str, status: AlertStatus = AlertStatus.FIRING) -> None:
        self.occurrences.receive([make_message(f"fp-{service}", status, service=service) for service in services])

    def tend(self, times: int = 4) -> None:
        tender = self.tender(f"alerts-{next(self.names)}")
        for _ in range(times):
            tender.tend()

    def settle(self) -> None:
        """The burst is over, by all clocks."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tending, "SETTLE_SECONDS", -3600.0)
            now_ms = int(datetime.now(UTC).timestamp() * 1000) - 1000
            set_times(self.store.server.redis, "*:due", now_ms)
            self.tend()

    def shown(self) -> dict[str, str]:
        """Investigation -> the services whose alerts it shows."""
        return {one: "".join(sorted(found.service for found in self.occurrences.of(one))) for one in self.opened}
