"""Invariants: every phase is a pure function of the shared context, an investigation always ends, and it says what it lacked."""

from __future__ import annotations

from pathlib import Path

from middlewatch.agents.orchestrator import Orchestrator
from middlewatch.agents.phases import phase_task
from middlewatch.app import AGENTS
from middlewatch.records import AgentName, Assessment, Outcome, TaskKind
from tests.unit.agents.shared_context import NOW, SharedContext, assessment


def loud(agent: AgentName, _round: int) -> Assessment:
    return assessment(agent, {"victim": 3.0, "cause": 30.0} if agent is not AgentName.DEPLOYS else {"cause": 2.0})


def quiet(agent: AgentName, _round: int) -> Assessment:
    return assessment(agent, {} if agent is AgentName.DEPLOYS else {"victim": 0.05, "cause": 0.05})


def test_a_clear_incident_ends_in_a_finding_after_one_round() -> None:
    snapshot = SharedContext(loud).run()
    report = snapshot.report
    assert report is not None
    assert (report.outcome, report.rounds, report.hypotheses[0].hypothesis.service) == (Outcome.FINDING, 1, "cause")
    assert report.answer.startswith('"cause" is the most likely root cause: latency of "cause" rose')
    assert {vote.agent for vote in report.hypotheses[0].votes} == set(AgentName)
    assert {e.agent for e in report.evidence} == set(AgentName)
    assert report.onset is not None
    assert [(cause.service, cause.confidence) for cause in report.causes] == [("cause", report.confidence)]
    leading = report.hypotheses[0]
    assert leading.hypothesis.cause is not None
    assert leading.explanation is not None
    assert (leading.explanation.path[0].service, leading.explanation.path[0].onset) == ("cause", report.onset)


def test_an_inconclusive_first_round_is_followed_by_one_wider_round_and_no_more() -> None:
    snapshot = SharedContext(quiet).run()
    assert snapshot.report is not None
    assert (snapshot.report.outcome, snapshot.report.rounds) == (Outcome.INCONCLUSIVE, 2)
    assert snapshot.report.answer.startswith("I don't know")
    assert sum(s.task.kind is TaskKind.CONCLUDE for s in snapshot.tasks) == 2


def test_the_second_round_may_find_what_the_first_did_not() -> None:
    snapshot = SharedContext(lambda agent, number: quiet(agent, 1) if number == 1 else loud(agent, 2)).run()
    assert snapshot.report is not None
    assert (snapshot.report.outcome, snapshot.report.rounds) == (Outcome.FINDING, 2)
    assert {e.round for e in snapshot.report.evidence} == {2}


def test_a_wider_look_that_shows_less_does_not_replace_the_closer_one() -> None:
    def fading(agent: AgentName, number: int) -> Assessment:
        return (
            quiet(agent, 1)
            if number == 1
            else assessment(agent, {} if agent is AgentName.DEPLOYS else {"victim": 0.0, "cause": 0.0})
        )

    report = SharedContext(fading).run().report
    assert report is not None
    assert (report.outcome, report.rounds) == (Outcome.INCONCLUSIVE, 2)
    assert [row.hypothesis.round for row in report.hypotheses] == [1, 1]


def test_a_fact_that_both_rounds_see_is_cited_in_the_second() -> None:
    """The same anomaly, seen again, is evidence of the second round as well: a finding must not lose its proof."""

    def twice(agent: AgentName, number: int) -> Assessment:
        found = loud(agent, number)
        usual = (100.0,) * 20 if number == 1 else (0.1,) * 20
        return found.model_copy(
            update={"usual_tops": usual, "scores": {s: v if number > 1 else 0.01 for s, v in found.scores.items()}}
        )

    snapshot = SharedContext(twice).run()
    assert snapshot.report is not None
    assert (snapshot.report.rounds, snapshot.report.hypotheses[0].hypothesis.service) == (2, "cause")
    assert any(e.anomaly.service == "cause" for e in snapshot.report.evidence)
    assert len({e.id for e in snapshot.evidence}) == len(snapshot.evidence), "a store keeps one fact of each id"
    assert snapshot.report.hypotheses[0].hypothesis.evidence


def test_no_telemetry_at_all_is_said() -> None:
    snapshot = SharedContext(lambda agent, _round: assessment(agent, {})).run()
    assert snapshot.report is not None
    assert snapshot.report.answer == "I don't know: there was no telemetry to look at in this window."


def test_an_agent_that_died_is_named_and_the_rest_still_answers() -> None:
    snapshot = SharedContext(lambda agent, number: None if agent is AgentName.LOGS else loud(agent, number)).run()
    assert snapshot.report is not None
    assert snapshot.report.outcome is Outcome.FINDING
    assert any(line.startswith('logs: gave up after 1 attempts ("boom")') for line in snapshot.report.missing)


def test_only_the_agents_that_were_asked_take_part() -> None:
    snapshot = SharedContext(loud, (AgentName.METRICS, AgentName.LOGS)).run()
    assert snapshot.report is not None
    assert {v.agent for h in snapshot.report.hypotheses for v in h.votes} == {AgentName.METRICS, AgentName.LOGS}
    assert "not asked: traces, deploys" in snapshot.report.missing


def test_a_phase_that_is_run_again_records_the_same() -> None:
    context = SharedContext(loud)
    snapshot = context.run()
    orchestrator = Orchestrator(AGENTS, clock=lambda: NOW)
    for kind in (TaskKind.PLAN, TaskKind.HYPOTHESISE, TaskKind.CONCLUDE):
        task = phase_task(snapshot, kind, 1)
        assert orchestrator.run(snapshot, task) == orchestrator.run(snapshot, task)


def test_the_picture_in_the_docs_is_the_graph() -> None:
    picture = Orchestrator(AGENTS, clock=lambda: NOW).graph.get_graph().draw_mermaid().strip()
    assert f"```mermaid\n{picture}\n```" in (Path(__file__).parents[3] / "docs" / "architecture.md").read_text()
