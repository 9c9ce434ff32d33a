"""What came back is read in no time, whatever it is, and comes to JSON that can be walked through, stored and sent again."""

from __future__ import annotations

import json
import threading

import pytest

from middlewatch.agents.language_model.connection import ProviderName
from middlewatch.agents.language_model.decoding import MOST_LEVELS, answer_in, json_object
from middlewatch.agents.language_model.opening import open_model
from middlewatch.agents.language_model.retrying import Trouble
from middlewatch.agents.language_model.scripted import Line
from middlewatch.agents.language_model.seam import Asked, ModelFailure, Request
from middlewatch.records import CallOutcome
from tests.contract.model_benches import ANSWER, ENDS, connection
from tests.model_ends.end import served

ASKED = Request("You look at metrics.", (Asked("What is it?"),), answer=ANSWER)
LONG = 48_000


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        ' <think>{"b": 2}?</think>\n{"a": 1}\n',
        '```json\n{"a": 1}\n```',
        '```\n\n{"a": 1}```  ',
        '<think>```</think> ```json {"a": 1}\n\n```\n',
    ],
)
def test_an_answer_is_found_behind_thoughts_and_in_a_fence(text: str) -> None:
    assert answer_in(text, ASKED, lenient=True) == {"a": 1}


@pytest.mark.parametrize("text", ["", 'Here is: {"a": 1}', "[1]", "```", "<think>{}", '{"a": "\\ud800"}', '{"a": "\ud800"}'])
def test_what_is_no_object_is_no_answer(text: str) -> None:
    assert answer_in(text, ASKED, lenient=True) is None


@pytest.mark.parametrize("piece", ["\n", " ", "`", "```\n", "<think>", "<think></think>", "{", "{\n```"])
def test_a_long_text_is_read_in_no_time(piece: str) -> None:
    """With a regular expression for the fence this takes hours."""
    for text in (piece * (LONG // len(piece)), "```" + piece * (LONG // len(piece)) + "x"):
        assert answer_in(text, ASKED, lenient=True) is None


def test_what_is_nested_too_deep_is_no_json() -> None:
    sound, deep = ("[" * levels + "]" * levels for levels in (MOST_LEVELS - 1, MOST_LEVELS))
    assert json_object(f'{{"a": {sound}}}', "h", "it")
    with pytest.raises(Trouble):
        json_object(f'{{"a": {deep}}}', "h", "it")


@pytest.mark.parametrize("provider", [*ProviderName])
@pytest.mark.parametrize(
    "line", [Line("half a character: \ud800"), Line(calls=(("t", json.loads('{"a":' * 300 + "1" + "}" * 300)),))]
)
def test_what_nobody_could_send_again_is_a_failure(provider: ProviderName, line: Line) -> None:
    end = ENDS[provider]()
    end.say = lambda _: line
    with served(end) as url:
        model = open_model(connection(provider, url))
        with pytest.raises(ModelFailure) as failure:
            model.respond(ASKED, seconds=20, cancelled=threading.Event())
        model.close()
    assert failure.value.outcome is CallOutcome.MALFORMED
    assert failure.value.tokens.prompt > 0
