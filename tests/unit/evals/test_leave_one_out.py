"""Invariant: no system has a say in the value that it is judged with."""

from __future__ import annotations

import pytest

from middlewatch.agents import voting
from middlewatch.evals.leave_one_out import JUDGED, constant, judge, leave_one_out, present, share_right, squared_error
from middlewatch.records.errors import BadInput
from tests.unit.evals.incidents import NOTHING, PLAIN, incident


def test_every_system_is_judged_with_what_the_others_choose() -> None:
    figures = {1.0: {"a": 0.9, "b": 0.5, "c": 0.5}, 2.0: {"a": 0.1, "b": 0.7, "c": 0.6}}
    found = {each.system: each for each in leave_one_out(figures)}
    assert (found["a"].chosen, found["a"].reached, found["a"].best) == (2.0, 0.1, 0.9)
    assert (found["b"].chosen, found["b"].reached, found["b"].best) == (1.0, 0.5, 0.7)
    assert (found["c"].chosen, found["c"].reached, found["c"].best) == (1.0, 0.5, 0.6)


def test_the_constants_of_the_vote_are_judged_by_their_present_values_too() -> None:
    incidents = [incident(PLAIN), incident(PLAIN, truth=None, identifier="blamed", system="other")]
    for judged in JUDGED:
        figures = judge(judged, incidents)
        assert next(iter(figures)) == present(judged.name)
        assert set(figures) == {present(judged.name), *judged.values}
        assert {each.present for each in leave_one_out(figures)} == set(figures[present(judged.name)].values())
    assert {judged.name.rpartition(".")[2] for judged in JUDGED} == {"SHARE_TEMPERATURE", "LEAST_CONFIDENCE"}


def test_the_present_value_stays_among_equals() -> None:
    figures = {value: {"a": 0.5, "b": 0.5} for value in (0.3, 0.1, 0.2)}
    assert [each.chosen for each in leave_one_out(figures)] == [0.3, 0.3]


def test_figures_are_of_every_moment() -> None:
    incidents = [
        incident(PLAIN),
        incident(NOTHING, identifier="missed"),
        incident(NOTHING, truth=None, identifier="quiet"),
        incident(PLAIN, truth=None, identifier="blamed", system="other"),
    ]
    assert share_right(incidents) == {"shop": pytest.approx(2 / 3), "other": 0.0}
    errors = squared_error(incidents)
    assert errors["other"] == pytest.approx(-1.0, abs=0.1)
    assert errors["shop"] > -0.5


def test_a_constant_is_set_for_as_long_as_it_is_measured() -> None:
    before = voting.LEAST_CONFIDENCE
    with constant("agents.voting.LEAST_CONFIDENCE", 1.1):
        assert share_right([incident(PLAIN)]) == {"shop": 0.0}
    assert before == voting.LEAST_CONFIDENCE
    assert share_right([incident(PLAIN)]) == {"shop": 1.0}


@pytest.mark.parametrize("name", ["agents.voting.NONE", "agents.nothing.X", "agents.voting.tally", "x"])
def test_only_numbers_can_be_set(name: str) -> None:
    with pytest.raises(BadInput), constant(name, 1.0):
        pass
