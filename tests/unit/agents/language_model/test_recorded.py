"""What a model said once is said again to the same request, and to no other."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from middlewatch.agents.language_model.recorded import RecordedModel, RecordingModel, question
from middlewatch.agents.language_model.scripted import Line, ScriptedModel, dialogues
from middlewatch.agents.language_model.seam import (
    AnswerSpec,
    Asked,
    LanguageModel,
    ModelFailure,
    Reply,
    Request,
    ToolResult,
    ToolSpec,
)
from middlewatch.context_store.placeholders import Placeholders
from middlewatch.records.errors import BadInput

REQUEST = Request(
    "You are.",
    (Asked("What happened?", cached=True),),
    tools=(ToolSpec("metrics", "Metrics.", {"type": "object"}),),
    answer=AnswerSpec("reasoning", {"type": "object"}),
)


def ask(model: LanguageModel, request: Request) -> Reply:
    return model.respond(request, seconds=5, cancelled=threading.Event())


def test_a_dialogue_is_said_again(tmp_path: Path) -> None:
    path = tmp_path / "dialogues.jsonl"
    script = dialogues({"reasoning": [Line(calls=(("metrics", {"a": 1}),)), Line(answer={"claims": []})]})
    live = RecordingModel(ScriptedModel(script), path)
    first = ask(live, REQUEST)
    following = replace(REQUEST, turns=(*REQUEST.turns, first.turn, Asked(results=(ToolResult(first.turn.calls[0], "42"),))))
    second = ask(live, following)
    again = RecordedModel(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert again.name == "scripted-1"
    assert ask(again, REQUEST).turn == first.turn
    said = ask(again, following)
    assert (said.answer, said.tokens) == (second.answer, second.tokens)
    with pytest.raises(ModelFailure, match="Nothing was recorded"):
        ask(again, replace(following, turns=(*following.turns[:-1], Asked(results=(ToolResult(first.turn.calls[0], "43"),)))))


def test_a_secret_has_other_letters_in_the_next_investigation_and_the_dialogue_is_the_same(tmp_path: Path) -> None:
    def veiled(salt: bytes) -> tuple[Request, str]:
        ours = Placeholders(salt)
        one, other = ours.veil("bob@shop.example"), ours.veil("eve@shop.example")
        return replace(REQUEST, turns=(Asked(f"{other} and {one} and {other}"),)), one

    (before, first), (after, second) = veiled(b"a" * 32), veiled(b"b" * 32)
    path = tmp_path / "dialogues.jsonl"
    ask(RecordingModel(ScriptedModel(lambda _request: Line(answer={"about": f"{first} failed"})), path), before)
    assert first not in path.read_text(encoding="utf-8")
    assert ask(RecordedModel(path), after).answer == {"about": f"{second} failed"}


def test_how_much_a_model_may_think_or_write_is_no_part_of_the_question() -> None:
    assert question(replace(REQUEST, most_tokens=7)) == question(REQUEST)
    assert question(replace(REQUEST, system="You are not.")) != question(REQUEST)


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", '{"format": "other"}'])
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dialogues.jsonl"
    path.write_text(text)
    with pytest.raises(BadInput, match="holds no recorded dialogues"):
        RecordedModel(path)
    with pytest.raises(BadInput):
        RecordedModel(tmp_path / "none")
