"""Invariant: on every kind of Redis, what may be spent is bounded whoever spends, and a storm leaves something over."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from redis import Redis

from middlewatch.context_store import model_budgets
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.model_budgets import BudgetLimits, Exhausted, ModelBudgets, Reservation, Spending, Standing
from middlewatch.context_store.placeholders import Placeholders
from middlewatch.context_store.script import Server
from middlewatch.records.errors import BadInput, StaleEpoch
from tests.canaries import TEXT, seen_in
from tests.integration.context_store.budget_model import DAY, HOUR, WINDOW
from tests.integration.context_store.test_model_budgets import START, at

CALL = Spending(1, 0.07, 14_000)
NOTHING = Spending()


def budgets(redis: Redis, tenant: str = "acme", *, epoch: int = 1, limits: BudgetLimits | None = None) -> ModelBudgets:
    return ModelBudgets(Server(redis, Epoch(epoch)), tenant, limits or BudgetLimits())


def storm(ours: ModelBudgets, count: int, name: str = "storm") -> Counter[int]:
    """So many investigations take all that they can get; how many got how many calls."""
    got: Counter[int] = Counter()
    for n in range(count):
        calls = 0
        while isinstance(ours.reserve(f"{name}-{n}", CALL), Reservation):
            calls += 1
        got[calls] += 1
    return got


def test_what_is_settled_takes_the_place_of_what_was_set_aside_once(redis: Redis) -> None:
    ours = budgets(redis)
    held = ours.reserve("inv-1", CALL)
    assert isinstance(held, Reservation)
    assert ours.standing("inv-1") == Standing(CALL, CALL)
    real = Spending(1, 0.0123456789, 3000)
    assert ours.settle(held, real)
    assert not ours.settle(held, NOTHING)
    written = Spending(1, 0.012346, 3000)
    assert ours.standing("inv-1") == Standing(written, written)
    assert ours.standing("inv-2") == Standing(NOTHING, written)
    assert budgets(redis, "zeta").standing("inv-1") == Standing(NOTHING, NOTHING)


@pytest.mark.parametrize(
    ("most", "words"),
    [
        (Spending(2, 9.0, 10**6), "one investigation may take 2 calls (`calls` in models.toml)"),
        (Spending(99, 0.2, 10**6), "one investigation may take $0.20 (`dollars` in models.toml)"),
        (Spending(99, 9.0, 40_000), "one investigation may take 40,000 tokens (`tokens` in models.toml)"),
    ],
)
def test_an_investigation_keeps_within_each_of_its_bounds(redis: Redis, most: Spending, words: str) -> None:
    ours = budgets(redis, limits=BudgetLimits(investigation=most))
    assert isinstance(ours.reserve("inv-1", CALL), Reservation)
    assert isinstance(ours.reserve("inv-1", CALL), Reservation)
    refused = ours.reserve("inv-1", CALL)
    assert isinstance(refused, Exhausted)
    assert (refused.whose, refused.words) == ("investigation", words)
    assert ours.standing("inv-1").investigation.calls == 2, "a refusal spends nothing"
    assert isinstance(ours.reserve("inv-2", CALL), Reservation)


def test_many_at_once_spend_no_more_than_one_after_the_other(redis: Redis) -> None:
    limits = BudgetLimits(investigation=Spending(10, 100.0, 10**8))
    granted, start = list[Reservation](), threading.Barrier(8)

    def ask() -> None:
        ours = budgets(redis, limits=limits)
        start.wait()
        granted.extend(found for _ in range(4) if isinstance(found := ours.reserve("inv-1", CALL), Reservation))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 10


def test_a_storm_leaves_the_next_incident_three_quarters_and_every_hour_opens_more(redis: Redis) -> None:
    ours = budgets(redis)
    full = BudgetLimits().investigation.dollars
    with at(START + 2 * HOUR):
        served = storm(ours, 300)
    assert served[0] > 200, "the storm was not one"
    with at(START + 2 * HOUR + WINDOW):
        assert storm(ours, 1, "next")[int(full / CALL.dollars)] == 1, "the next incident takes all that an investigation may"
    for later in range(2, 126):  # a storm that lasts all day
        with at(START + 2 * HOUR + later * WINDOW):
            storm(ours, 20, f"storm{later}")
    with at(START + DAY - HOUR):
        calls = storm(ours, 1, "evening")
        assert calls[0] == 0, "with the last hour there is something for who comes in it"
        assert ours.standing("evening-0").today.dollars <= BudgetLimits().day.dollars


def test_without_the_rule_a_storm_takes_the_day(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_budgets, "AT_MIDNIGHT_PERCENT", 100)
    monkeypatch.setattr(model_budgets, "WINDOW_PART", 1)
    ours = budgets(redis)
    with at(START + 2 * HOUR):
        storm(ours, 300)
    with at(START + 3 * HOUR):
        assert storm(ours, 1, "next") == {0: 1}


def test_in_the_midst_of_a_storm_whoever_took_most_stops_first(redis: Redis) -> None:
    ours = budgets(redis, limits=BudgetLimits(investigation=Spending(10**6, 10**6, 10**9)))
    with at(START):
        assert storm(ours, 1, "hog")[0] == 0
        refused = ours.reserve("hog-0", CALL)
        assert isinstance(refused, Exhausted)
        assert refused.whose == "share"
        assert "kept for incidents that took less" in refused.words
        assert storm(ours, 1, "next")[0] == 0, "who comes is served"


def test_without_the_share_one_investigation_takes_all_of_it(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_budgets, "LEFT_FOR_OTHERS", 0)
    ours = budgets(redis, limits=BudgetLimits(investigation=Spending(10**6, 10**6, 10**9)))
    with at(START):
        storm(ours, 1, "hog")
        assert storm(ours, 1, "next") == {0: 1}


def test_a_clock_that_jumps_gives_nothing_twice(redis: Redis) -> None:
    ours = budgets(redis)
    with at(START):
        storm(ours, 100)
        before = ours.standing("x").today
    for jump in (3 * DAY, -2 * DAY, 40 * DAY, 9000 * DAY, -9000 * DAY):
        with at(START + jump):
            assert ours.standing("x").today == NOTHING, "another day has an account of its own"
            assert isinstance(ours.reserve("x", Spending(0, 0.001, 1)), Reservation)
        with at(START):
            assert ours.reserve("x", Spending(0, 0.001, 1)) is not None
    with at(START):
        assert ours.standing("x").today.dollars >= before.dollars
        assert ours.standing("x").investigation.dollars > 0, "and an investigation's own account goes on through all of it"


def test_what_a_call_costs_beyond_its_estimate_counts(redis: Redis) -> None:
    ours = budgets(redis)
    held = ours.reserve("inv-1", CALL)
    assert isinstance(held, Reservation)
    ours.settle(held, Spending(1, 0.6, 14_000))
    refused = ours.reserve("inv-1", Spending(1, 0.0, 1))
    assert isinstance(refused, Exhausted)
    assert refused.amount == "dollars"


def test_a_process_of_an_older_epoch_settles_nothing_and_its_reservation_stays_spent(redis: Redis) -> None:
    old, new = budgets(redis), budgets(redis, epoch=2)
    held = old.reserve("inv-1", CALL)
    assert isinstance(held, Reservation)
    assert isinstance(new.reserve("inv-2", CALL), Reservation)
    with pytest.raises(StaleEpoch):
        old.settle(held, NOTHING)
    with pytest.raises(StaleEpoch):
        old.reserve("inv-1", CALL)
    assert new.standing("inv-1").investigation == CALL


@pytest.mark.parametrize(
    "wrong", [Spending(-1), Spending(0, -0.1), Spending(0, float("nan")), Spending(0, float("inf")), Spending(10**15)]
)
def test_what_cannot_be_counted_is_refused(redis: Redis, wrong: Spending) -> None:
    with pytest.raises(BadInput, match="negative or too large"):
        budgets(redis).reserve("inv-1", wrong)


def test_accounts_of_the_days_nearest_are_kept_and_all_of_them_expire(redis: Redis) -> None:
    ours = budgets(redis)
    for day in range(12):
        with at(START + day * DAY):
            ours.reserve("inv-1", Spending(0, 0.001, 1))
    (days,) = redis.keys("middlewatch:models:{acme}:days")
    assert {str(field).partition("|")[0] for field in redis.hkeys(str(days))} == {str(START // DAY + day) for day in range(4, 12)}
    for key in redis.keys("middlewatch:models:*"):
        assert 0 < redis.ttl(str(key)) <= model_budgets.KEPT_SECONDS


def test_every_process_has_the_same_placeholders_for_an_investigation_and_none_keeps_what_they_stand_for(redis: Redis) -> None:
    server = Server(redis, Epoch(1))
    one, other = (Placeholders.of(server, "acme", "inv-1") for _ in range(2))
    assert one.veil(TEXT) == other.veil(TEXT)
    for tenant, investigation in (("acme", "inv-2"), ("zeta", "inv-1")):
        assert Placeholders.of(server, tenant, investigation).veil(TEXT) != one.veil(TEXT)
    assert one.unveil(other.veil(TEXT)) == TEXT
    stored = "".join(str(redis.get(str(key))) for key in redis.keys("middlewatch:models:*"))
    assert stored
    assert seen_in(stored) == []
    for key in redis.keys("middlewatch:models:*"):
        assert redis.ttl(str(key)) > 0


def test_one_call_is_told_as_one() -> None:
    assert Exhausted("investigation", "calls", 1, 1).words == "one investigation may take 1 call (`calls` in models.toml)"
    assert Exhausted("day", "calls", 1, 1).words == "today's 1 call is taken for now (`day_calls` in models.toml)"
