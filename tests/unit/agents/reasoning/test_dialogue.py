"""Invariant: whatever tools answer, and however little room there is, a dialogue that has begun is not lost to its own length."""

from __future__ import annotations

import string
import threading
from collections.abc import Callable, Sequence
from typing import cast

import pytest

from middlewatch.agents.language_model.scripted import Line, ScriptedModel, spoken
from middlewatch.agents.language_model.seam import AnswerSpec, LanguageModel, Request
from middlewatch.agents.language_model.veiled import VeiledModel
from middlewatch.agents.reasoning.calling import Caller
from middlewatch.agents.reasoning.dialogue import Bounds, Dialogue, Opening, Outcome
from middlewatch.agents.reasoning.size import cut_to, request_tokens
from middlewatch.agents.reasoning.tools import RESULT_TOKENS, Finds, Looked
from middlewatch.context_store.placeholders import Placeholders
from middlewatch.records import Claim, FencingToken, Purpose, Task, TaskKind, Tokens
from tests.unit.agents.reasoning.scene import FakeTools

CLAIM = Claim(
    task=Task(tenant="t", investigation="i", id="r1-reason-logs", kind=TaskKind.REASON, arguments={"round": 1, "agent": "logs"}),
    owner="ann",
    token=FencingToken(epoch=1, counter=1),
    attempt=1,
    lease_seconds=30.0,
)


class Long:
    """Finds of tools that answer as much as they may."""

    def told(self, _number: int, _looked: Looked) -> str:
        return cut_to("a1 " * 2000, RESULT_TOKENS)


def curious(request: Request) -> Line:
    """Calls a tool for as long as it may, one way and then another; counts half a percent more tokens than we do."""
    tokens = Tokens(input=round(request_tokens(request) * 1.005), output=10)
    if any("No tool may be called any more" in turn.text for turn in request.turns):
        return Line(answer={"said": True}, tokens=tokens)
    return Line(calls=(("list_services", {"limit": spoken(request)}),), tokens=tokens)


def held(model: LanguageModel, room: int, *, veil: Callable[[str], str] = str) -> Outcome[bool]:
    opening = Opening("system", "digest", "instruction", AnswerSpec("reasoned", {"type": "object"}), bool)
    caller = Caller(model, CLAIM, "logs", Purpose.REASON)
    bounds, finds = Bounds(calls=4, prompt_tokens=room), cast("Finds", Long())
    return Dialogue(caller, opening, bounds, threading.Event(), FakeTools(), finds, veil).hold()


@pytest.mark.parametrize("room", range(1_200, 2_600, 35))
def test_what_tools_answer_leaves_room_for_the_last_word(room: int) -> None:
    model = ScriptedModel(curious)
    outcome = held(model, room)
    assert outcome.problem == ""
    assert outcome.answer is True
    assert max(map(request_tokens, model.requests)) <= room


def asking_about(people: Sequence[str]) -> Callable[[Request], Line]:
    """Calls a tool with placeholders, which are longer than what they stand for; says of no tokens how many there were."""

    def script(request: Request) -> Line:
        if spoken(request):
            return Line(answer={"said": True}, tokens=Tokens())
        return Line(calls=(("list_services", {"services": list(people)}),), tokens=Tokens())

    return script


@pytest.mark.parametrize("room", range(1_300, 3_100, 60))
def test_what_is_counted_is_what_leaves(room: int) -> None:
    placeholders = Placeholders(b"s" * 32)
    people = [placeholders.veil(f"{letter}@shop.example") for letter in string.ascii_lowercase]
    model = ScriptedModel(asking_about(people))
    held(VeiledModel(model, placeholders), room, veil=placeholders.veil)
    assert max(map(request_tokens, model.requests)) <= room
