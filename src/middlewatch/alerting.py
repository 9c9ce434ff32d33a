"""Alerts, whole: what senders say of them, what is opened for them, how severe that is, and what people make of it by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Protocol

from middlewatch.approval.desk import Desk
from middlewatch.context_store.leases import StoreLease
from middlewatch.context_store.occurrences import Change, Plan, Row, shown_in
from middlewatch.context_store.redaction import redact_names
from middlewatch.occurrences import Occurrences, in_order
from middlewatch.opening import BY_HAND, Surroundings, plan_for
from middlewatch.ratings import Known, Ratings
from middlewatch.records import (
    Alert,
    ApprovalRequest,
    BudgetStanding,
    Handling,
    Investigation,
    InvestigationState,
    Occurrence,
    Rating,
    UtcDatetime,
)
from middlewatch.records.errors import BadInput, Conflict, UnknownInvestigation
from middlewatch.senders import Senders
from middlewatch.service_catalogue import ServiceCatalogue
from middlewatch.severity import Facts
from middlewatch.surroundings import Before, LiveTelemetry, named_service
from middlewatch.tending import Tending
from middlewatch.tools.bursts import Group

_TURNS: Final = 16


class Investigate(Protocol):
    """Opens an investigation; see `App.investigate`."""

    def __call__(self, alert: Alert, *, recording: str = "", name: str = "") -> Investigation: ...


@dataclass(frozen=True, slots=True)
class Telling:
    """What is known and done of investigations."""

    investigate: Investigate
    look: Callable[[str], Investigation]
    handlings: Callable[[Sequence[str]], Mapping[str, Handling]]
    requests: Callable[[], tuple[ApprovalRequest, ...]]
    budgets: Callable[[str], Sequence[BudgetStanding]]
    """How the objectives of a service stand."""


@dataclass(frozen=True, slots=True)
class AlertStory:
    """An investigation, by its alerts."""

    investigation: Investigation
    alerts: tuple[Occurrence, ...]
    """The first first; the newest may be missing where there are thousands."""
    count: int
    """How many there are."""
    rating: Rating | None
    answered: bool
    """Whether somebody acknowledged it, here or at a sender."""
    called: bool
    """Whether anybody is called for it, so that somebody must answer."""
    followed_by: tuple[str, ...]

    def is_late(self, now: UtcDatetime) -> bool:
        """Whether somebody should have answered by now, and nobody did."""
        return self.rating is not None and self.called and not self.answered and now >= self.rating.respond_by


class Alerting:
    """The alerts of a tenant."""

    def __init__(
        self,
        desk: Desk,
        occurrences: Occurrences,
        catalogue: ServiceCatalogue,
        senders: Senders,
        telling: Telling,
        telemetry: LiveTelemetry,
    ) -> None:
        """Prefer `App.alerting`."""
        tenant, server = telemetry.tenant, occurrences.store.server
        self.occurrences = occurrences
        self._catalogue = catalogue
        self._telling = telling
        self._telemetry = telemetry
        known = Known(tenant, self._facts, self.occurrences.of_all, telling.look, telling.handlings)
        self.ratings = Ratings(desk, StoreLease(server, tenant, "severities"), known)
        self._around = Surroundings(
            tenant=tenant,
            service_of=named_service(telemetry, catalogue, senders),
            maintenance=catalogue.maintenance,
            calls=telemetry.calls,
            metric=telemetry.metric,
            since=Before(telemetry, telling.requests),
            investigate=lambda alert, name: telling.investigate(alert, name=name),
            look=telling.look,
            begun=self.ratings.begin,
            rate=self.ratings.rate,
        )
        self.tending = Tending(self.occurrences, self._around, StoreLease(server, tenant, "alerts"))

    def investigate(self, name: str, *, service: str = "") -> Investigation:
        """Investigate an alert by hand, whatever became of it: one that is held, or was investigated before.

        Args:
            name: the alert's id.
            service: of which it is, by whoever asks, where it maps to none.

        Raises:
            UnknownAlert: there is none.
            BadInput: it is of another service.
            StoreFull: memory is short.
        """
        service = self._catalogue.named(service) or service
        for _ in range(_TURNS):
            row = self.occurrences.row(name)
            one = row.occurrence
            if service and one.service not in {"", service}:
                raise BadInput(f"The alert {name} is of {one.service}, by {one.mapped_by}.", remedy="Leave the service out.")
            earlier = self._telling.look(one.investigation) if one.investigation else None
            if earlier is not None and earlier.state is InvestigationState.OPEN:
                return redact_names(earlier)
            now = self.occurrences.store.due().now
            found = one.service or service or self._around.service_of(one.message)[0]
            by = one.mapped_by if one.service or not service else BY_HAND
            mapped = Row(one.model_copy(update={"service": found, "mapped_by": by}), row.token, None)
            group = Group(frozenset({found}), frozenset({found}))
            around = replace(self._around, source=BY_HAND)
            investigation, plan = plan_for([mapped], group, around.calls(now), earlier, around, now)
            if self._decided(mapped, investigation, plan):
                return self._opened(investigation, plan)
        raise Conflict(f"The alert {name} changes too fast.", remedy="Try again.")

    def again(self, investigation: str, *, name: str = "") -> Investigation:
        """Run an investigation again by hand: the same alert and window, by what telemetry and agents say now.

        Args:
            investigation: which.
            name: of the request for it, as in `App.investigate`.

        Returns:
            A new one that follows it; the same where it is still open.

        Raises:
            UnknownInvestigation: there is none.
            StoreFull: memory is short.
        """
        found = self._telling.look(investigation)
        if found.state is InvestigationState.OPEN:
            return redact_names(found)
        since = (f"It was run again by hand, over the same time as {found.id}.",)
        source = found.alert.source if found.scope.recording else BY_HAND
        alert = found.alert.model_copy(update={"source": source, "follows": found.id, "since": since})
        new = self._telling.investigate(alert, recording=found.scope.recording, name=name)
        for row in self.occurrences.store.of(investigation).rows:
            one = row.occurrence
            if new.id not in {one.investigation, *one.also}:
                self.occurrences.store.write([Change(one.model_copy(update={"also": (*one.also, new.id)}), row.token, row.due)])
        if not found.scope.recording:
            self.ratings.begin(new.id)
        return new

    def story(self, investigation: str) -> AlertStory:
        """What an investigation's alerts and severity are, and which investigations it stands between.

        Raises:
            UnknownInvestigation: there is none.
        """
        found = self._telling.look(investigation)
        alerts = self.occurrences.store.of(found.id)
        shown = tuple(map(redact_names, in_order(alerts.rows)))
        others = {name for one in shown for name in shown_in(one)} - {found.id}
        later = []
        for name in sorted(others):
            with suppress(UnknownInvestigation):
                later += [name] if self._telling.look(name).alert.follows == found.id else []
        rating = self.ratings.of(found.id)
        answered = self.ratings.answered(found, shown)
        called = rating is not None and self.ratings.calls_for(found, rating)
        return AlertStory(redact_names(found), shown, alerts.all, rating, answered, called, tuple(later))

    def _decided(self, row: Row, investigation: str, plan: Plan) -> bool:
        one = row.occurrence
        also = tuple(dict.fromkeys(name for name in (one.investigation, *one.also) if name))
        change = Change(one.model_copy(update={"investigation": investigation, "also": also, "held": ""}), row.token)
        return self.occurrences.store.write([change], investigation=investigation, plan=plan).done[0]

    def _opened(self, investigation: str, plan: Plan) -> Investigation:
        found = self._around.investigate(plan.alert, plan.name)
        self._around.begun(investigation)
        self.occurrences.store.end_plan(investigation)
        return found

    def _facts(self, investigation: Investigation, alerts: Sequence[Occurrence]) -> Facts:
        symptom = investigation.alert.symptom
        services = {one.service for one in alerts if one.service} | ({symptom.service} if symptom else set())
        standings = {one.objective.name: one for service in sorted(services) for one in self._telling.budgets(service)}
        now = self.occurrences.store.due().now
        return Facts(
            services=tuple(sorted(services)),
            impact=self._telemetry.impact(frozenset(services), investigation.alert.detected_at, now),
            budgets=tuple(standings.values()),
            tier=self._catalogue.tier,
            behind=tuple(sorted({name for one in alerts for name in one.services} - services)),
            said=tuple(one.message.severity for one in alerts if one.message.severity),
        )
