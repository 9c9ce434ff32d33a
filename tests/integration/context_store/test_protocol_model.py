"""The whole protocol behaves as its model, whatever is done to it in whatever order.

The model (`protocol_model`) is claims.md as plain Python: tasks are ready, claimed, done or dead; a claim may write as long as it
is the newest of its task, of the current epoch, and its investigation is open. Hypothesis looks for a sequence of steps after which
the store differs from it.
"""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule, run_state_machine_as_test
from redis import Redis

from middlewatch.context_store import scripts
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.records import Claim, Completion, FanOut, InvestigationState, TaskState
from middlewatch.records.errors import LeaseLost, MiddlewatchError
from tests.integration.context_store.protocol_model import MAX_ATTEMPTS, Model, ModelInvestigation
from tests.store_data import make_evidence, make_investigation, make_report, make_task
from tests.store_fixtures import MemoryArchive, end_pauses, expire, keys, leaked_keys, set_times

TENANTS = ("acme", "zeta")


class Protocol(Model, RuleBasedStateMachine):
    """Steps that anybody may take, in any order."""

    redis: ClassVar[Redis]
    claims = Bundle("claims")
    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushall()
        self.store = self._store()
        self.granted: dict[str, Claim | None] = {}
        self.fresh = 0

    def _store(self) -> ContextStore:
        return ContextStore(self.redis, epoch=Epoch(self.epoch), lease_seconds=3600.0, max_attempts=MAX_ATTEMPTS, queue_shards=2)

    # Steps

    @initialize(target=claims, children=st.integers(0, 3), then=st.booleans(), both=st.booleans())
    def start(self, children: int, *, then: bool, both: bool) -> object:
        """The same investigation in both tenants, on the way in one of them, so that no example is spent on beginnings."""
        for tenant in TENANTS:
            self.open(tenant, "a")
        plans = [self._claim("ann"), self._claim("bob")]
        for plan in plans[: 1 + both]:
            assert plan is not None
            self.finish(plan, 0, children, then=then, report=False)
        return multiple(*plans, *filter(None, [self._claim("ann"), self._claim("bob")]))

    @rule(tenant=st.sampled_from(TENANTS), alert=st.sampled_from(["a", "b"]))
    def open(self, tenant: str, alert: str) -> None:
        identifier = f"inv-{sum(owner == tenant for owner, _ in self.model)}"
        of = make_investigation(tenant, identifier, alert)
        found, opened = self.store.open(of, make_task("plan", investigation=of))
        joinable = [
            name
            for (owner, name), model in self.model.items()
            if (owner, model.alert) == (tenant, alert) and model.state is InvestigationState.OPEN and model.live
        ]
        if joinable:
            assert (found.id, opened) == (joinable[-1], False)
        else:
            assert (found.id, opened) == (identifier, True)
            self.model[tenant, identifier] = ModelInvestigation(alert)
            self._enqueue(make_task("plan", investigation=of), None)

    @rule(target=claims, worker=st.sampled_from(["ann", "bob"]), count=st.integers(1, 3))
    def claim(self, worker: str, count: int) -> object:
        return multiple(*filter(None, (self._claim(worker) for _ in range(count))))

    @rule(target=requests, worker=st.sampled_from(["ann", "bob"]))
    def ask(self, worker: str) -> str:
        request = f"{worker}-{len(self.granted)}"
        self._ask(request)
        return request

    @rule(request=requests)
    def ask_again(self, request: str) -> None:
        before = self.granted[request]
        if before is None:
            self._ask(request)
        else:
            again = self._requested(request)
            assert again == (before if self._may_write(before) else None)

    @rule(target=claims, request=requests)
    def use_what_was_asked_for(self, request: str) -> object:
        return self.granted[request] or multiple()

    @rule(claim=claims)
    def let_expire(self, claim: Claim) -> None:
        task = self._task(claim)
        if task is not None and task.state is TaskState.CLAIMED and self._of(claim).state is InvestigationState.OPEN:
            expire(self.redis, claim)
            task.expired = True

    @rule()
    def reap(self) -> None:
        expected = {}
        for name, task in self._open_tasks():
            if task.state is TaskState.CLAIMED and task.expired:
                expected[name] = self._retried(name, task, paused=False)
        reaped = self.store.reap(limit=1000)
        assert {(s.task.tenant, s.task.investigation, s.task.id): s.state for s in reaped} == expected

    @rule(claim=claims)
    def renew(self, claim: Claim) -> None:
        task = self._task(claim)
        if self._may_write(claim) and task is not None and not task.expired:
            self.store.renew(claim)
        else:
            with pytest.raises(LeaseLost):
                self.store.renew(claim)

    @rule(claim=claims, subjects=st.lists(st.sampled_from("xyz"), max_size=3))
    def append(self, claim: Claim, subjects: list[str]) -> None:
        evidence = [
            make_evidence(s, investigation=make_investigation(claim.task.tenant, claim.task.investigation)) for s in subjects
        ]
        if self._may_write(claim):
            known = self._of(claim).evidence
            new = {item.id for item in evidence} - known
            assert self.store.append(claim, evidence) == len(new)
            known |= new
        else:
            with pytest.raises(LeaseLost):
                self.store.append(claim, evidence)

    @rule(
        claim=claims,
        number=st.integers(0, 1),
        children=st.sampled_from([None, 0, 1, 2]),
        then=st.booleans(),
        report=st.sampled_from([False, False, True]),
    )
    def finish(self, claim: Claim, number: int, children: int | None, *, then: bool, report: bool) -> None:
        of = make_investigation(claim.task.tenant, claim.task.investigation, "any")
        name = claim.task.id
        fan_out = None
        if children is not None and not report:
            fan_out = FanOut(
                tasks=tuple(make_task(f"{name}.{n}", investigation=of) for n in range(children)),
                then=make_task(f"{name}.then", investigation=of) if then else None,
            )
        evidence = make_evidence(str(number), investigation=of)
        completion = Completion(
            result={"n": number}, evidence=(evidence,), fan_out=fan_out, report=make_report(of) if report else None
        )
        task = self._task(claim)
        replayed = (
            task is not None
            and not self._of(claim).archived
            and task.state is TaskState.DONE
            and task.newest == claim
            and task.finished_with == completion
        )
        if replayed:
            assert self.store.finish(claim, completion) is False
        elif self._may_write(claim):
            assert self.store.finish(claim, completion) is True
            self._finished(claim, completion)
        else:
            with pytest.raises(LeaseLost):
                self.store.finish(claim, completion)

    @rule(claim=claims, give_back=st.booleans())
    def fail(self, claim: Claim, *, give_back: bool) -> None:
        def act() -> TaskState:
            if give_back:
                self.store.give_back(claim)
                return TaskState.READY
            return self.store.fail(claim, "boom")

        task = self._task(claim)
        if task is not None and not self._of(claim).archived and task.failed is not None and task.failed[0] == claim:
            act()  # asked again: the same answer, and nothing changes
        elif self._may_write(claim):
            assert task is not None
            name = self._name(claim)
            if give_back:
                task.attempts -= 1
                task.state = TaskState.READY
                expected = TaskState.READY
            else:
                expected = self._retried(name, task, paused=True)
            task.failed = (claim, expected)
            assert act() is expected
        else:
            with pytest.raises(LeaseLost):
                act()

    @rule()
    def end_pauses(self) -> None:
        end_pauses(self.redis)
        for _, task in self._open_tasks():
            task.paused = False

    @rule(tenant=st.sampled_from(TENANTS), n=st.integers(0, 3))
    def cancel(self, tenant: str, n: int) -> None:
        model = self.model.get((tenant, f"inv-{n}"))
        if model is not None and not model.archived:
            self.store.cancel(tenant, f"inv-{n}")
            if model.state is InvestigationState.OPEN:
                model.state = InvestigationState.CANCELLED

    @rule()
    def send_hints_too_early(self) -> None:
        set_times(self.redis, "middlewatch:queue:*:hints", 1)

    @rule()
    def lose_all_hints(self) -> None:
        for key in keys(self.redis, "middlewatch:queue:*:hints"):
            self.redis.delete(key)

    @rule()
    def sweep(self) -> None:
        self.store.sweep()

    @rule()
    def archive(self) -> None:
        over = [model for model in self.model.values() if model.state is not InvestigationState.OPEN and not model.archived]
        assert self.store.archive_closed(MemoryArchive(), older_than_seconds=0) == len(over)
        for model in over:
            model.archived = True

    @rule()
    def raise_the_epoch(self) -> None:
        self.epoch += 1
        self.store = self._store()
        self.store.sweep()
        for _, task in self._open_tasks():
            task.expired = task.expired or task.state is TaskState.CLAIMED

    # What always holds

    @invariant()
    def the_store_is_as_the_model(self) -> None:
        for (tenant, identifier), model in self.model.items():
            if model.archived:
                continue
            snapshot = self.store.snapshot(tenant, identifier)
            assert snapshot.investigation.state is model.state
            assert {item.id for item in snapshot.evidence} == model.evidence
            assert {s.task.id: (s.task, s.state, s.attempts, s.result) for s in snapshot.tasks} == {
                name: (task.task, task.state, task.attempts, task.result) for name, task in model.tasks.items()
            }

    def teardown(self) -> None:
        assert leaked_keys(self.redis) == []

    # The model

    def _claim(self, worker: str) -> Claim | None:
        claim = self._requested(f"{worker}-fresh-{self.fresh}")
        self.fresh += 1
        if claim is None:  # hints may be lost; a sweep restores every one
            self.store.sweep()
            claim = self._requested(f"{worker}-fresh-{self.fresh}")
            self.fresh += 1
        if claim is None:
            assert self._claimable() == []
        else:
            self._grant(claim)
        return claim

    def _requested(self, request: str) -> Claim | None:
        """Claim; of several hints that are due the same one wins in every run, which milliseconds would not grant."""
        now_ms = int(self.redis.time()[0]) * 1000
        for key in keys(self.redis, "middlewatch:queue:*:hints"):
            for hint in self.redis.zrangebyscore(key, 2, now_ms + 999):
                self.redis.zadd(key, {str(hint): 1}, xx=True)
        return self.store.claim(request.partition("-")[0], request_id=request)

    def _ask(self, request: str) -> None:
        claim = self._requested(request)
        self.granted[request] = claim
        if claim is not None:
            self._grant(claim)

    def _grant(self, claim: Claim) -> None:
        name = self._name(claim)
        assert name in self._claimable()
        task = self._task(claim)
        assert task is not None
        assert task.newest is None or claim.token > task.newest.token
        task.state, task.newest, task.expired = TaskState.CLAIMED, claim, False
        task.attempts += 1
        assert claim.attempt == task.attempts


def explore(redis: Redis, *, examples: int, shrink: bool) -> None:
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    Protocol.redis = redis
    run_state_machine_as_test(
        Protocol,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
            phases=phases,
            print_blob=False,
        ),
    )


def test_the_store_behaves_as_its_model(redis: Redis) -> None:
    explore(redis, examples=40, shrink=True)


FENCE = "not holds(task, owner, token_epoch, token_counter)"


@pytest.mark.parametrize(
    ("name", "guard", "without"),
    [
        ("append", FENCE, "false"),
        ("finish", FENCE, "false"),
        ("fail", FENCE, "false"),
        ("renew", FENCE, "false"),
        ("claim", "not is_open() or get", "get"),
        ("reap", "'-inf', now", "'-inf', '+inf'"),
    ],
)
def test_the_model_notices_a_guard_that_is_gone(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, name: str, guard: str, without: str
) -> None:
    script = getattr(scripts, name)
    assert guard in script.text
    monkeypatch.setattr(script, "text", script.text.replace(guard, without))
    with pytest.raises((AssertionError, MiddlewatchError, pytest.fail.Exception)):
        explore(redis, examples=100, shrink=False)
