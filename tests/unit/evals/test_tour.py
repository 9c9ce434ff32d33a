"""Invariant: a tour waits for health, follows what middlewatch does to the end, and calls closed and right only what was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from middlewatch.evals.lab.tour import HEALTHY_FAILING, LIMITS, Around, Tour
from middlewatch.evals.lab.tour_timeline import Change, Customers, TourResult
from middlewatch.records import AnomalyKind, ApprovalRequest, InvestigationState, Occurrence, Recovery, Report, RequestState
from middlewatch.records.errors import Unavailable, UnknownInvestigation
from tests.benchmarks.live_tours import problems_of

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
S = RequestState
PIDS = [{"pid": 7}, {"pid": 8}]


@dataclass
class World:
    """A shop and a middlewatch in which everything happens so many seconds after the fault."""

    alert: float | None = 30.0
    cause: float | None = 36.0
    blamed: str = "catalogue"
    version: str = "deploy 2.0.0"
    opened_after: float = 1.0
    harmed: float = 2.0
    executed: float = 5.0
    recovered: float = 40.0
    recovery: Recovery = Recovery.RECOVERED
    opening_trouble: float = 0.0
    joined_earlier: bool = False
    false_alarm: bool = False
    end: S = S.SUCCEEDED
    dies: bool = False
    lead_approves: bool = True
    declared: bool = False
    now: datetime = START
    fault_at: datetime | None = None
    approved_at: datetime | None = None
    customers: Customers = field(default_factory=Customers)

    def passes(self, seconds: float) -> None:
        for _ in range(max(1, round(seconds / 0.5))):
            self.now += timedelta(seconds=0.5)
            self.customers.note(self.now, self.report_of_load())

    def since_fault(self) -> float:
        return -1.0 if self.fault_at is None else (self.now - self.fault_at).total_seconds()

    def report_of_load(self) -> dict[str, float]:
        opening = (self.now - START).total_seconds() < self.opening_trouble
        bad = self.since_fault() >= self.harmed and not self.over(self.executed)
        failed = int(max(0.0, self.since_fault() - self.harmed) * 2) + bad
        return {"failed": failed, "failing": 0.15 if bad or opening else 0.0, "p95_seconds": 0.1, "requests_per_second": 10.0}

    def over(self, seconds: float) -> bool:
        return self.approved_at is not None and (self.now - self.approved_at).total_seconds() >= seconds

    def at(self, seconds: float) -> datetime:
        assert self.fault_at is not None
        return self.fault_at + timedelta(seconds=seconds)

    # What a tour asks

    def declare(self) -> None:
        self.declared = True

    def status(self) -> Mapping[str, Any]:
        version = "1.9.3" if self.over(self.executed) else "2.0.0"
        changes = [{"service": "catalogue", "kind": "deploy", "version": "2.0.0", "description": "markets", "actor": "ci"}]
        names = ("catalogue", "payment")
        return {"changes": changes, "services": [{"name": name, "version": version, "instances": PIDS} for name in names]}

    def fault(self, name: str, service: str) -> Mapping[str, Any]:
        self.fault_at = self.now
        return {"name": name, "service": service or "catalogue", "since": self.now.isoformat()}

    def occurrences(self) -> Sequence[Occurrence]:
        found = []
        if self.false_alarm and self.declared:
            found.append(SimpleNamespace(id="occ-0", first_at=START, resolved_at=None, investigation=None))
        if self.alert is not None and self.since_fault() >= self.alert:
            message = SimpleNamespace(title="shop-availability burns", sender="objectives")
            found.append(
                SimpleNamespace(id="occ-1", first_at=self.at(self.alert), resolved_at=None, investigation="inv-1", message=message)
            )
        return cast("list[Occurrence]", found)

    def investigation(self, name: str) -> Any:
        assert name == "inv-1"
        assert self.alert is not None
        if self.since_fault() < self.alert + self.opened_after:
            raise UnknownInvestigation("There is no investigation 'inv-1'.")
        done = self.cause is not None and self.since_fault() >= self.cause
        return SimpleNamespace(id=name, state=InvestigationState.CLOSED if done else InvestigationState.OPEN)

    def report(self, name: str) -> Report | None:
        assert self.cause is not None
        blamed = SimpleNamespace(id="ev-1", anomaly=SimpleNamespace(kind=AnomalyKind.CHANGE, subject=f"{self.version} at {START}"))
        causes = [SimpleNamespace(service=self.blamed, change="ev-1" if self.version else None)] if self.blamed else []
        opened = START if self.joined_earlier else self.at(self.cause - 3)
        return cast(
            "Report",
            SimpleNamespace(investigation=name, causes=causes, evidence=[blamed], opened_at=opened, closed_at=self.at(self.cause)),
        )

    def requests(self, investigation: str) -> Sequence[ApprovalRequest]:
        assert investigation == "inv-1"
        execution = None
        state = S.PENDING if self.approved_at is None else S.APPROVED
        if self.over(self.executed):
            assert self.approved_at is not None
            ended = self.approved_at + timedelta(seconds=self.executed)
            seen = self.recovery if self.over(self.recovered) else Recovery.WATCHING
            execution = SimpleNamespace(ended_at=ended, recovery=seen, recovery_note="it is back", recovered_at=ended)
            state = self.end
        found = SimpleNamespace(
            id="apr-1",
            state=state,
            why="so it is",
            execution=execution,
            approvals=[SimpleNamespace(at=self.approved_at, principal="mia")] if self.approved_at else [],
            remediation=SimpleNamespace(action="rollback_deploy", target=self.blamed, investigation="inv-1"),
        )
        return cast("list[ApprovalRequest]", [found])

    def check(self) -> None:
        if self.dies and self.since_fault() > 5:
            raise Unavailable("serve ended: out of memory")


@dataclass
class Lead:
    """Who approves at once, or never."""

    world: World
    said: list[str] = field(default_factory=list)
    waited: list[str] = field(default_factory=list)

    def say(self, words: str) -> None:
        self.said.append(words)

    def progress(self, words: str) -> None:
        self.waited.append(words)

    def follow(self, investigation: str) -> None:
        assert self.world.investigation(investigation).id == "inv-1"

    def answered(self, report: Report) -> None:
        assert report.investigation == "inv-1"

    def decide(self, request: ApprovalRequest, decided: Callable[[], bool]) -> None:
        assert request.id == "apr-1"
        assert not decided()
        self.world.approved_at = self.world.now if self.world.lead_approves else None
        assert decided() is self.world.lead_approves


def toured(world: World, *, lead: Lead | None = None) -> TourResult:
    face = lead or Lead(world)
    around = cast("Around", world)
    tour = Tour(around, face, world.customers, baseline_seconds=60, clock=lambda: world.now, sleep=world.passes)
    return tour.run()


def test_a_loop_that_closes_is_timed_from_the_first_harm_to_the_verified_recovery() -> None:
    world = World()
    lead = Lead(world)
    result = toured(world, lead=lead)
    assert (result.problem, result.closed, result.right, result.exit_code) == ("", True, True, 0)
    assert [round(goal.took_seconds or 0) for goal in result.goals()] == [28, 6, 5, 35]
    assert all(goal.met for goal in result.goals())
    assert result.began_at is not None
    assert result.began_at - START >= timedelta(seconds=60)
    words = [moment.words for moment in result.moments()]
    assert [words[0], words[2], words[3], words[-1]] == [
        "fault done: deploy of catalogue 2.0.0",
        "alert of objectives",
        "cause: catalogue deploy 2.0.0",
        "recovery verified",
    ]
    assert "customers are served well again" in words
    assert any("catalogue runs 1.9.3 again, in new processes (7 and 8)" in line for line in lead.said)


def test_a_goal_that_was_missed_is_said_and_is_no_failure() -> None:
    result = toured(World(alert=90.0, cause=101.0))
    assert [goal.met for goal in result.goals()] == [False, False, True, True]
    assert result.exit_code == 0


@pytest.mark.parametrize(("blamed", "version"), [("payment", "deploy 2.0.0"), ("catalogue", ""), ("catalogue", "deploy 1.9.3")])
def test_a_cause_that_is_not_the_truth_is_a_failure_however_well_the_rest_went(blamed: str, version: str) -> None:
    world = World(blamed=blamed, version=version)
    result = toured(world)
    assert result.exit_code == 1
    assert not result.right
    assert not result.goals()[1].met


@pytest.mark.parametrize(
    ("world", "problem"),
    [
        (World(alert=None), "No alert came"),
        (World(cause=None), "does not end"),
        (World(blamed=""), "found no cause"),
        (World(joined_earlier=True), "joined an investigation of the time before"),
        (World(lead_approves=False), "not approved"),
        (World(end=S.FAILED), "was not done"),
        (World(recovered=9999.0), "Recovery was not verified"),
        (World(recovery=Recovery.NOT_RECOVERED), "did not go away"),
    ],
)
def test_what_stops_the_loop_is_said_and_nothing_is_called_closed(world: World, problem: str) -> None:
    result = toured(world)
    assert problem in result.problem
    assert not result.closed
    assert result.exit_code == 1
    assert not result.goals()[-1].met
    assert result.told()["goals"][-1]["met"] is False


def test_nothing_is_promised_or_broken_before_the_shop_is_healthy() -> None:
    world = World(opening_trouble=130.0)
    lead = Lead(world)
    result = toured(world, lead=lead)
    assert result.began_at is not None
    assert result.began_at - START >= timedelta(seconds=130)
    assert any("customers still fail since the opening" in line for line in lead.waited)
    assert result.exit_code == 0


def test_nothing_is_broken_where_an_alert_fires_already() -> None:
    world = World(false_alarm=True)
    result = toured(world)
    assert world.fault_at is None
    assert "An alert fired before anything was done" in result.problem
    assert result.exit_code == 1


def test_a_shop_that_never_gets_healthy_is_not_broken() -> None:
    world = World(opening_trouble=10 * LIMITS["health"])
    result = toured(world)
    assert world.fault_at is None
    assert "does not get healthy" in result.problem


def test_a_process_that_dies_ends_the_tour() -> None:
    with pytest.raises(Unavailable, match="serve ended"):
        toured(World(dies=True, alert=None))


def samples(*reports: tuple[float, int, float, float]) -> Customers:
    customers = Customers()
    for at, failed, failing, p95 in reports:
        report = {"failed": failed, "failing": failing, "p95_seconds": p95, "requests_per_second": 10.0}
        customers.note(START + timedelta(seconds=at), report)
    return customers


def test_the_first_harm_is_no_later_than_it_was_reported_and_more_than_was_usual() -> None:
    before = ((-20.0, 3, 0.01, 0.1), (-1.0, 3, 0.01, 0.1), (1.0, 4, 0.01, 0.1))
    assert samples(*before).harmed_since(START) is None
    assert samples(*before, (2.0, 6, 0.03, 0.1)).harmed_since(START) == START + timedelta(seconds=1)
    assert samples(*before, (2.0, 4, 0.01, 0.3)).harmed_since(START) == START + timedelta(seconds=1)
    assert samples((-1.0, 0, 0.0, 0.1), (2.0, 6, 0.03, 0.1)).harmed_since(START) == START


def test_customers_are_well_when_they_fare_as_before() -> None:
    reports = ((-1.0, 3, 0.01, 0.2), (5.0, 20, 0.2, 0.2), (31.0, 40, 0.1, 0.2), (35.0, 40, 0.01, 0.5), (40.0, 40, 0.01, 0.3))
    assert samples(*reports).well_since(START + timedelta(seconds=30), START) == START + timedelta(seconds=40)
    assert samples(*reports[:4]).well_since(START + timedelta(seconds=30), START) is None
    assert samples(*reports).failing_since(START + timedelta(seconds=41), 15.0) == 0.1 > HEALTHY_FAILING
    assert Customers().failing_since(START, 15.0) == 1.0
    assert Customers().in_words() == "no customers yet"


def test_without_a_change_the_service_alone_is_the_truth() -> None:
    assert TourResult(truth="payment", blamed="payment").right
    assert not TourResult(truth="", blamed="").right
    change = Change(service="payment", kind="deploy", version="6.2.0", description="")
    assert not TourResult(truth="payment", blamed="payment", change=change).right


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        ({"problem": "No alert came."}, ["No alert came."]),
        ({"alerted_at": START + timedelta(seconds=70)}, ["missed: alert after the first visible effect (70.0 s)"]),
        (
            {"blamed": "cart"},
            ["blamed cart deploy 2.0.0, and it was catalogue", "missed: cause after the alert (5.0 s)"],
        ),
    ],
)
def test_a_check_of_tours_fails_on_a_missed_goal_and_a_wrong_blame(changed: dict[str, object], said: list[str]) -> None:
    at = {
        "visible_at": START,
        "alerted_at": START + timedelta(seconds=20),
        "caused_at": START + timedelta(seconds=75 if "alerted_at" in changed else 25),
        "approved_at": START + timedelta(seconds=80),
        "executed_at": START + timedelta(seconds=85),
        "verified_at": START + timedelta(seconds=120),
    }
    change = Change(service="catalogue", kind="deploy", version="2.0.0", description="")
    told = TourResult(truth="catalogue", blamed="catalogue", blamed_change="deploy 2.0.0", change=change)
    assert problems_of(told.model_copy(update={**at, **changed}).told()) == said
