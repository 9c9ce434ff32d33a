"""Invariants: whatever a model does, the investigation ends with the rules' answer, and what went wrong is said."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from middlewatch.agents.language_model.scripted import Line, ScriptedModel, dialogues
from middlewatch.agents.language_model.seam import Asked, ModelFailure, Reply, Request
from middlewatch.agents.reasoning.answers import UNBORNE
from middlewatch.agents.reasoning.calling import Price, Reservation
from middlewatch.agents.reasoning.dialogue import Bounds
from middlewatch.agents.reasoning.reasoner import Pace, Reasoner
from middlewatch.app import AGENTS
from middlewatch.records import AgentName, CallOutcome, Outcome, Rejection, Report, TaskKind, Tokens, Voice
from tests.unit.agents.reasoning.scene import GOOD, REASONED, Scene, good, loud
from tests.unit.agents.shared_context import NOW, Finding, SharedContext, assessment

HURRIED = Reasoner(AGENTS, clock=lambda: NOW, bounds=Bounds(seconds=1.05))
"""For models that do not come back."""


ONE = (AgentName.METRICS,)


@cache
def rules(asked: tuple[AgentName, ...]) -> Report:
    report = SharedContext(loud, asked).run().report
    assert report is not None
    return report


def same_answer(report: Report | None, asked: tuple[AgentName, ...] = tuple(AgentName)) -> bool:
    """Whether a report says what the rules alone say."""
    alone = rules(asked)
    assert report is not None
    said = {"models", "hypotheses", "evidence", "missing"}
    assert report.missing[: len(alone.missing)] == alone.missing
    return report.model_dump(exclude=said) == alone.model_dump(exclude=said)


def asking(name: str, arguments: dict[str, JsonValue]) -> Line:
    return Line(calls=((name, arguments),))


def test_what_a_good_model_says_is_shown_beside_the_rules_answer() -> None:
    scene = Scene()
    report = scene.run().report
    assert report is not None
    assert same_answer(report)
    assert report.models is not None
    assert [len(one.claims) for one in report.models.reasoning] == [1, 1, 1, 1]
    assert report.models.sentence.startswith('"cause" is where it started')
    assert report.models.prose
    assert report.models.challenge is not None
    assert report.models.challenge.model == "scripted-1"
    assert (report.models.problems, report.missing) == ((), ())
    assert len(report.models.calls) == len(scene.scripted.requests) == 6
    leading = report.hypotheses[0]
    said = [vote for vote in leading.votes if vote.voice is Voice.MODEL]
    assert {(vote.agent, vote.model, vote.weight) for vote in said} == {(agent, "scripted-1", 0.0) for agent in AgentName}


def test_what_stands_first_in_every_request_is_the_same_to_the_byte() -> None:
    scene = Scene(dialogues({**GOOD, "reasoned": [asking("list_services", {}), Line(answer=REASONED)]}))
    scene.run()
    first = {(request.system, request.turns[0]) for request in scene.scripted.requests}
    assert len(first) == 1
    assert isinstance(shared := scene.scripted.requests[0].turns[0], Asked)
    assert shared.cached
    reasoning = [request for request in scene.scripted.requests if request.answer is not None and request.answer.name == "reasoned"]
    assert all(request.tools == reasoning[0].tools for request in reasoning)


FAILURES: dict[str, tuple[Line, str]] = {
    **{outcome.value: (Line(failure=outcome), "") for outcome in CallOutcome if outcome is not CallOutcome.ANSWERED},
    "slow": (Line(answer=REASONED, seconds=60.0), "did not answer in time"),
    "prose instead": (Line(text="I think it is the database."), "answered in another form"),
    "another form": (Line(answer={"cause": "the database"}), "answered in another form"),
    "an unknown tool for ever": (asking("restart_service", {"service": "cause"}), "asked for the same again and again"),
    "the same call for ever": (asking("list_services", {}), "asked for the same again and again"),
    "a thousand calls at once": (Line(calls=tuple(("list_services", {"limit": n}) for n in range(1000))), "went on asking"),
    "two megabytes": (Line(answer={**REASONED, "claims": [{"text": "x" * 2_000_000, "evidence": ["e1"]}]}), ""),
    "a list without end": (Line(answer={**REASONED, "claims": [{"text": "x", "evidence": ["e1"]}] * 20_000}), ""),
    "nothing read": (Line(answer=REASONED, tokens=Tokens()), ""),
    "more read than there is": (Line(answer=REASONED, tokens=Tokens(input=10**9)), ""),
}
"""What a model may do instead of its work, and what is said of it; empty where nothing has to be."""


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("dialogue", ["reasoned", "challenged", "written"])
def test_whatever_a_model_does_the_rules_answer_stands(dialogue: str, failure: str) -> None:
    line, said = FAILURES[failure]
    report = Scene(good(**{dialogue: line}), reasoner=HURRIED if line.seconds else None, asked=ONE).run().report
    assert report is not None
    assert same_answer(report, ONE)
    assert report.models is not None
    if said and (dialogue != "written" or not line.calls):  # the writer has no tools: any call is one too many
        assert sum(said in problem for problem in report.models.problems) == 1
        assert set(report.models.problems) <= set(report.missing)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_script_keeps_a_dialogue_from_its_end(data: st.DataObject) -> None:
    """Any sequence of tool calls, answers, nonsense and failures."""
    keys = st.sampled_from(["e1", "e2", "h1", "h9", "s1", "s9", "t1.1", "t2.1", ""])
    cited = st.lists(keys, max_size=3)
    half = st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0, 7.0])
    answers = st.fixed_dictionaries(
        {
            "claims": st.lists(st.fixed_dictionaries({"text": st.text(max_size=30), "evidence": cited}), max_size=3),
            "add_evidence": cited,
            "suspects": st.lists(
                st.fixed_dictionaries({"service": keys, "probability": half, "reason": st.text(max_size=9), "evidence": cited}),
                max_size=2,
            ),
            "votes": st.lists(
                st.fixed_dictionaries(
                    {
                        "hypothesis": keys,
                        "position": st.sampled_from(["support", "oppose", "abstain", "?"]),
                        "probability": half,
                        "reason": st.text(max_size=9),
                        "evidence": cited,
                    }
                ),
                max_size=3,
            ),
        }
    )
    tool = st.sampled_from(["assess_traces", "list_services", "nothing"])
    calls = st.lists(st.tuples(tool, st.dictionaries(st.sampled_from("ab"), st.integers(0, 1), max_size=1)), min_size=1, max_size=4)
    lines = st.one_of(
        calls.map(lambda asked: Line(calls=tuple(asked))),
        answers.map(lambda answer: Line(answer=cast("dict[str, JsonValue]", answer))),
        st.sampled_from([Line(text="?"), Line(failure=CallOutcome.FAILED), Line(answer=REASONED)]),
    )
    script = dialogues({**GOOD, "reasoned": data.draw(st.lists(lines, min_size=1, max_size=4))})
    scene = Scene(script, asked=(AgentName.METRICS, AgentName.TRACES))
    report = scene.run().report
    assert report is not None
    assert same_answer(report, (AgentName.METRICS, AgentName.TRACES))
    assert report.models is not None
    ids = {fact.id for fact in report.evidence}
    for one in report.models.reasoning:
        assert one.tools <= 6
        assert all(set(claim.evidence) <= ids for claim in one.claims)
        assert set(one.added) <= ids
    for vote in scene.snapshot.votes:
        assert set(vote.evidence) <= ids
        assert vote.voice is Voice.RULES or vote.evidence
    assert len(scene.scripted.requests) <= 11


def test_a_model_finds_evidence_by_tool_calls_and_by_nothing_else() -> None:
    answer: dict[str, JsonValue] = {
        **REASONED,
        "claims": [{"text": "Its queries are slow.", "evidence": ["t1.1"]}, {"text": "So it is.", "evidence": ["t9.1"]}],
        "add_evidence": ["t1.1", "e1", "ev-0123456789abcdef"],
    }
    report = Scene(dialogues({**GOOD, "reasoned": [asking("assess_traces", {}), Line(answer=answer)]})).run().report
    assert report is not None
    assert report.models is not None
    for one in report.models.reasoning:
        assert (one.tools, len(one.added), len(one.claims), one.rejected) == (1, 1, 1, 2)
    added = [fact for fact in report.evidence if fact.anomaly.subject == "SELECT orders"]
    assert len(added) == 4, "each agent's own"
    assert same_answer(report)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("s1 rose to 2 ms, says e1 of h1", "\"'cause' rose to 2 ms, says e1 of h1\""),
        ("[s1] rose to 2 ms", "\"'cause' rose to 2 ms\""),
        ("s1 lost 90k requests", ""),
        ("it rose to 2 ms, says e2", ""),
        ("thousands of requests of s9", ""),
    ],
)
def test_what_is_claimed_or_given_as_a_reason_has_names_for_keys_and_no_numbers_of_its_own(text: str, told: str) -> None:
    claims: JsonValue = [{"text": text, "evidence": ["e1"]}]
    votes: JsonValue = [{"hypothesis": "h1", "position": "support", "probability": 0.9, "reason": text, "evidence": ["e1"]}]
    snapshot = Scene(good(reasoned=Line(answer={**REASONED, "claims": claims, "votes": votes}))).run()
    assert snapshot.report is not None
    assert snapshot.report.models is not None
    for one in snapshot.report.models.reasoning:
        assert [claim.text for claim in one.claims] == ([told] if told else [])
        assert one.rejected == (0 if told else 2)
        assert one.rejected_for == ({} if told else {Rejection.NUMBER: 2})
    reasons = {vote.reason for vote in snapshot.votes if vote.voice is Voice.MODEL}
    assert reasons == {told or UNBORNE[Rejection.NUMBER]}


def test_a_hypothesis_is_only_of_a_service_that_telemetry_shows_deviating() -> None:
    def suspecting(key: str) -> Line:
        suspect: JsonValue = {"service": key, "probability": 0.9, "reason": "it is", "evidence": ["e1"]}
        return Line(answer={**REASONED, "suspects": [suspect]})

    for key in ("s9", "payments", "s1"):  # nobody, a name, and one that has a hypothesis and a vote
        snapshot = Scene(good(reasoned=suspecting(key))).run()
        assert {h.service for h in snapshot.hypotheses} == {"cause", "victim", "other"}
        assert snapshot.report is not None
        assert snapshot.report.models is not None
        assert all(one.rejected == 1 for one in snapshot.report.models.reasoning)


def test_after_the_deadline_no_model_is_asked() -> None:
    late = Scene(reasoner=Reasoner(AGENTS, clock=lambda: NOW + timedelta(seconds=1), pace=Pace(seconds=0.0)))
    report = late.run().report
    assert late.scripted.requests == []
    assert same_answer(report)
    assert report is not None
    agents = "deploys, logs, metrics and traces agents"
    words = "did not answer in time: one investigation's models have 0 s (`seconds` in models.toml)"
    assert f"The models of the {agents} {words}; their rules stand alone." in report.missing


@pytest.mark.parametrize("heard", [loud, lambda agent, _round: assessment(agent, {})])
def test_the_deadline_runs_from_the_rules_answer_also_where_they_have_no_hypothesis(heard: Finding) -> None:
    late = Scene(findings=heard, reasoner=Reasoner(AGENTS, clock=lambda: NOW + timedelta(seconds=61)))
    late.finished_at = NOW
    assert late.run().report is not None
    assert late.scripted.requests == []


def test_a_task_that_killed_two_workers_does_without_its_model() -> None:
    twice = Scene(attempt=3)
    report = twice.run().report
    assert twice.scripted.requests == []
    assert same_answer(report)
    once = Scene(attempt=2)
    once.run()
    assert once.scripted.requests


def test_where_no_model_is_configured_any_more_the_rules_answer() -> None:
    report = Scene(absent=True).run().report
    assert same_answer(report)
    assert report is not None
    agents = "deploys, logs, metrics and traces agents"
    assert f"The models of the {agents} are not configured any more; their rules stand alone." in report.missing


@dataclass
class Purse:
    """An account of so many calls."""

    left: int
    settled: int = 0

    def reserve(self, tokens: Tokens) -> Reservation:
        assert tokens.input > 0
        if not self.left:
            raise ModelFailure("Nothing is left.", CallOutcome.OVER_BUDGET, attempts=0)
        self.left -= 1
        return self

    def settle(self, tokens: Tokens) -> None:
        assert tokens.output > 0
        self.settled += 1


def test_every_call_is_set_aside_before_it_is_made_and_settled_after() -> None:
    scene, purse = Scene(), Purse(3)
    assert scene.mind is not None
    scene.mind = replace(scene.mind, account=purse, price=Price(lambda tokens: tokens.input / 1e6, "2026-11-01"))
    report = scene.run().report
    assert len(scene.scripted.requests) == purse.settled == 3
    assert same_answer(report)
    assert report is not None
    assert report.models is not None
    assert sum("had no budget left" in problem for problem in report.models.problems) == 3
    assert report.models.dollars is not None
    assert report.models.dollars > 0
    assert {call.priced_at for call in report.models.calls} == {"2026-11-01"}


def test_a_lost_lease_ends_a_dialogue_at_once() -> None:
    @dataclass
    class Slow(ScriptedModel):
        def respond(self, request: Request, *, seconds: float, cancelled: threading.Event) -> Reply:
            cancelled.set()  # as the worker does, which has lost the task
            return super().respond(request, seconds=seconds, cancelled=cancelled)

    report = Scene(model=Slow(good())).run().report
    assert same_answer(report)
    assert report is not None
    assert report.models is not None
    assert all(call.outcome is CallOutcome.CANCELLED for call in report.models.calls)


def test_a_model_that_ignores_its_time_is_left_to_itself() -> None:
    @dataclass
    class Deaf(ScriptedModel):
        def respond(self, request: Request, *, seconds: float, cancelled: threading.Event) -> Reply:
            threading.Event().wait(30.0 + seconds)
            return super().respond(request, seconds=seconds, cancelled=cancelled)

    hurried = Reasoner(AGENTS, clock=lambda: NOW, bounds=Bounds(seconds=1.05), pace=Pace(seconds=1.2, reasoned=0.9))
    report = Scene(model=Deaf(good()), reasoner=hurried, asked=ONE).run().report
    assert report is not None
    assert report.outcome is Outcome.FINDING
    assert report.models is not None
    assert any("did not answer in time" in problem for problem in report.models.problems)


def test_each_kind_of_dialogue_is_over_in_time_for_the_next() -> None:
    pace = Pace()
    assert pace.until(TaskKind.REASON) < pace.until(TaskKind.CHALLENGE) < pace.until(TaskKind.WRITE) == 60.0


@pytest.mark.parametrize(("caches", "waited"), [(True, [3.0, 3.0, 3.0]), (False, [])])
def test_where_a_provider_caches_the_first_agents_model_begins_alone(*, caches: bool, waited: list[float]) -> None:
    waits: list[float] = []

    class Patient(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return False

    scene = Scene()
    assert scene.mind is not None
    scene.mind, scene.event = replace(scene.mind, caches=caches), Patient
    assert same_answer(scene.run().report)
    assert [seconds for seconds in waits if 0.1 < seconds <= 3.0] == waited
