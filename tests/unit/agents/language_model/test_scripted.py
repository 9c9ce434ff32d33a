"""A scripted model says what its script says, by where a dialogue stands and not by what arrives first."""

from __future__ import annotations

import threading

import pytest

from middlewatch.agents.language_model.scripted import Line, ScriptedModel, dialogues
from middlewatch.agents.language_model.seam import AnswerSpec, Asked, ModelFailure, Reply, Request, ToolResult
from middlewatch.records import CallOutcome, Tokens

ANSWER = AnswerSpec("reasoning", {"type": "object"})


def ask(model: ScriptedModel, request: Request) -> Reply:
    return model.respond(request, seconds=5, cancelled=threading.Event())


def test_each_dialogue_has_its_own_lines() -> None:
    script = dialogues({"reasoning": [Line(calls=(("metrics", {"a": 1}),)), Line(answer={"claims": []})], "": [Line("Other.")]})
    model = ScriptedModel(script)
    first = Request("You are.", (Asked("What happened?"),), answer=ANSWER)
    reply = ask(model, first)
    (call,) = reply.turn.calls
    assert (call.name, call.arguments, reply.answer) == ("metrics", {"a": 1}, None)
    assert ask(model, Request("You are.", (Asked("Else"),))).turn.text == "Other."
    second = Request("You are.", (*first.turns, reply.turn, Asked(results=(ToolResult(call, "42"),))), answer=ANSWER)
    assert ask(model, second).answer == {"claims": []}
    assert model.requests[0] == first
    assert len(model.requests) == 3


def test_tokens_are_counted_from_the_texts_or_said_by_the_script() -> None:
    request = Request("x" * 40, (Asked("y" * 39),))
    assert ask(ScriptedModel(lambda _: Line("z" * 8)), request).tokens == Tokens(input=20, output=2)
    assert ask(ScriptedModel(lambda _: Line("z", tokens=Tokens(cached=7))), request).tokens == Tokens(cached=7)


def test_where_nothing_is_written_it_fails() -> None:
    with pytest.raises(ModelFailure) as failure:
        ask(ScriptedModel(dialogues({"reasoning": [Line("x")]})), Request("s", (Asked("t"),)))
    assert failure.value.outcome is CallOutcome.FAILED
