"""Invariants: every fact is told once as an anchor; who dissents is said; what is usual and what was observed differ in words."""

from __future__ import annotations

from collections import Counter

import pytest

from middlewatch.frontends.web.facts_view import LISTED, SHOWN_WHOLE, fact_views, hypotheses_view, none_of_these, other_facts
from middlewatch.frontends.wording import Wording
from middlewatch.records import Evidence, Position, Report
from tests import reports


def with_many(report: Report, number: int) -> Report:
    """The report with so many facts about its first service."""
    first = report.evidence[0]
    more: tuple[Evidence, ...] = tuple(first.model_copy(update={"id": f"ev-more-{at}"}) for at in range(number))
    return report.model_copy(update={"evidence": (*report.evidence, *more)})


@pytest.mark.parametrize("report", [reports.finding(), reports.inconclusive(), reports.two_causes(), reports.empty()])
def test_every_fact_has_one_place_that_links_lead_to(report: Report) -> None:
    shown = hypotheses_view(report)
    places = [fact.id for one in shown for fact in one.facts if fact.anchor]
    places += [fact.id for fact in other_facts(report, shown) if fact.anchor]
    assert Counter(places) == Counter(fact.id for fact in report.evidence)


def test_a_page_lists_so_many_and_says_how_many_more() -> None:
    report = with_many(reports.finding(), 2 * LISTED)
    shown = hypotheses_view(report)
    assert len(shown[0].facts) == LISTED
    assert shown[0].hidden == len(Wording(report).about(report.hypotheses[0])) - LISTED
    assert [fact.whole for fact in shown[0].facts].count(True) == SHOWN_WHOLE
    assert not any(fact.whole for one in shown[1:] for fact in one.facts)
    assert len(other_facts(report, shown)) <= LISTED


def test_votes_say_where_each_agent_stands() -> None:
    first, second, *_ = hypotheses_view(reports.finding())
    assert [(vote.agent, vote.position) for vote in first.votes] == [
        ("metrics", Position.SUPPORT),
        ("log", Position.OPPOSE),
        ("trace", Position.SUPPORT),
        ("deploy", Position.SUPPORT),
    ]
    assert [vote.agent for vote in first.votes if vote.dissents] == ["log"]
    assert [vote.words for vote in second.votes][-1] == "abstains"
    for row in (first, second):
        for vote in row.votes:
            assert -50 <= vote.pull <= 50
            assert (vote.pull < 0) == (vote.position is Position.OPPOSE)


def test_the_probabilities_of_a_page_add_up() -> None:
    assert [one.chance for one in hypotheses_view(reports.finding())] == ["82 %", "3 %", "1 %", "<1 %"]
    assert none_of_these(reports.finding()) == "13 %"
    assert none_of_these(reports.empty()) == ">99 %"


def test_what_is_usual_and_what_was_observed_can_be_told_apart() -> None:
    report = reports.inconclusive()
    close = report.evidence[0]
    close = close.model_copy(update={"anomaly": close.anomaly.model_copy(update={"baseline": 100.01, "observed": 100.02})})
    (view,) = fact_views([close], None)
    assert view.baseline != view.observed
    assert view.window.startswith("2026-11-21 01:46:00 to 01:56:00")
    assert view.baseline_window.startswith("2026-11-20 23:52:00")
