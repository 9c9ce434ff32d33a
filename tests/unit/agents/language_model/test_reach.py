"""What one call found out about a server, no other one finds out again, for as long as it is likely to hold."""

from __future__ import annotations

import pytest

from middlewatch.agents.language_model.reach import MOST_DENIED, REST_SECONDS, Reach
from middlewatch.agents.language_model.seam import ModelFailure, Obstacle
from middlewatch.records import CallOutcome


def failure(obstacle: Obstacle | None) -> ModelFailure:
    made = ModelFailure("h:9 could not be reached.", CallOutcome.FAILED, attempts=2, remedy="See whether it is up.")
    made.obstacle = obstacle
    return made


def barred(reach: Reach, investigation: str) -> bool:
    try:
        reach.check(investigation)
    except ModelFailure:
        return True
    return False


def test_a_server_that_could_not_be_reached_rests_for_all_and_is_then_asked_again() -> None:
    now = 100.0
    reach = Reach(lambda: now)
    reach.failed(failure(Obstacle.UNREACHED), "inv-1")
    now += REST_SECONDS - 0.01
    with pytest.raises(ModelFailure, match="asked moments ago") as told:
        reach.check("inv-2")
    assert told.value.message == "h:9 could not be reached, asked moments ago."
    assert (told.value.attempts, told.value.outcome, told.value.remedy) == (0, CallOutcome.FAILED, "See whether it is up.")
    now += 0.02
    assert not barred(reach, "inv-2")


def test_who_is_refused_is_refused_for_the_rest_of_the_investigation_and_in_no_other() -> None:
    now = 100.0
    reach = Reach(lambda: now)
    reach.failed(failure(Obstacle.DENIED), "inv-1")
    now += 10 * REST_SECONDS
    assert (barred(reach, "inv-1"), barred(reach, "inv-2")) == (True, False)


@pytest.mark.parametrize("obstacle", [*Obstacle])
def test_an_answer_clears_it(obstacle: Obstacle) -> None:
    reach = Reach()
    reach.failed(failure(obstacle), "inv-1")
    assert barred(reach, "inv-1")
    reach.answered()
    assert not barred(reach, "inv-1")


def test_what_is_of_one_call_alone_bars_no_other() -> None:
    reach = Reach()
    reach.failed(failure(None), "inv-1")
    assert not barred(reach, "inv-1")


def test_the_memory_does_not_grow() -> None:
    reach = Reach()
    for number in range(MOST_DENIED + 1):
        reach.failed(failure(Obstacle.DENIED), f"inv-{number}")
    assert [barred(reach, f"inv-{number}") for number in (0, 1, MOST_DENIED)] == [False, True, True]
