"""Objectives: counted and watched in the background; what burns too fast or fills up is an alert like any other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import TypeAdapter

from middlewatch.context_store.leases import StoreLease
from middlewatch.context_store.objective_counts import CountStore
from middlewatch.context_store.redaction import redact_names
from middlewatch.context_store.script import Server
from middlewatch.error_budgets import ErrorBudgets, in_words
from middlewatch.objective_counting import Counting
from middlewatch.records import MOST_LABELS, AlertMessage, AlertStatus, BudgetStanding, Exhaustion, Objective, Severity, digest_of
from middlewatch.records.errors import MiddlewatchError
from middlewatch.rounds import go_round
from middlewatch.service_catalogue import ServiceCatalogue
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.budgets import BurnRules, Firing, burn_rate, firing
from middlewatch.tools.objective_counts import MINUTES, Counts
from middlewatch.tools.usages import exhaustions

LOG = logging.getLogger(__name__)

SENDER: Final = "objectives"
"""The built-in sender."""
LOOK_SECONDS: Final = 15.0
"""Between two looks at objectives, at most: the fastest pair's short window is five minutes (chosen, not derived)."""
LOOKS: Final = 12
"""At least, in the shortest window that there is (chosen, not derived)."""
LEASE_SECONDS: Final = 120.0
"""How long whoever looks keeps it to themselves; longer than a look takes."""
FILLING_SECONDS: Final = 300.0
"""Between two looks at what fills up; the finest of them is an hour long."""
BURNING_MINUTE: Final = 0.5
"""Of the rate that a pair fires at: a minute that burns so much belongs to what fires (chosen, not derived)."""
SERVICE: Final = "service.name"
_EXHAUSTIONS = TypeAdapter(tuple[Exhaustion, ...])
_FILLING = "filling"

Receive = Callable[[Sequence[AlertMessage]], object]
"""Keeps alerts durably."""


class Objectives:
    """The objectives of a tenant. Every method may raise `StoreUnavailable`, `StaleEpoch` and `SourceUnavailable`."""

    def __init__(
        self, server: Server, tenant: str, catalogue: ServiceCatalogue, sources: Callable[[datetime], Sources], receive: Receive
    ) -> None:
        """Nothing is counted or looked at yet.

        Args:
            server: the store.
            tenant: whose.
            catalogue: what is declared.
            sources: the live telemetry up to a moment.
            receive: takes alerts.
        """
        self.catalogue = catalogue
        self.budgets = ErrorBudgets(server, tenant, catalogue)
        self.sources = sources
        self._store = CountStore(server, tenant)
        self._counting = Counting(self._store, sources)
        self._lease = StoreLease(server, tenant, SENDER)
        self._tenant = tenant
        self._receive = receive
        self._looked_at_filling: datetime | None = None

    def standings(self) -> tuple[BudgetStanding, ...]:
        """Of every objective, as counted last."""
        return self.budgets.standings()

    def of(self, service: str) -> tuple[BudgetStanding, ...]:
        """Of the objectives that name a service."""
        return self.budgets.of(service)

    def exhaustions(self) -> tuple[Exhaustion, ...]:
        """What fills up, by the last look, as it may be shown; the soonest first."""
        return tuple(map(redact_names, self._filling()))

    def _filling(self) -> tuple[Exhaustion, ...]:
        found = self._store.found(_FILLING)
        return _EXHAUSTIONS.validate_json(found) if found else ()

    def count(self, now: datetime) -> bool:
        """Count what is not counted yet.

        Returns:
            Whether that was all; the first count of many days takes several.
        """
        declared = self.catalogue.usable()
        return not declared.objectives or self._counting.count(declared.objectives, declared.burn, now)

    def look(self, now: datetime) -> tuple[AlertMessage, ...]:
        """Count, and tell of what fires and of what does not any more.

        Returns:
            What was told.
        """
        if not self._lease.take(LEASE_SECONDS):
            return ()
        try:
            declared = self.catalogue.usable()
            self.count(now)
            raised = {name: AlertMessage.model_validate_json(text) for name, text in self._store.raised().items()}
            fires = self._burning(declared.objectives, declared.burn, {*raised})
            fires |= {_fingerprint(one): _filling_message(self._tenant, one) for one in self._fills(now)}
            return self._tell(raised, fires, now)
        finally:
            self._lease.take(self._pause() / 2)  # nobody else looks at once after us

    def tend_until(self, stop: threading.Event) -> None:
        """Look again and again, until told to stop."""
        go_round(stop, lambda: self.look(datetime.now(UTC)), self._pause, "objectives are not looked at")

    def _pause(self) -> float:
        """Seconds between two looks: a window of a minute is looked at more often than one of five."""
        return min(LOOK_SECONDS, min(pair.short_seconds for pair in self.catalogue.usable().burn.pairs) / LOOKS)

    def _burning(self, objectives: Sequence[Objective], rules: BurnRules, raised: set[str]) -> dict[str, AlertMessage]:
        found = {}
        for objective, counts in zip(objectives, self.budgets.counts(objectives), strict=True):
            name = f"objective:{objective.name}"
            fires = firing(objective, rules, counts.within, fired=name in raised)
            if fires is not None:
                found[name] = _burning_message(self._tenant, name, objective, fires, counts)
        return found

    def _fills(self, now: datetime) -> tuple[Exhaustion, ...]:
        """What fills up among declared services; looked at less often than objectives, and the last result where it cannot be.

        It must not keep what burns from being told: its query is over hours, and is the first that fails under load.
        """
        services = sorted(self.catalogue.services)
        seen = self._looked_at_filling
        if seen is None or now - seen >= timedelta(seconds=FILLING_SECONDS):
            self._looked_at_filling = now
            try:
                found = exhaustions(self.sources(now), now, services=services) if services else ()
            except MiddlewatchError as error:
                LOG.warning("what fills up is not looked at: %s", error)
            except Exception:  # of whatever kind: what burns is told all the same
                LOG.exception("what fills up is not looked at")
            else:
                self._store.keep_found(_FILLING, _EXHAUSTIONS.dump_json(found).decode())
        return self._filling()

    def _tell(self, raised: dict[str, AlertMessage], fires: dict[str, AlertMessage], now: datetime) -> tuple[AlertMessage, ...]:
        """Tell of what is new, more or less severe, or over. It is received first and noted then: a message may come twice."""
        new = {}
        for name, message in fires.items():
            before = raised.get(name)
            if before is None:
                new[name] = message
            elif before.severity != message.severity:
                new[name] = message.model_copy(update={"started_at": before.started_at})
        over = {
            name: message.model_copy(update={"status": AlertStatus.RESOLVED, "ended_at": now})
            for name, message in raised.items()
            if name not in fires
        }
        told = (*new.values(), *over.values())
        if told:
            self._receive(told)
            self._store.keep_raised({**{name: one.model_dump_json() for name, one in new.items()}, **dict.fromkeys(over, "")})
        return told


def _burning_message(tenant: str, name: str, objective: Objective, fires: Firing, counts: Counts) -> AlertMessage:
    at = datetime.fromtimestamp(counts.at or 0.0, UTC)
    named = " and ".join(objective.services)
    what = f"{objective.journey} ({named})" if objective.journey else named
    several = f" ({named})" if len(objective.services) > 1 else ""
    return AlertMessage(
        tenant=tenant,
        sender=SENDER,
        kind=SENDER,
        fingerprint=name,
        status=AlertStatus.FIRING,
        title=f"{objective.name}{several}: {in_words(fires)}"[:1000],
        services=objective.services[:MOST_LABELS],
        labels={
            SERVICE: objective.services[0],
            "objective": objective.name,
            "objective.kind": objective.kind.value,
            "burn.long_window_hours": f"{fires.pair.long_hours:g}",
        },
        annotations={"promised": f"{what}: {objective.target:.5%} {objective.kind.value} over {objective.days:g} days"[:1000]},
        severity=fires.severity.value,
        started_at=_since(objective, counts, at, fires),
    )


def _since(objective: Objective, counts: Counts, at: datetime, fires: Firing) -> datetime:
    """Since when minutes burned without a pause as long as the short window, as far as the long one reaches.

    It is the end of the first such minute: when in it the trouble began is not known, and a change in it may have been the cause.
    """
    now, least = at.timestamp(), BURNING_MINUTE * fires.pair.rate(objective)
    began = now
    for start in sorted((start for start in counts.minutes if now - fires.pair.long_seconds <= start < now), reverse=True):
        if (burn_rate(counts.minutes[start], objective.target) or 0.0) >= least:
            began = float(start)
        elif began - start > fires.pair.short_seconds:
            break
    return datetime.fromtimestamp(min(began + MINUTES.step, now), UTC)


def _fingerprint(one: Exhaustion) -> str:
    usage = one.usage
    return f"filling:{digest_of(usage.service, usage.instance, usage.metric, usage.what)[:32]}"


def _filling_message(tenant: str, one: Exhaustion) -> AlertMessage:
    usage = one.usage
    return AlertMessage(
        tenant=tenant,
        sender=SENDER,
        kind=SENDER,
        fingerprint=_fingerprint(one),
        status=AlertStatus.FIRING,
        title=f"{usage.service}: {usage.resource} {one.in_words}"[:1000],
        labels={SERVICE: usage.service, "instance": usage.instance, "metric": usage.metric, "resource": usage.resource},
        annotations={"which": usage.what} if usage.what else {},
        severity=Severity.SEV_3.value,
        started_at=one.at - timedelta(hours=one.observed_hours),
    )
