"""The closed loop, live: a shop is broken by a bad deploy, and what middlewatch and a person do about it is timed.

Nothing is simulated but the customers. The shop and `middlewatch serve` are processes of their own (`tour_site`); what is here
leads through the steps and looks at what became of each. It knows what was done to the shop, and tells nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from middlewatch.evals.lab.tour_timeline import BASELINE_SECONDS, FAULT, Change, Customers, TourResult
from middlewatch.records import (
    AnomalyKind,
    ApprovalRequest,
    FoundCause,
    Investigation,
    InvestigationState,
    Occurrence,
    Recovery,
    Report,
    RequestState,
)
from middlewatch.records.errors import MiddlewatchError, UnknownInvestigation

CALM_SECONDS = 15.0
"""No more than a few failing customers for so long before anything is promised."""
HEALTHY_FAILING = 0.02
KEPT_SECONDS = 10.0
"""How long before anything is done it is said what is promised of the shop: a look or two at that."""
LOOK_SECONDS = 0.25
LIMITS = {"health": 300.0, "alert": 180.0, "cause": 120.0, "request": 60.0, "execution": 120.0, "recovery": 420.0}
"""Seconds that each step is waited for, far beyond its goal: a tour that misses a goal goes on and says so."""
TAKES_BACK = frozenset({"rollback_deploy"})
"""What a lead approves here: a roll back of whichever service the finding blames."""

T = TypeVar("T")


class Around(Protocol):
    """What a tour sees and does: the shop through its control, middlewatch through its store."""

    def declare(self) -> None:
        """Say what is promised of the shop: from now on it may be an alert that something is not kept."""

    def status(self) -> Mapping[str, Any]: ...
    def fault(self, name: str, service: str) -> Mapping[str, Any]: ...
    def occurrences(self) -> Sequence[Occurrence]: ...
    def investigation(self, name: str) -> Investigation: ...
    def report(self, name: str) -> Report | None: ...
    def requests(self, investigation: str) -> Sequence[ApprovalRequest]: ...
    def check(self) -> None:
        """Raise `Unavailable` where a process ended that must not."""


class Face(Protocol):
    """Who shows it to somebody."""

    def say(self, words: str) -> None: ...
    def progress(self, words: str) -> None:
        """What is being waited for; it takes the place of what was said so before."""

    def follow(self, investigation: str) -> None:
        """Show the agents at work until there is an answer."""

    def answered(self, report: Report) -> None: ...
    def decide(self, request: ApprovalRequest, decided: Callable[[], bool]) -> None:
        """Get it decided by whoever leads; it returns when it was, by whomever."""


class Over(MiddlewatchError):
    """A tour that cannot go on: the loop did not close."""


@dataclass(slots=True)
class Tour:
    """One run through all steps."""

    around: Around
    face: Face
    customers: Customers
    fault: str = FAULT
    service: str = ""
    baseline_seconds: float = BASELINE_SECONDS
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    limits: Mapping[str, float] = field(default_factory=lambda: LIMITS)
    result: TourResult = field(default_factory=TourResult)

    def run(self) -> TourResult:
        """Everything, one step after the other; what stops it stands in the result.

        Raises:
            Unavailable: a process of it ended.
        """
        try:
            self._be_healthy()
            self._break()
            occurrence = self._alerted()
            report = self._answered(occurrence)
            request = self._asked(report)
            self._decided(request)
            self._executed(request)
            self._recovered(request)
        except Over as over:
            self._note(problem=over.message)
        return self.result

    def _be_healthy(self) -> None:
        """Wait until the shop has opened and there is a past to compare with; then say what is promised, and that it is kept."""
        began = self.clock()

        def calm() -> bool:
            past = (self.clock() - began).total_seconds()
            troubled = self.customers.failing_since(self.clock(), CALM_SECONDS) > HEALTHY_FAILING
            self._say_how_long(past, "customers still fail since the opening; " if troubled else "")
            return past >= self.baseline_seconds - KEPT_SECONDS and not troubled

        def kept() -> bool:
            past = (self.clock() - began).total_seconds()
            if self.around.occurrences():
                raise Over("An alert fired before anything was done: the machine has too much else to do.")
            self._say_how_long(past, "")
            return past >= self.baseline_seconds

        self._until(calm, "health", "The shop does not get healthy: is the machine overloaded?", every=1.0)
        self.around.declare()
        self._until(kept, "health", "The past does not get long enough.", every=1.0)

    def _say_how_long(self, past: float, why: str) -> None:
        what = f"watching what is normal, {min(past, self.baseline_seconds):.0f} of {self.baseline_seconds:.0f} s"
        self.face.progress(f"{what}: {why}{self.customers.in_words()}")

    def _break(self) -> None:
        self._note(began_at=self.clock(), fault=self.fault)
        self.face.progress("a release goes out ...")
        told = self.around.fault(self.fault, self.service)
        changes = [each for each in self.around.status()["changes"] if each["service"] == told["service"]]
        change = Change(**{name: changes[-1][name] for name in Change.model_fields}) if changes else None
        self._note(done_at=datetime.fromisoformat(told["since"]), truth=str(told["service"]), change=change)
        done = f"{change.kind} of {change.service} {change.version}".strip() if change else f"{self.fault} in {told['service']}"
        self.face.say(f"{self.result.done_at:%H:%M:%S} {done}: {change.description if change else 'no change tells of it'}")

    def _alerted(self) -> Occurrence:
        def fires() -> Occurrence | None:
            self._see_effect()
            self.face.progress(f"waiting for an alert; {self.customers.in_words()}")
            return min(self.around.occurrences(), key=lambda one: one.first_at, default=None)

        found = self._until(fires, "alert", "No alert came.")
        self._see_effect()
        self._note(alerted_at=found.first_at, alert=found.message.title, sender=found.message.sender)
        self.face.say(f"{found.first_at:%H:%M:%S} alert of {found.message.sender}: {found.message.title}")
        return found

    def _answered(self, occurrence: Occurrence) -> Report:
        def opened() -> str | None:
            self.face.progress("its investigation is being opened")
            now = next((one for one in self.around.occurrences() if one.id == occurrence.id), occurrence)
            with suppress(UnknownInvestigation):  # an alert knows its investigation a moment before that is opened
                return self.around.investigation(now.investigation).id if now.investigation else None
            return None

        name = self._until(opened, "cause", "No investigation was opened for the alert.")
        self._note(investigation=name)
        self.face.follow(name)

        def closed() -> bool:
            return self.around.investigation(name).state is not InvestigationState.OPEN

        self._until(closed, "cause", "The investigation does not end.")
        report = self.around.report(name)
        if report is None:
            raise Over("The investigation ended without a report.")
        if report.opened_at < self._began:
            raise Over("The alert joined an investigation of the time before the fault, so nobody looked at it anew.")
        cause = report.causes[0] if report.causes else None
        self._note(caused_at=report.closed_at, blamed=cause.service if cause else "", blamed_change=blamed_change(report, cause))
        self.face.answered(report)
        if cause is None:
            raise Over("The investigation found no cause.")
        return report

    def _asked(self, report: Report) -> ApprovalRequest:
        """The roll back that middlewatch proposes, as soon as the executor has looked at its target."""
        blamed = report.causes[0].service

        def pending() -> ApprovalRequest | None:
            self.face.progress("the executor looks at what a roll back would do")
            for one in self.around.requests(report.investigation):
                if one.remediation.action in TAKES_BACK and one.remediation.target == blamed:
                    if one.state.terminal:
                        raise Over(f"The roll back cannot be asked for: {one.why}")
                    return one if one.state is not RequestState.PREPARING else None
            return None

        return self._until(pending, "request", "No roll back was proposed.")

    def _decided(self, request: ApprovalRequest) -> None:
        def decided() -> bool:
            return self._now(request).state is not RequestState.PENDING

        self.face.decide(request, decided)
        now = self._now(request)
        if not now.approvals:
            raise Over(f"The roll back was not approved: {now.why}")
        self._note(approved_at=now.approvals[-1].at, approved_by=now.approvals[-1].principal, request=now.id)

    def _executed(self, request: ApprovalRequest) -> None:
        def ended() -> ApprovalRequest | None:
            now = self._now(request)
            self.face.progress(f"{now.state}: {now.why}")
            return now if now.state.terminal else None

        now = self._until(ended, "execution", "The roll back was not executed.")
        if now.state is not RequestState.SUCCEEDED or now.execution is None or now.execution.ended_at is None:
            raise Over(f"The roll back was not done: {now.why}")
        self._note(executed_at=now.execution.ended_at)
        service = next(each for each in self.around.status()["services"] if each["name"] == request.remediation.target)
        pids = " and ".join(str(each["pid"]) for each in service["instances"])
        words = f"{service['name']} runs {service['version']} again, in new processes ({pids})"
        self.face.say(f"{now.execution.ended_at:%H:%M:%S} {words}")

    def _recovered(self, request: ApprovalRequest) -> None:
        assert self.result.executed_at is not None  # noqa: S101  it is noted just before
        executed = self.result.executed_at

        def verified() -> ApprovalRequest | None:
            self._note(well_at=self.customers.well_since(executed, self._began))
            self.face.progress(f"middlewatch watches the symptom; {self.customers.in_words()}")
            now = self._now(request)
            over = now.execution is not None and now.execution.recovery not in {None, Recovery.WATCHING}
            return now if over else None

        now = self._until(verified, "recovery", "Recovery was not verified.")
        assert now.execution is not None  # noqa: S101  it is over
        if now.execution.recovery is not Recovery.RECOVERED:
            raise Over(f"The symptom did not go away: {now.execution.recovery_note}")
        self._note(recovered_at=now.execution.recovered_at, verified_at=self.clock(), recovery=now.execution.recovery_note)
        self.face.say(f"{self.clock():%H:%M:%S} recovered: {now.execution.recovery_note}")

    # Helping

    @property
    def _began(self) -> datetime:
        assert self.result.began_at is not None  # noqa: S101  it is noted before anything is done
        return self.result.began_at

    def _now(self, request: ApprovalRequest) -> ApprovalRequest:
        found = self.around.requests(request.remediation.investigation)
        return next((one for one in found if one.id == request.id), request)

    def _see_effect(self) -> None:
        if self.result.visible_at is None:
            self._note(visible_at=self.customers.harmed_since(self._began))

    def _note(self, **known: object) -> None:
        self.result = self.result.model_copy(update=known)

    def _until(self, look: Callable[[], T | None], step: str, otherwise: str, *, every: float = LOOK_SECONDS) -> T:
        """What a look finds, as soon as it finds something.

        Raises:
            Over: it found nothing in the time of the step.
            Unavailable: a process ended.
        """
        began = self.clock()
        while not (found := look()):
            self.around.check()
            waited = (self.clock() - began).total_seconds()
            if waited > self.limits[step]:
                raise Over(f"{otherwise.rstrip('.')} within {waited:.0f} s." if not otherwise.endswith("?") else otherwise)
            self.sleep(every)
        return found


def blamed_change(report: Report, cause: FoundCause | None) -> str:
    """The change that a cause is put down to, such as `deploy 2.0.0`; empty where none is."""
    if cause is None or cause.change is None:
        return ""
    facts = (fact.anomaly for fact in report.evidence if fact.id == cause.change)
    return next((fact.subject.rpartition(" at ")[0] for fact in facts if fact.kind is AnomalyKind.CHANGE), "")
