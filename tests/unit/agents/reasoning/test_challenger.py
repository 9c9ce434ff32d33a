"""Invariants: the challenger says its verdict as one vote on what it was to refute; what is refuted is refuted by evidence."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from middlewatch.agents.language_model.scripted import Line, dialogues
from middlewatch.agents.language_model.seam import Asked
from middlewatch.agents.reasoning.answers import CHALLENGED as FORM
from middlewatch.agents.reasoning.answers import REASONED as AGENTS_FORM
from middlewatch.agents.reasoning.answers import UNBORNE
from middlewatch.agents.reasoning.digest import digest_of, with_added
from middlewatch.agents.reasoning.showing import Showing
from middlewatch.agents.reasoning.size import tokens_at_most
from middlewatch.context_store.redaction import redact
from middlewatch.records import Challenge, Rejection, Report
from tests.reports import finding
from tests.unit.agents.reasoning.scene import CHALLENGED, GOOD, REASONED, Scene
from tests.unit.agents.shared_context import anomaly

REPORT = finding()

REFUTED: Mapping[str, JsonValue] = {
    "hypothesis": "h1",
    "position": "oppose",
    "probability": 0.1,
    "reason": "no",
    "evidence": ["e1"],
}


def answer(**vote: JsonValue) -> Line:
    return Line(answer={**CHALLENGED, "votes": [{**REFUTED, **vote}]})


def challenged(*lines: Line) -> tuple[Challenge | None, Report]:
    report = Scene(dialogues({**GOOD, "challenged": lines})).run().report
    assert report is not None
    assert report.models is not None
    return report.models.challenge, report


@pytest.mark.parametrize(
    ("position", "probability", "verdict"), [("support", 0.9, "stands"), ("oppose", 0.1, "refuted"), ("abstain", 0.5, "undecided")]
)
def test_a_vote_is_its_verdict(position: str, probability: float, verdict: str) -> None:
    found, report = challenged(answer(position=position, probability=probability))
    assert found is not None
    assert (found.verdict, found.hypothesis) == (verdict, report.hypotheses[0].hypothesis.id)
    assert len(found.evidence) == 1


@pytest.mark.parametrize(
    "misfit",
    [
        answer(hypothesis="h2"),
        answer(probability=0.9),
        answer(evidence=["e99"]),
        answer(evidence=[]),
        Line(answer={**CHALLENGED, "votes": []}),
    ],
)
def test_what_says_nothing_of_it_or_proves_nothing_is_asked_for_once_more(misfit: Line) -> None:
    assert challenged(misfit)[0] is None
    found, _ = challenged(misfit, answer())
    assert found is not None
    assert found.verdict == "refuted"


def test_its_requests_begin_as_the_agents_do() -> None:
    assert FORM.schema == AGENTS_FORM.schema
    scene = Scene()
    scene.run()
    beginnings = [
        (request.system, request.tools, request.answer.schema, request.turns[0])
        for request in scene.scripted.requests
        if request.answer is not None and request.answer.name != "written"
    ]
    assert len(beginnings) == 5
    assert all(one == beginnings[0] for one in beginnings)


FOUND = Line(
    answer={**REASONED, "claims": [{"text": "Its queries are slow.", "evidence": ["t1.1"]}], "add_evidence": ["t1.1"], "votes": []}
)
LOOKED = Line(calls=(("assess_traces", {}),))


def last_words(scene: Scene, form: str) -> str:
    """What the first request for an answer of a form says behind the digest."""
    asked = next(request for request in scene.scripted.requests if request.answer is not None and request.answer.name == form)
    turn = asked.turns[1]
    assert isinstance(turn, Asked)
    return turn.text


def test_evidence_that_models_added_is_shown_to_the_challenger_and_the_writer_and_may_be_cited() -> None:
    rules = Scene().run()
    assert rules.report is not None
    key = f"e{len(rules.report.evidence) + 1}"
    scene = Scene(dialogues({**GOOD, "reasoned": [LOOKED, FOUND], "challenged": [answer(evidence=[key])]}))
    report = scene.run().report
    assert report is not None
    assert report.models is not None
    for form in ("challenged", "written"):
        told = last_words(scene, form)
        assert told.count("SELECT orders") == 1, "four agents' models found it, and it is one fact"
        assert f"{key} s1, traces, 7 nats" in told
        assert f"agent's model, citing {key}: " in told
        assert "its own tool calls" not in told
    challenge = report.models.challenge
    assert challenge is not None
    (cited,) = challenge.evidence
    facts = {fact.id: fact.anomaly.subject for fact in report.evidence}
    assert facts[cited] == "SELECT orders"
    assert len(facts) == len(report.evidence) == len(rules.report.evidence) + 4, "what is there is not added once more"


@given(numbers=st.lists(st.integers(0, 10_000), max_size=60, unique=True), room=st.integers(0, 2000))
def test_what_models_added_is_bounded_and_each_has_a_key_of_its_own(numbers: list[int], room: int) -> None:
    digest = digest_of(REPORT, redact)
    (one,) = REPORT.evidence[:1]
    facts = [
        one.model_copy(update={"id": f"ev-{n}", "anomaly": anomaly("victim", n / 1000.0, subject=f"latency {n} " * 9)})
        for n in numbers
    ]
    more, text = with_added(digest, facts, 1000, Showing(redact), room)
    assert tokens_at_most(text) <= room + 60
    assert more.text == digest.text
    told = {key: fact for key, fact in more.evidence.items() if key not in digest.evidence}
    assert all(f"\n{key} " in text and int(key[1:]) >= 1000 for key in told)
    assert [fact.id for fact in told.values()] == [f"ev-{n}" for n in sorted(numbers, reverse=True)][: len(told)]
    assert {more.keys[fact.id] for fact in told.values()} == set(told)
    assert len(told) == len(numbers) or f"({len(numbers) - len(told)} more facts left out)" in text


@pytest.mark.parametrize(
    ("reason", "told"), [("it rose to 2 ms", '"it rose to 2 ms"'), ("it rose to 90k", UNBORNE[Rejection.NUMBER])]
)
def test_numbers_of_a_reason_stand_in_what_it_cites_or_it_is_left_out(reason: str, told: str) -> None:
    found, _ = challenged(answer(reason=reason))
    assert found is not None
    assert found.reason == told
