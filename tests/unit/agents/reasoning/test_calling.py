"""Invariant: whatever a provider says of what a call took, no more is counted than was set aside, so no budget is overdrawn."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.agents.language_model.prices import Price, Priced
from middlewatch.agents.language_model.reach import Reach
from middlewatch.agents.language_model.scripted import Line, ScriptedModel
from middlewatch.agents.language_model.seam import Asked, ModelFailure, Obstacle, Reply, Request
from middlewatch.agents.reasoning.calling import Caller, believed
from middlewatch.context_store.model_budgets import ModelBudgets, Spending
from middlewatch.context_store.model_budgets import Reservation as Reserved
from middlewatch.reasoning import _Account
from middlewatch.records import CallOutcome, Claim, FencingToken, ModelCall, Purpose, Task, TaskKind, Tokens

COUNTS = st.integers(0, 10**18) | st.integers(0, 20_000)
SAID = st.builds(Tokens, input=COUNTS, cached=COUNTS, cache_written=COUNTS, output=COUNTS, reasoning=COUNTS)
PRICES = st.builds(Price, **dict.fromkeys(Price.model_fields, st.floats(0, 100)))
REQUEST = Request("You look at metrics.", (Asked("What is known. " * 50, cached=True), Asked("What do you make of it?")))
CLAIM = Claim(
    task=Task(tenant="acme", investigation="inv-1", id="r1-reason-logs", kind=TaskKind.REASON),
    owner="ann",
    token=FencingToken(epoch=1, counter=1),
    attempt=1,
    lease_seconds=10.0,
)


class Books(ModelBudgets):
    """Accounts that keep what was set aside and what was settled."""

    kept: dict[str, Spending]
    settled: dict[str, Spending]

    def __init__(self) -> None:
        self.kept, self.settled = {}, {}

    def reserve(self, investigation: str, estimate: Spending) -> Reserved:
        made = Reserved(str(len(self.kept)), investigation, estimate)
        self.kept[made.id] = estimate
        return made

    def settle(self, reservation: Reserved, actual: Spending) -> bool:
        self.settled[reservation.id] = actual
        return True


@given(said=SAID, most=st.builds(Tokens, input=st.integers(0, 20_000), output=st.integers(0, 3000)))
def test_what_is_believed_is_what_was_said_as_far_as_it_can_be(said: Tokens, most: Tokens) -> None:
    found = believed(said, most)
    assert found.prompt <= most.input
    assert found.output <= most.output
    assert found.reasoning <= found.output
    if said.prompt <= most.input and said.reasoning <= said.output <= most.output:
        assert found == said


@given(said=SAID, price=PRICES)
def test_a_call_never_takes_more_than_was_set_aside_for_it(said: Tokens, price: Price) -> None:
    books = Books()
    account = _Account(books, "inv-1", Priced(price, "2026-11-01"))
    caller = Caller(ScriptedModel(lambda _: Line("So it is.", tokens=said)), CLAIM, "logs", Purpose.REASON, account)
    caller.ask(REQUEST, seconds=20, cancelled=threading.Event())
    assert books.settled.keys() == books.kept.keys()
    for key, kept in books.kept.items():
        assert all(took <= most for took, most in zip(books.settled[key].amounts(), kept.amounts(), strict=True))


class Dying(Books):
    """Where a process dies as it settles."""

    def settle(self, reservation: Reserved, actual: Spending) -> bool:  # noqa: ARG002
        raise SystemExit


@pytest.mark.parametrize("line", [Line("So it is."), Line(failure=CallOutcome.REFUSED)], ids=["answered", "failed"])
def test_a_call_is_kept_before_it_is_settled_so_that_no_death_takes_its_cost_along(line: Line) -> None:
    kept: list[ModelCall] = []
    account = _Account(Dying(), "inv-1", None)
    caller = Caller(ScriptedModel(lambda _: line), CLAIM, "logs", Purpose.REASON, account, kept=kept.append)
    with pytest.raises(SystemExit):
        caller.ask(REQUEST, seconds=20, cancelled=threading.Event())
    assert [call.id for call in kept] == ["r1-reason-logs-1-1"]


def _asked(*says: Line | Exception) -> tuple[Caller, Books, Reply | ModelFailure]:
    left = iter(says)

    def say(_: Request) -> Line:
        said = next(left)
        if isinstance(said, Exception):
            raise said
        return said

    books = Books()
    account = _Account(books, "inv-1", None)
    caller = Caller(ScriptedModel(say), CLAIM, "logs", Purpose.REASON, account)
    try:
        return caller, books, caller.ask(REQUEST, seconds=20, cancelled=threading.Event())
    except ModelFailure as failure:
        return caller, books, failure


def test_whatever_is_raised_the_call_is_recorded_and_its_account_settled() -> None:
    caller, books, failure = _asked(RecursionError("deep"))
    assert isinstance(failure, ModelFailure)
    assert failure.outcome is CallOutcome.MALFORMED
    assert [call.outcome for call in caller.calls] == [CallOutcome.MALFORMED]
    assert books.settled == books.kept  # nobody knows what it took


def test_what_may_have_been_billed_is_asked_once_more_as_a_call_of_its_own() -> None:
    answered = Line("So it is.", tokens=Tokens(input=9, output=3))

    def dropped() -> ModelFailure:
        return ModelFailure("dropped", CallOutcome.FAILED, tokens=Tokens(input=100, output=2000), again=True)

    caller, books, reply = _asked(dropped(), answered)
    assert isinstance(reply, Reply)
    assert [call.outcome for call in caller.calls] == [CallOutcome.FAILED, CallOutcome.ANSWERED]
    assert [spent.tokens for spent in books.settled.values()] == [2100, 12]
    caller, _, failure = _asked(dropped(), dropped(), answered)
    assert isinstance(failure, ModelFailure)
    assert len(caller.calls) == 2


@pytest.mark.parametrize("obstacle", [*Obstacle])
def test_what_is_known_to_be_of_no_use_is_not_asked_and_nothing_is_set_aside_for_it(obstacle: Obstacle) -> None:
    asked: list[Request] = []

    def say(request: Request) -> Line:
        asked.append(request)
        failure = ModelFailure("h:9 could not be reached.", CallOutcome.FAILED, attempts=2)
        failure.obstacle = obstacle
        raise failure

    books, reach = Books(), Reach()
    callers = [
        Caller(ScriptedModel(say), CLAIM, agent, Purpose.REASON, _Account(books, "inv-1", None)) for agent in ("logs", "writer")
    ]
    for caller in callers:
        caller.reach = reach
        with pytest.raises(ModelFailure, match="could not be reached"):
            caller.ask(REQUEST, seconds=20, cancelled=threading.Event())
    (first,), (second,) = (caller.calls for caller in callers)
    assert (len(asked), len(books.kept)) == (1, 1)
    assert (first.attempts, second.attempts, second.outcome, second.dollars) == (2, 0, CallOutcome.FAILED, 0.0)
    assert "asked moments ago" in second.problem


def test_an_answer_clears_what_was_known_of_its_server() -> None:
    caller, _, _ = _asked(Line("So it is."), Line("So it is."))
    denied = ModelFailure("refused", CallOutcome.FAILED)
    denied.obstacle = Obstacle.DENIED
    caller.reach.failed(denied, "inv-2")
    caller.ask(REQUEST, seconds=20, cancelled=threading.Event())
    caller.reach.check("inv-2")
