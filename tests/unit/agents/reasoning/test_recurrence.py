"""Of the same incident again a model is not asked what it said before; of anything new, or of other numbers, it is."""

from __future__ import annotations

from dataclasses import replace

from middlewatch.agents.reasoning.recurrence import carried_over
from middlewatch.records import AgentName, Assessment, Purpose, Report
from tests.unit.agents.reasoning.scene import Scene, loud
from tests.unit.agents.shared_context import anomaly


def ran(earlier: Report | None = None, scene: Scene | None = None) -> Report:
    scene = scene or Scene()
    assert scene.mind is not None
    scene.mind = replace(scene.mind, earlier=earlier)
    report = scene.run().report
    assert report is not None
    assert report.models is not None
    return report


def asked(report: Report) -> list[str]:
    """Whose dialogues there were."""
    assert report.models is not None
    return sorted({call.agent for call in report.models.calls if call.purpose is Purpose.REASON})


def test_claims_hold_again_on_the_facts_of_today_and_no_agent_is_asked() -> None:
    before = ran().model_copy(update={"investigation": "inv-before"})
    again = ran(before)
    assert asked(before) == sorted(AgentName)
    assert asked(again) == []
    assert before.models is not None
    assert again.models is not None
    assert [one.carried_from for one in again.models.reasoning] == ["inv-before"] * 4
    assert [one.claims for one in again.models.reasoning] == [one.claims for one in before.models.reasoning]
    today = {fact.id for fact in again.evidence}
    assert all(cited in today for one in again.models.reasoning for claim in one.claims for cited in claim.evidence)
    assert len(again.models.calls) == 2  # the challenger's and the writer's


def test_votes_are_not_taken_over() -> None:
    again = ran(ran())
    assert [vote.voice for row in again.hypotheses for vote in row.votes if vote.voice == "model"] == []


def test_where_a_fact_is_new_its_agent_is_asked() -> None:
    def more(agent: AgentName, round_: int) -> Assessment:
        found = loud(agent, round_)
        if agent is not AgentName.LOGS:
            return found
        return found.model_copy(update={"anomalies": (*found.anomalies, anomaly("cause", 4.0, subject="never seen"))})

    assert asked(ran(ran(), Scene(findings=more))) == ["logs"]


def test_where_a_number_is_another_today_all_that_claim_it_are_asked() -> None:
    def other(agent: AgentName, round_: int) -> Assessment:
        found = loud(agent, round_)
        facts = tuple(one.model_copy(update={"observed": 7.7, "summary": "it rose"}) for one in found.anomalies)
        return found.model_copy(update={"anomalies": facts})

    assert asked(ran(ran(), Scene(findings=other))) == sorted(AgentName)


def test_where_a_cited_fact_is_gone_or_nothing_was_said_the_agent_is_asked() -> None:
    before = ran()
    alert = before.alert
    assert carried_over(before, AgentName.METRICS, alert, ()) is None
    assert carried_over(before.model_copy(update={"models": None}), AgentName.METRICS, alert, before.evidence) is None
    assert before.models is not None
    failed = [one.model_copy(update={"problem": "did not answer"}) for one in before.models.reasoning]
    work = before.models.model_copy(update={"reasoning": tuple(failed)})
    assert carried_over(before.model_copy(update={"models": work}), AgentName.METRICS, alert, before.evidence) is None
    assert carried_over(before, AgentName.METRICS, alert, before.evidence) is not None
