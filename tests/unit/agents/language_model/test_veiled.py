"""Invariant: no text of a request that leaves holds a secret, in whatever part, and what comes back can be used here alone."""

from __future__ import annotations

import dataclasses
import threading

import pytest

from middlewatch.agents.language_model.scripted import Line, ScriptedModel
from middlewatch.agents.language_model.seam import AnswerSpec, Asked, Replied, Reply, Request, ToolCall, ToolResult, ToolSpec
from middlewatch.agents.language_model.veiled import VeiledModel
from middlewatch.context_store.placeholders import Placeholders
from tests.canaries import CANARIES, TEXT, seen_in

SAYS = "look for {}"


def everywhere(text: str) -> Request:
    """A request with a text in every part of it that can hold one of others."""
    call = ToolCall("c1", "log_lines", {"contains": text, "services": [text, {"deep": [text]}], "limit": 5})
    return Request(
        system=text,
        turns=(
            Asked(text, cached=True),
            Replied(text, (call,)),
            Asked(text, (ToolResult(call, text), ToolResult(call, "", failed=True))),
        ),
        tools=(ToolSpec("log_lines", text, {"type": "object"}),),
        answer=AnswerSpec("a", {"type": "object"}),
    )


def asked(request: Request, line: Line) -> tuple[Request, Reply]:
    model = ScriptedModel(lambda _: line)
    ours = VeiledModel(model, Placeholders(b"s" * 32))
    reply = ours.respond(request, seconds=5.0, cancelled=threading.Event())
    return model.requests[0], reply


@pytest.mark.parametrize("rule", CANARIES)
def test_nothing_that_leaves_holds_a_secret(rule: str) -> None:
    text, _ = CANARIES[rule]
    assert seen_in(repr(everywhere(text)))
    sent, _ = asked(everywhere(text), Line("said"))
    assert seen_in(repr(sent)) == []


def test_without_the_veil_all_of_them_leave() -> None:
    model = ScriptedModel(lambda _: Line("said"))
    model.respond(everywhere(TEXT), seconds=5.0, cancelled=threading.Event())
    assert len(seen_in(repr(model.requests))) == len(CANARIES)


def test_what_holds_no_secret_leaves_as_it_is() -> None:
    request = everywhere("p99 of [s1] is 2.4 s since 02:03; trace 0af7651916cd43dd8448eb211c80319c")
    sent, _ = asked(request, Line("said"))
    assert sent == request


def test_tool_calls_name_what_is_there_and_words_do_not() -> None:
    name = "orders@db.example.com"
    placeholder = Placeholders(b"s" * 32).veil(name)
    line = Line(SAYS.format(placeholder), calls=(("log_lines", {"services": [placeholder], "most": {"of": placeholder, "n": 1}}),))
    _, reply = asked(everywhere(name), line)
    (call,) = reply.turn.calls
    assert call.arguments == {"services": [name], "most": {"of": name, "n": 1}}
    assert reply.turn.text == SAYS.format(placeholder)
    again, _ = asked(dataclasses.replace(everywhere(""), turns=(Asked("x"), reply.turn)), Line("said"))
    assert name not in repr(again), "handed back, they are veiled again"


def test_it_is_the_model_otherwise() -> None:
    model = ScriptedModel(lambda _: Line("said"))
    ours = VeiledModel(model, Placeholders(b"s" * 32))
    assert (ours.provider, ours.name, ours.host) == (model.provider, model.name, model.host)
    ours.close()
