"""Invariants: models come after the rules' answer, and without weight they change no word of it."""

from __future__ import annotations

import pytest

from middlewatch.agents.hypothesising import hypothesis
from middlewatch.agents.model_work import ADDED, CALLS, CHALLENGE, PROBLEM, REASONING, by_rules
from middlewatch.agents.phases import assessments
from middlewatch.app import AGENTS
from middlewatch.records import (
    AgentName,
    AgentReasoning,
    AnomalyKind,
    Assessment,
    Challenge,
    ChallengeVerdict,
    Completion,
    Evidence,
    Position,
    Report,
    Task,
    TaskKind,
    Voice,
    Vote,
    evidence_id,
)
from tests.unit.agents.shared_context import SharedContext, anomaly, assessment

SERVICES = {f"s{n}": 30.0 - n for n in range(8)}
"""More than there are hypotheses for."""


def loud(agent: AgentName, _round: int) -> Assessment:
    return assessment(agent, SERVICES if agent is not AgentName.DEPLOYS else {"s0": 2.0})


def quiet_first(agent: AgentName, number: int) -> Assessment:
    return loud(agent, number) if number > 1 else assessment(agent, {} if agent is AgentName.DEPLOYS else {"s0": 0.05})


class Reasoned(SharedContext):
    """The same with models: each votes for the last service of all, and adds a fact that is stronger than any other."""

    def __init__(self, *rest: object, weight: float = 0.0, challenge: Challenge | None = None, dies: bool = False) -> None:
        super().__init__(*(rest or (loud,)))  # type: ignore[arg-type]  # as it is there
        asked = self.snapshot.investigation.model_copy(update={"models": True})
        self.snapshot = self.snapshot.model_copy(update={"investigation": asked})
        self.weight, self.challenge, self.dies = weight, challenge, dies
        self.preliminary: Report | None = None

    def _do(self, task: Task) -> Completion | None:
        if task.kind is TaskKind.REASON:
            return None if self.dies else self._reasoned(task)
        done = super()._do(task)
        assert done is not None or task.kind is TaskKind.INVESTIGATE
        if done is not None and done.preliminary is not None:
            self.preliminary = done.preliminary
        if done is not None and task.kind is TaskKind.CHALLENGE and self.challenge is not None:
            return done.model_copy(update={"result": {CHALLENGE: self.challenge.model_dump(mode="json")}})
        return done

    def _reasoned(self, task: Task) -> Completion:
        agent, number = AgentName(str(task.arguments["agent"])), int(str(task.arguments["round"]))
        about = hypothesis(AGENTS, by_rules(self.snapshot), number, "s7", assessments(self.snapshot, number))
        found = anomaly("s7", 99.0, AnomalyKind.OPERATION, f"found by {agent}")
        fact = Evidence(
            tenant="default", investigation="inv-1", id=evidence_id(task.id, found), agent=agent, round=number, anomaly=found
        )
        vote = Vote(
            tenant="default",
            investigation="inv-1",
            hypothesis=about.id,
            agent=agent,
            round=number,
            position=Position.SUPPORT,
            strength=2.0,
            reason='"it is so"',
            evidence=(fact.id,),
            voice=Voice.MODEL,
            model="scripted-1",
            weight=self.weight,
        )
        reasoning = AgentReasoning(agent=agent, added=(fact.id,)).model_dump(mode="json")
        new = () if about in self.snapshot.hypotheses else (about,)  # as a store writes it once
        return Completion(
            result={REASONING: reasoning, ADDED: [fact.id], CALLS: []}, evidence=(fact,), hypotheses=new, votes=(vote,)
        )


def test_the_rules_answer_first_and_the_report_comes_after_all_models() -> None:
    context = Reasoned()
    report = context.run().report
    order = [status.task.kind for status in context.snapshot.tasks if status.task.kind is not TaskKind.INVESTIGATE]
    after = order[order.index(TaskKind.CONCLUDE) + 1 :]
    assert after == [TaskKind.REASON] * 4 + [TaskKind.CHALLENGE, TaskKind.WRITE]
    assert context.preliminary is not None
    assert context.preliminary.models is None
    assert report is not None
    assert report.models is not None
    assert [one.agent for one in report.models.reasoning] == sorted(AgentName)


def test_no_model_makes_a_finding_surer_than_what_may_be_done_about_it() -> None:
    """The confidence that tiers go by is the lower one; rules that name another service give none at all."""

    def close(agent: AgentName, _round: int) -> Assessment:
        return assessment(agent, {"s6": 3.2, "s7": 3.0} if agent is AgentName.LOGS else {})

    rules, swayed = SharedContext(close).run().report, Reasoned(close, weight=1.0).run().report
    assert rules is not None
    assert swayed is not None
    assert [cause.service for cause in rules.causes] == ["s6"]
    (cause,) = swayed.causes
    assert (cause.service, cause.by_rules, cause.enough_to_act) == ("s7", 0.0, 0.0)
    assert cause.confidence > 0.5


@pytest.mark.parametrize("findings", [loud, quiet_first], ids=["finding", "second round"])
def test_without_weight_the_report_is_the_rules_word_for_word(findings: object) -> None:
    refuted = Challenge(hypothesis="hy-1", verdict=ChallengeVerdict.REFUTED, reason="no")
    context = Reasoned(findings, challenge=refuted)
    report, rules = context.run().report, SharedContext(findings).run().report  # type: ignore[arg-type]  # one of two
    assert report is not None
    assert rules is not None
    assert context.preliminary == rules
    said = {"models", "hypotheses", "evidence", "timings"}
    assert report.model_dump(exclude=said) == rules.model_dump(exclude=said)
    assert report.evidence[: len(rules.evidence)] == rules.evidence
    assert {fact.anomaly.subject for fact in report.evidence[len(rules.evidence) :]} == {f"found by {a}" for a in AgentName}
    rows = report.hypotheses[: len(rules.hypotheses)]
    assert [(r.rank, r.hypothesis, r.score, r.share, r.dissent, r.explanation) for r in rows] == [
        (r.rank, r.hypothesis, r.score, r.share, r.dissent, r.explanation) for r in rules.hypotheses
    ]
    assert [row.hypothesis.service for row in report.hypotheses[len(rows) :]] == ["s7"]


def test_what_models_propose_is_put_to_the_vote_of_every_agents_rules() -> None:
    snapshot = Reasoned().run()
    proposed = next(h for h in snapshot.hypotheses if h.service == "s7")
    voices = [(vote.agent, vote.voice) for vote in snapshot.votes if vote.hypothesis == proposed.id]
    assert sorted(voices) == sorted((agent, voice) for agent in AgentName for voice in Voice)
    ruled = [vote for vote in snapshot.votes if vote.hypothesis == proposed.id and vote.voice is Voice.RULES]
    found = {fact.id for fact in snapshot.evidence if fact.anomaly.subject.startswith("found by")}
    assert not any(found & set(vote.evidence) for vote in ruled), "rules judge by what they found themselves"


def test_with_weight_a_model_may_lift_what_it_proposes() -> None:
    weighed, idle = Reasoned(weight=1.0).run().report, Reasoned().run().report
    assert weighed is not None
    assert idle is not None
    score = {r.hypothesis.service: r.score for r in weighed.hypotheses}
    assert score["s7"] > {r.hypothesis.service: r.score for r in idle.hypotheses}["s7"]


def test_a_model_whose_task_dies_leaves_the_rules_and_says_so() -> None:
    report = Reasoned(dies=True).run().report
    assert report is not None
    assert report.models is not None
    assert report.models.failed == 4
    agents = "deploys, logs, metrics and traces agents"
    assert report.models.problems == (f"The models of the {agents} were given up after 1 attempts; their rules stand alone.",)
    assert set(report.models.problems) <= set(report.missing)
    assert not any(line.startswith("logs: gave up") for line in report.missing)


def test_a_challenger_that_failed_is_said_to_have() -> None:
    class Silent(Reasoned):
        def _do(self, task: Task) -> Completion | None:
            done = super()._do(task)
            if done is None or task.kind is not TaskKind.CHALLENGE:
                return done
            return done.model_copy(update={"result": {PROBLEM: "did not answer in time"}})

    report = Silent().run().report
    assert report is not None
    assert "The challenger's model did not answer in time; nobody tried to refute the answer." in report.missing
