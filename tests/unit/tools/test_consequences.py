"""Invariant: explaining away never adds, never turns a score negative, and takes from callers only."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from middlewatch.tools.consequences import explain_away, explain_ties

NAMES = st.sampled_from("abcde")


@given(st.dictionaries(NAMES, st.floats(0, 10)), st.dictionaries(NAMES, st.sets(NAMES)))
def test_scores_only_fall_and_never_below_zero(scores: dict[str, float], callees: dict[str, set[str]]) -> None:
    explained = explain_away(scores, callees)
    assert explained.keys() == scores.keys()
    for service, score in scores.items():
        assert 0.0 <= explained[service] <= score
        if not callees.get(service, set()) - {service}:
            assert explained[service] == score


def test_the_callee_of_two_equals_leads() -> None:
    explained = explain_away({"caller": 2.0, "callee": 2.0}, {"caller": {"callee"}})
    assert explained["callee"] > explained["caller"] > 0.0


def test_of_two_ends_that_are_alike_the_called_one_keeps_all() -> None:
    assert explain_ties({"shop": 2.0, "cart": 2.0, "other": 2.0}, {"shop": ["cart"]}) == {"shop": 1.0, "cart": 2.0, "other": 2.0}


def test_a_caller_that_stands_out_more_or_less_than_whom_it_calls_keeps_all() -> None:
    for score in (1.9, 2.1, 0.0):
        assert explain_ties({"shop": score, "cart": 2.0}, {"shop": ["cart"]}) == {"shop": score, "cart": 2.0}
