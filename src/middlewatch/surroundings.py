"""What telemetry, the catalogue and the store say when something is opened for alerts."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from middlewatch import service_naming
from middlewatch.agents.specialist import OpenSources
from middlewatch.records import (
    AlertMessage,
    ApprovalRequest,
    Impact,
    Investigation,
    Outcome,
    RequestState,
    Scope,
    UtcDatetime,
    Window,
)
from middlewatch.records.errors import MiddlewatchError, Misconfigured, Unavailable
from middlewatch.records.question import ListQuestion
from middlewatch.records.quoting import quoted
from middlewatch.remembered import Remembered
from middlewatch.senders import OWN_SENDERS, Senders
from middlewatch.service_catalogue import ServiceCatalogue
from middlewatch.service_naming import KnownServices, NamingRules
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.bursts import Calls
from middlewatch.tools.change_records import changes_of
from middlewatch.tools.impact import impact
from middlewatch.tools.questions import list_services
from middlewatch.tools.service_map import service_map

LOG = logging.getLogger(__name__)

MAP: Final = timedelta(hours=1)
"""Over which calls are counted for the map: rare paths show up within an hour. Chosen."""
MAP_KEPT_SECONDS: Final = 60.0
"""A storm asks many times; who calls whom changes with deploys."""
UNKNOWN_SECONDS: Final = 20.0
"""How soon telemetry is asked again for a service that it did not know: one that just began to report is unknown for so long.
Chosen: soon enough for who waits for an answer, and no more than three such questions a minute, whatever is unknown."""
METRICS: Final = timedelta(minutes=15)
MOST_TOLD: Final = 5
"""Changes and actions that are told one by one: a person reads no more. Chosen."""
_METRIC_LABELS: Final = ("metric", "metric_name", "metric.name", "__name__")
OWN_LABEL: Final = "service.name"
"""By which middlewatch's own alerts name their service outright."""
_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")


class LiveTelemetry:
    """A tenant's own telemetry, as far as it answers."""

    def __init__(self, tenant: str, open_sources: Callable[[], OpenSources]) -> None:
        self.tenant = tenant
        self._scope = Scope(tenant=tenant)
        self._open = open_sources
        self._calls: Remembered[Calls] = Remembered(MAP_KEPT_SECONDS)
        self._services: Remembered[frozenset[str]] = Remembered(MAP_KEPT_SECONDS)

    def sources(self, now: UtcDatetime) -> Sources:
        """All of it up to now."""
        return self._open()(self._scope, now)

    def services(self, now: UtcDatetime, *, within: float = MAP_KEPT_SECONDS) -> frozenset[str]:
        """Those that telemetry knows of the last hour, as it said no more than so many seconds ago."""
        asked = ListQuestion(services=(), limit=500)
        window = Window(start=now - MAP, end=now)

        def look() -> frozenset[str]:
            return frozenset(row.service for row in list_services(self.sources(now), window, asked).services)

        return self._services(look, within=within)

    def calls(self, now: UtcDatetime) -> Calls:
        """Who calls whom; nobody anybody where telemetry does not answer: alerts are sorted without a map then."""
        try:
            return self._calls(lambda: Calls.of(service_map(self.sources(now), Window(start=now - MAP, end=now))))
        except MiddlewatchError as error:
            LOG.warning("alerts are sorted without a service map: %s", error)
            return Calls({})

    def metric(self, service: str, message: AlertMessage, now: UtcDatetime) -> str | None:
        """The metric of the service that an alert names, as telemetry has it: separators and unit may differ."""
        named = [_plain(message.labels.get(label) or message.annotations.get(label) or "") for label in _METRIC_LABELS]
        wanted = [name for name in named if name]
        if not wanted:
            return None
        try:
            answer = self.sources(now).metrics.catalogue(Window(start=now - METRICS, end=now), services=[service])
        except MiddlewatchError:
            return None
        there = sorted({str(name) for name in cast("list[object]", answer.table.column("metric").to_pylist())})
        same = (name for want in wanted for name in there if want == _plain(name) or want.startswith(f"{_plain(name)}_"))
        return next(same, None)

    def changes(self, services: frozenset[str], window: Window) -> Iterator[str]:
        """What was changed in services, in words, the newest first."""
        found = changes_of(self.sources(window.end).changes.changes(window, services=sorted(services)).table)
        for change in reversed(found):
            version = f" to version {quoted(change.version)}" if change.version else ""
            yield f"{change.done} of {quoted(change.service)}{version} at {_clock(change.time)}"

    def impact(self, services: frozenset[str], since: UtcDatetime, now: UtcDatetime) -> Impact | None:
        """What users notice at the entry services above some; None where telemetry does not tell."""
        calls = self.calls(now)
        entries = [entry for entry, depth in calls.depth().items() if not depth and calls.reached(entry) & services]
        try:
            return impact(self.sources(now), entries or sorted(services), since, now)
        except MiddlewatchError as error:
            LOG.warning("what users notice is not known: %s", error)
            return None


@dataclass(frozen=True, slots=True)
class Before:
    """What came of an earlier investigation, and what happened since."""

    telemetry: LiveTelemetry
    requests: Callable[[], tuple[ApprovalRequest, ...]]
    """The newest approval requests."""

    def __call__(self, earlier: Investigation, services: frozenset[str], now: UtcDatetime) -> tuple[str, ...]:
        """In words: what it found, what was changed since, which actions were executed since."""
        return (self._found(earlier), self._changed(earlier, services, now), self._acted(earlier))

    def _found(self, earlier: Investigation) -> str:
        when = f"The investigation {earlier.id} of {_clock(earlier.alert.detected_at)}"
        if earlier.headline is None:
            return f"{when} has no answer."
        if earlier.headline.outcome is Outcome.FINDING:
            return f"{when} found: {earlier.headline.answer}"
        return f"{when} was inconclusive: {earlier.headline.answer}"

    def _changed(self, earlier: Investigation, services: frozenset[str], now: UtcDatetime) -> str:
        start = earlier.alert.window_end
        if start >= now:
            return "Nothing can have changed since."
        try:
            told = list(self.telemetry.changes(services, Window(start=start, end=now)))
        except MiddlewatchError:
            return "What was changed since is not known: the telemetry did not answer."
        if not told:
            return "No change of these services was recorded since."
        return _listed("Changed since", told)

    def _acted(self, earlier: Investigation) -> str:
        start = earlier.opened_at or earlier.alert.window_end
        told = [
            f"{one.remediation.action} on {quoted(one.remediation.target)} at {_clock(one.execution.began_at)}, {_outcome(one)}"
            for one in self.requests()
            if one.execution is not None and one.execution.began_at >= start
        ]
        return _listed("Done since", told) if told else "No action was executed since."


def _outcome(one: ApprovalRequest) -> str:
    recovery = one.execution.recovery if one.execution else None
    after = f", {str(recovery).replace('_', ' ')}" if recovery else ""
    return ("its outcome is unknown" if one.state is RequestState.UNKNOWN else str(one.state).replace("_", " ")) + after


def _listed(what: str, told: list[str]) -> str:
    more = f"; and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
    return f"{what}: {'; '.join(told[:MOST_TOLD])}{more}."


def _clock(at: UtcDatetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _plain(name: str) -> str:
    return _SEPARATORS.sub("_", name.lower()).strip("_")


def named_service(
    telemetry: LiveTelemetry, catalogue: ServiceCatalogue, senders: Senders
) -> Callable[[AlertMessage], tuple[str, str]]:
    """Says which service an alert is about, by the rules of its sender and the services that there are."""

    def service_of(message: AlertMessage) -> tuple[str, str]:
        try:
            entry = senders.entry(message.sender)
        except Misconfigured as error:  # the file may be mended in a minute; the alert is there now
            LOG.warning("alerts are mapped without their senders' rules: %s", error)
            entry = None
        failure: Unavailable | None = None
        rules = NamingRules(entry.map, entry.service_labels) if entry else NamingRules()
        for within in (MAP_KEPT_SECONDS, UNKNOWN_SECONDS):  # one that just began to report is in no earlier answer
            try:
                seen = telemetry.services(datetime.now(UTC), within=within)
            except Unavailable as error:
                seen, failure = frozenset[str](), error
            found, why = service_naming.service_of(message, rules, KnownServices(seen, catalogue.named))
            if found or failure:
                break
        own = "" if entry or message.sender not in OWN_SENDERS else message.labels.get(OWN_LABEL, "")
        if not found and own:
            return own, f"the label {OWN_LABEL}"
        if not found and failure is not None:
            raise failure
        return found, why

    return service_of
