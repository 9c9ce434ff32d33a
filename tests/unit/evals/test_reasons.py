"""Invariant: every miss has a reason, and the reason is read off what the agents said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewatch.evals.ablation import ablate
from middlewatch.evals.assessing import Asked
from middlewatch.evals.assessments import Assessed
from middlewatch.evals.reasons import why_missed
from middlewatch.records import AgentName
from tests.unit.evals.incidents import DEPLOYS, LOGS, METRICS, NOTHING, TRACES, Scores, incident

SLIGHT = {TRACES: {"cart": 0.3, "shop": 0.0}}


def reason(scores: Scores, truth: str | None = "cart", edges: tuple[tuple[str, str], ...] = ()) -> str:
    known = incident(scores, truth=truth)
    rounds = tuple(
        {
            name: found.model_copy(update={"assessment": found.assessment.model_copy(update={"edges": edges})})
            for name, found in of_round.items()
        }
        for of_round in known.rounds
    )
    return why_missed(known.model_copy(update={"rounds": rounds}), tuple(AgentName))


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ({TRACES: {"shop": 9.0}}, "no agent saw the service"),
        ({TRACES: {"shop": 9.0, "cart": 0.0}}, "no agent saw it deviate"),
        ({TRACES: {"shop": 9.0, "cart": 0.0}, DEPLOYS: {"cart": 1.0}}, "no agent saw it deviate"),
        ({TRACES: {"shop": 9.0, "cart": 2.0}}, "traces preferred the first by "),
        ({TRACES: {"shop": 9.0, "cart": 9.0}}, "ties with another service"),
        ({METRICS: {"shop": 20.0, "cart": 0.0}, LOGS: {"cart": 0.5}, TRACES: {"cart": 0.5}}, "metrics ("),
    ],
)
def test_who_preferred_what(scores: Scores, told: str) -> None:
    assert reason(scores, truth="cart").startswith(told)


def test_the_outvoted_are_named_with_their_nats() -> None:
    text = reason({METRICS: {"shop": 20.0, "cart": 0.0}, LOGS: {"cart": 0.5, "shop": 0.0}, TRACES: {"cart": 0.5, "shop": 0.0}})
    assert "nats for the first) outvoted logs and traces (" in text


def test_an_answer_that_was_not_given_says_what_it_lacked() -> None:
    text = reason(SLIGHT)
    assert text.startswith("not sure enough: 0.")
    assert "< 0.35 (that anything changed: 0." in text


def test_calls_between_the_two_are_told() -> None:
    scores = {TRACES: {"shop": 9.0, "cart": 2.0}}
    assert reason(scores, edges=(("shop", "cart"),)).endswith("; ranked below a service that depends on it")
    assert reason(scores, edges=(("cart", "shop"),)).endswith("; ranked below a service that it depends on")
    assert "ranked below" not in reason(scores)


def test_a_blamed_quiet_moment_names_who_saw_something() -> None:
    assert (
        reason({TRACES: {"shop": 9.0}, LOGS: {"shop": 8.0}}, truth=None)
        == "logs and traces saw a deviation where nothing was wrong"
    )


ONE_AGENT = st.dictionaries(st.sampled_from(["cart", "shop", "stock"]), st.floats(0, 12), max_size=3)


@settings(max_examples=40)
@given(st.fixed_dictionaries(dict.fromkeys(AgentName, ONE_AGENT)), st.sampled_from(["cart", None]))
def test_every_miss_has_a_reason(scores: Scores, truth: str | None) -> None:
    def missed(each: Assessed) -> tuple[str, ...]:
        return tuple(miss.reason for miss in ablate([each], Asked(every_set=False)).misses)

    assert all(missed(incident(scores, truth=truth)))
    assert all(missed(incident(NOTHING)))
