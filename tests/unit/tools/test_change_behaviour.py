"""Invariants: a service is cleared by its behaviour only where somebody saw it and nobody found anything unusual."""

from __future__ import annotations

from datetime import timedelta

from middlewatch.records import AgentName, Assessment, Brief
from middlewatch.records.errors import SourceUnavailable
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.change_behaviour import Behaviour
from tests.unit.tools.synthetic_changes import assessment, began, behaving, fact
from tests.unit.tools.synthetic_telemetry import brief, sources


def scored(scores: dict[str, float], quiet_tops: tuple[float, ...] = (1.0, 2.0, 9.0)) -> Assessment:
    return Assessment(agent=AgentName.METRICS, scores=scores, usual_tops=quiet_tops)


def test_what_quiet_moments_show_as_well_is_usual() -> None:
    behaviour = Behaviour({"metrics": scored({"a": 5.0, "b": 2.1, "c": 2.0, "d": 0.0})})
    assert behaviour.unusual() == ("a", "b")
    assert behaviour.usual("c") == behaviour.usual("d") == ("metrics",)


def test_the_most_conspicuous_service_is_never_usual() -> None:
    assert Behaviour({"metrics": scored({"a": 0.5, "b": 0.4})}).unusual() == ("a",)
    assert Behaviour({"metrics": scored({"a": 0.0, "b": 0.0})}).unusual() == ()


def test_without_a_history_whatever_deviates_is_unusual() -> None:
    assert Behaviour({"metrics": scored({"a": 5.0, "b": 0.1, "c": 0.0}, ())}).unusual() == ("a", "b")


def test_one_unusual_signal_is_enough_and_an_unseen_service_is_not_cleared() -> None:
    behaviour = Behaviour({"metrics": scored({"a": 0.0, "b": 0.0, "x": 9.0}), "spans": scored({"a": 5.0, "x": 9.0})})
    assert behaviour.usual("a") == ()
    assert behaviour.usual("b") == ("metrics",)
    assert behaviour.usual("nobody") == ()


def test_an_analysis_that_fails_or_sees_nothing_does_not_stop_the_others() -> None:
    def broken(_sources: Sources, _brief: Brief) -> Assessment:
        raise SourceUnavailable("the logs do not answer")

    analyses = {**behaving({"a": -1}), "log lines": broken, "metrics": lambda _s, _b: scored({})}
    behaviour = Behaviour.of(sources(), brief(), analyses)
    assert list(behaviour.assessments) == ["spans"]
    assert behaviour.notes == ("changes were judged without log lines: the logs do not answer",)


def test_facts_between_services_speak_where_a_service_has_none_of_its_own() -> None:
    facts = (fact("a", began(-3), 1.0), fact("a", began(-2), 4.0), fact("a", None, 9.0), fact("b", began(-1), 5.0, peer="c"))
    behaviour = Behaviour({"spans": assessment({"a": -1}).model_copy(update={"anomalies": facts})})
    assert behaviour.onsets("a") == ((4.0, began(-2)), (1.0, began(-3)))
    assert behaviour.onsets("c") == ((5.0, began(-1)),)
    assert behaviour.onsets("nobody") == ()


def test_who_depends_on_whom_is_unknown_outside_of_the_map() -> None:
    behaviour = Behaviour({"spans": assessment({"a": -1}, edges=[("web", "a"), ("web", "b")])})
    assert behaviour.depends("web", "a")
    assert behaviour.depends("a", "a")
    assert not behaviour.depends("b", "a")
    assert behaviour.depends("elsewhere", "a")


def test_onsets_are_those_of_the_facts() -> None:
    behaviour = Behaviour({"spans": assessment({"a": -2})})
    ((_, onset),) = behaviour.onsets("a")
    assert onset.latest - onset.earliest == timedelta(seconds=14)
