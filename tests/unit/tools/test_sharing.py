"""Invariant: an analysis is done once for each question and each sources, and a failure is never handed on later."""

from __future__ import annotations

import pytest

from middlewatch.app import AGENTS
from middlewatch.records import AgentName, Assessment, Brief, Symptom
from middlewatch.records.errors import SourceUnavailable
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.change_behaviour import ANALYSES
from middlewatch.tools.sharing import Analysis, shared
from tests.unit.tools.synthetic_telemetry import Metrics, brief, sources


def counted(failures: int = 0) -> tuple[Analysis, list[Brief]]:
    """An analysis that fails the first so many times, and what it was asked."""
    asked: list[Brief] = []

    def analysis(_sources: Sources, brief: Brief) -> Assessment:
        asked.append(brief)
        if len(asked) <= failures:
            raise SourceUnavailable("not yet")
        return Assessment(agent=AgentName.METRICS, scores={"a": float(len(asked))})

    return shared(analysis), asked


def test_the_same_question_to_the_same_sources_is_worked_out_once() -> None:
    (analysis, done), held = counted(), sources()
    assert analysis(held, brief()) is analysis(held, brief())
    assert len(done) == 1


def test_another_question_or_other_sources_are_worked_out_anew() -> None:
    (analysis, _), held = counted(), sources()
    asked = (brief(), brief(hours=2.0), brief(symptom=Symptom(service="a")))
    assert [analysis(held, each).scores["a"] for each in asked] == [1, 2, 3]
    assert analysis(sources(), brief()).scores["a"] == 4


def test_a_failure_is_not_kept() -> None:
    (analysis, _), held = counted(failures=1), sources()
    with pytest.raises(SourceUnavailable):
        analysis(held, brief())
    assert analysis(held, brief()).scores["a"] == 2


def test_the_correlator_of_changes_shares_the_analyses_of_the_other_agents() -> None:
    metrics = Metrics([])
    held = sources(metrics)
    ANALYSES["metrics"](held, brief())
    asked = len(metrics.asked)
    AGENTS[AgentName.METRICS].assess(held, brief())
    assert len(metrics.asked) == asked > 0
