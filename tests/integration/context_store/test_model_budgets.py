"""The accounts of language models behave as their model, whatever happens in whatever order, and whatever the clock shows.

The model is `budget_model`. Time is what each step says: the scripts read it where they would ask Redis.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test
from redis import Redis

from middlewatch.context_store import scripts
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.model_budgets import BudgetLimits, Exhausted, ModelBudgets, Reservation, Spending, Standing
from middlewatch.context_store.script import Script, Server
from tests.integration.context_store.budget_model import DAY, HOUR, WINDOW, Account, Books

TENANTS = ("acme", "zeta")
INVESTIGATIONS = ("a", "b", "c", "d", "e")
LIMITS = BudgetLimits(Spending(6, 0.5, 9000), Spending(60, 6.0, 60_000))
CLOCK = "local clock = redis.call('TIME')"
SPENDINGS = st.builds(
    Spending, st.integers(0, 3), st.sampled_from([0.0, 0.01, 0.1, 0.2, 1 / 3]), st.sampled_from([0, 10, 900, 4000])
)
START = 20_000 * DAY


@contextmanager
def at(now: int) -> Iterator[None]:
    """The store's clock shows so many seconds since 1970."""
    ours: tuple[Script[Any], ...] = (scripts.reserve_budget, scripts.settle_budget, scripts.look_budget)
    texts = [script.text for script in ours]
    for script in ours:
        assert CLOCK in script.text
        script.text = script.text.replace(CLOCK, f"local clock = {{{now}, 0}}")
    try:
        yield
    finally:
        for script, text in zip(ours, texts, strict=True):
            script.text = text


class Accounts(RuleBasedStateMachine):
    """Calls that anybody may make, in any order, while time passes and jumps."""

    redis: ClassVar[Redis]
    reservations = Bundle("reservations")

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushall()
        self.now = START
        self.books = {tenant: Books(LIMITS) for tenant in TENANTS}
        self.budgets = {tenant: ModelBudgets(Server(self.redis, Epoch(1)), tenant, LIMITS) for tenant in TENANTS}

    @rule(seconds=st.sampled_from([1, WINDOW, HOUR, 5 * HOUR, DAY]))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds

    @rule(tenant=st.sampled_from(TENANTS), days=st.lists(st.integers(-12, 12), min_size=9, max_size=12, unique=True))
    def wander(self, tenant: str, days: list[int]) -> None:
        """The clock shows many days, and something is asked for on each."""
        now = self.now
        for day in days:
            self.now = now + day * DAY
            self._reserved(tenant, "a", Spending(0, 0.0, 10))
        self.now = now

    @rule(seconds=st.sampled_from([-1, -WINDOW, -HOUR, -DAY, 3 * DAY, -3 * DAY, 20 * DAY, -20 * DAY, 5 * DAY]))
    def jump(self, seconds: int) -> None:
        self.now = max(START - 3 * DAY, min(START + 60 * DAY, self.now + seconds))

    @rule(target=reservations, tenant=st.sampled_from(TENANTS), investigation=st.sampled_from(INVESTIGATIONS), estimate=SPENDINGS)
    def reserve(self, tenant: str, investigation: str, estimate: Spending) -> object:
        found = self._reserved(tenant, investigation, estimate)
        return multiple() if found is None else (tenant, found)

    @rule(target=reservations, tenant=st.sampled_from(TENANTS), estimate=SPENDINGS, turns=st.integers(1, 4))
    def burst(self, tenant: str, estimate: Spending, turns: int) -> object:
        found = [self._reserved(tenant, name, estimate) for _ in range(turns) for name in INVESTIGATIONS]
        return multiple(*((tenant, each) for each in found if each is not None))

    @rule(reservation=reservations, actual=SPENDINGS)
    def settle(self, reservation: tuple[str, Reservation], actual: Spending) -> None:
        tenant, held = reservation
        with at(self.now):
            assert self.budgets[tenant].settle(held, actual) is self.books[tenant].settle(held.id, actual)

    @rule(reservation=reservations)
    def lose_the_answer(self, reservation: tuple[str, Reservation]) -> None:
        """What was granted is asked for again under the same name."""
        tenant, held = reservation
        if held.id in self.books[tenant].held:
            with at(self.now), pytest.MonkeyPatch.context() as patch:
                patch.setattr("middlewatch.context_store.model_budgets.uuid4", lambda: type("Id", (), {"hex": held.id}))
                assert self.budgets[tenant].reserve(held.investigation, held.estimate) == held

    @rule(reservation=reservations, days=st.integers(-2, 2), actual=SPENDINGS)
    def settle_on_another_day(self, reservation: tuple[str, Reservation], days: int, actual: Spending) -> None:
        self.now += days * DAY
        self.settle(reservation, actual)
        self.now -= days * DAY

    @invariant()
    def what_is_spent_is_what_was_reserved_or_settled(self) -> None:
        for tenant, books in self.books.items():
            for investigation in INVESTIGATIONS:
                own = Spending.of(books.own.get(investigation, [0, 0, 0]))
                today = Spending.of(books.days.get(self.now // DAY, Account()).spent)
                with at(self.now):
                    assert self.budgets[tenant].standing(investigation) == Standing(own, today)

    def _reserved(self, tenant: str, investigation: str, estimate: Spending) -> Reservation | None:
        books = self.books[tenant]
        refused = books.refuses(self.now, investigation, estimate)
        with at(self.now):
            found = self.budgets[tenant].reserve(investigation, estimate)
        if isinstance(found, Exhausted):
            assert found.whose == refused
            assert found.words
            return None
        assert not refused
        books.reserve(self.now, found.id, investigation, estimate)
        return found


def test_the_accounts_behave_as_their_model(redis: Redis) -> None:
    Accounts.redis = redis
    run_state_machine_as_test(
        Accounts,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_whoever_dies_with_a_reservation_has_spent_it(redis: Redis) -> None:
    """A process of its own reserves, and is killed before it could settle."""
    path = redis.connection_pool.connection_kwargs["path"]
    program = """
import os, signal, sys
from middlewatch.context_store.connection import connect
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.model_budgets import BudgetLimits, ModelBudgets, Spending
from middlewatch.context_store.script import Script, Server
budgets = ModelBudgets(Server(connect(f"unix://{sys.argv[1]}"), Epoch(1)), "acme", BudgetLimits())
try:
    budgets.reserve("inv-1", Spending(1, 0.07, 14000))
    os.kill(os.getpid(), signal.SIGKILL)
finally:
    raise SystemExit(3)
"""
    ended = subprocess.run([sys.executable, "-c", program, path], check=False, env=os.environ)
    assert ended.returncode == -signal.SIGKILL
    spent = Spending(1, 0.07, 14000)
    assert ModelBudgets(Server(redis, Epoch(1)), "acme", BudgetLimits()).standing("inv-1") == Standing(spent, spent)
