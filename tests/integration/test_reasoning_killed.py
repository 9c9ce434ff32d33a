"""Invariant: whoever dies at whatever step with language models, the investigation ends, and its report says the same."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from middlewatch.agents.language_model.prices import Price, Priced
from middlewatch.agents.phases import phase_task
from middlewatch.agents.weights import NO_WEIGHTS
from middlewatch.app import AGENTS
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.model_budgets import ModelBudgets
from middlewatch.context_store.model_calls import ModelCalls
from middlewatch.context_store.store import ContextStore
from middlewatch.models import BudgetEntry, Opened
from middlewatch.reasoning import Reasoning
from middlewatch.records import Claim, Completion, FencingToken, Headline, Report, Snapshot, Task, TaskKind
from middlewatch.records.errors import LeaseLost
from tests.store_fixtures import end_pauses, expire
from tests.store_fixtures import redis as server
from tests.unit.agents.reasoning.scene import Scene
from tests.unit.agents.shared_context import SharedContext

__all__ = ["server"]

NOTHING: Any = None

WITH_MODELS = {TaskKind.CONCLUDE, TaskKind.REASON, TaskKind.CHALLENGE, TaskKind.WRITE}
FATES = st.sampled_from(["lives", "dies before it begins", "dies before it hands in", "is late", "hands in twice"])


class Line(Scene):
    """The same over a real store: whoever holds a task does it, or comes to a bad end over it."""

    def __init__(self, redis: Redis) -> None:
        super().__init__()
        self.redis = redis
        self.store = ContextStore(redis, epoch=Epoch(), max_attempts=5)
        self.store.open(
            self.snapshot.investigation, phase_task(Snapshot(investigation=self.snapshot.investigation), TaskKind.PLAN, 1)
        )
        self.ended: Counter[str] = Counter()

    def to_its_end(self, fates: list[str]) -> Snapshot:
        """Every fate meets one task; a task meets one at most."""
        due, met = iter(fates), set[str]()
        while (claim := self.store.claim("ann")) is not None or self.waits():
            if claim is None:
                continue
            fate = "lives"
            if claim.task.kind in WITH_MODELS and claim.task.id not in met:
                met.add(claim.task.id)
                fate = next(due, "lives")
            self.ended[fate] += 1
            self.meet(claim, fate)
        return self.store.snapshot("default", "inv-1")

    def waits(self) -> bool:
        end_pauses(self.redis)
        return bool(self.store.sweep())

    def meet(self, claim: Claim, fate: str) -> None:
        self.snapshot, self.attempt = self.store.snapshot("default", "inv-1"), claim.attempt
        if fate == "dies before it begins":
            expire(self.redis, claim)
            self.store.reap()
            return
        done = self._do(claim.task)
        assert done is not None
        if fate in {"dies before it hands in", "is late"}:
            expire(self.redis, claim)
            self.store.reap()
            if fate == "is late":
                with pytest.raises(LeaseLost):
                    self.store.finish(claim, done)
            return
        assert self.store.finish(claim, done)
        if fate == "hands in twice":
            assert not self.store.finish(claim, done)


def told(report: Report) -> dict[str, object]:
    """All that a report says but how long calls took, and at which attempt they were made."""
    assert report.models is not None
    quiet = report.models.model_copy(update={"calls": tuple(call.agent for call in report.models.calls)})
    said = report.model_copy(update={"models": quiet}).model_dump(exclude={"opened_at", "closed_at", "timings"}, warnings=False)
    return dict(said)


def ran(redis: Redis, fates: list[str]) -> Snapshot:
    redis.flushall()
    line = Line(redis)
    end = line.to_its_end(fates)
    assert line.ended >= Counter(fates)
    return end


@settings(max_examples=10, deadline=None)
@given(fates=st.lists(FATES, min_size=7, max_size=7))
def test_it_ends_with_the_same_report_whoever_dies(server: Redis, fates: list[str]) -> None:
    undisturbed, disturbed = ran(server, []), ran(server, fates)
    assert undisturbed.report is not None
    assert disturbed.report is not None
    assert told(disturbed.report) == told(undisturbed.report)
    assert disturbed.preliminary is None
    assert [status.task.id for status in disturbed.tasks] == [status.task.id for status in undisturbed.tasks]
    assert len(disturbed.votes) == len(undisturbed.votes)
    assert {fact.id for fact in disturbed.evidence} == {fact.id for fact in undisturbed.evidence}


def test_a_step_that_kills_everybody_ends_without_its_model(server: Redis) -> None:
    server.flushall()
    line = Line(server)
    while (claim := line.store.claim("ann")) is not None:
        hopeless = claim.task.kind is TaskKind.REASON and claim.attempt <= 2
        line.meet(claim, "dies before it hands in" if hopeless else "lives")
        end_pauses(server)
    report = line.store.snapshot("default", "inv-1").report
    assert report is not None
    assert report.models is not None
    (told,) = report.models.problems
    assert told.startswith("The models of the deploys, logs, metrics and traces agents were given up: twice")
    assert not any(one.claims for one in report.models.reasoning)
    assert report.models.prose


class Counted(Line):
    """The same through the application's own reasoning, which keeps each call as soon as it is over."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self.server = self.store.server
        self.reasoning = Reasoning(NOTHING, AGENTS, self.server, "default", NOTHING, lambda _: NO_WEIGHTS)
        self.reasoning.instead = Opened(
            "m", self.scripted, Priced(Price(input=10.0, cached=10.0, cache_written=10.0, output=10.0), "2026-11-01"), BudgetEntry()
        )

    def _do(self, task: Task) -> Completion | None:
        claim = Claim(task=task, owner="ann", token=FencingToken(epoch=1, counter=1), attempt=self.attempt, lease_seconds=30.0)
        if task.kind is TaskKind.REASON:
            return self.reasoning.reason(self.snapshot, claim, self.event())
        done = SharedContext._do(self, task)
        if done is not None and task.kind is TaskKind.CHALLENGE:
            return self.reasoning.challenge(self.snapshot, claim, done, self.event())
        if done is not None and task.kind is TaskKind.WRITE:
            assert done.report is not None
            return done.model_copy(update={"report": self.reasoning.write(self.snapshot, claim, done.report, self.event())})
        return done


@settings(max_examples=5, deadline=None)
@given(fates=st.lists(st.sampled_from(["lives", "dies before it hands in"]), min_size=7, max_size=7))
def test_calls_of_whoever_died_are_in_the_report_and_its_costs_each_once(server: Redis, fates: list[str]) -> None:
    server.flushall()
    line = Counted(server)
    end = line.to_its_end(fates)
    assert end.report is not None
    assert end.report.models is not None
    calls = end.report.models.calls
    assert sorted(call.id for call in calls) == sorted({call.id for call in ModelCalls(line.server, "default").of("inv-1")})
    assert len(calls) == len(line.scripted.requests) == 6 + min(6, fates[1:].count("dies before it hands in"))
    assert sum(part.sum.calls for part in Headline.of(end.report).spent) == len(calls)
    budgets = ModelBudgets(line.server, "default", BudgetEntry().limits)
    spent = budgets.standing("inv-1").investigation
    assert spent.calls == len(calls)
    assert spent.dollars == pytest.approx(sum(call.dollars or 0.0 for call in calls), abs=1e-5)
