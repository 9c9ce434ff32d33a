"""A scripted model that reads its digest as a model would: it votes for the service that it is told to hold for guilty."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic import JsonValue

from middlewatch.agents.language_model.scripted import Line, ScriptedModel
from middlewatch.agents.language_model.seam import AnswerSpec, Asked, Request
from middlewatch.records import Tokens
from tests.model_ends.end import ModelEnd

_HYPOTHESIS = re.compile(r"^(h\d+) it started in (s\d+).*?; rests on (.*)$", re.MULTILINE)
_SERVICE = re.compile(r"^(s\d+) (.*?) (?:-?[\d.]+|not seen)(?:,|$)", re.MULTILINE)
_CHALLENGED = re.compile(r"^Try to refute (h\d+):", re.MULTILINE)
TOKENS = Tokens(input=900, cached=3000, output=200)

Guilty = Callable[[str], bool]
"""Whether the model holds the service for guilty, by what its digest calls it."""


def over_the_wire(model: ScriptedModel, end: ModelEnd) -> Callable[[dict[str, Any]], Line]:
    """What a server says for the model, to requests of the protocol of chat completions."""

    def say(body: dict[str, Any]) -> Line:
        asked = tuple(Asked(message["content"]) for message in body["messages"] if message["role"] == "user")
        schema = end.schema(body) or {}
        refuting = any("Try to refute" in turn.text for turn in asked)
        name = "written" if "prose" in schema["properties"] else "challenged" if refuting else "reasoned"
        return model.script(Request("", asked, answer=AnswerSpec(name, schema)))

    return say


def texts(request: Request) -> str:
    """All that it is shown."""
    return "\n".join(turn.text for turn in request.turns)


def verdict_on(request: Request, verdict: str, cited: list[JsonValue]) -> dict[str, JsonValue]:
    """The challenger's answer."""
    challenged = _CHALLENGED.search(texts(request))
    key = challenged[1] if challenged else "h1"
    position, probability = {"stands": ("support", 0.9), "refuted": ("oppose", 0.1)}.get(verdict, ("abstain", 0.5))
    vote: dict[str, JsonValue] = {"hypothesis": key, "position": position, "probability": probability}
    return {"claims": [], "add_evidence": [], "suspects": [], "votes": [vote | {"reason": "so it is", "evidence": cited}]}


def mind(guilty: Guilty, *, verdict: str = "stands", name: str = "scripted-1") -> ScriptedModel:
    """The model.

    Args:
        guilty: whom its agents vote for, with nine to one; against all others with one to nine.
        verdict: of the challenger.
        name: of the model.
    """

    def say(request: Request) -> Line:
        assert request.answer is not None
        shown = texts(request)
        services = dict(_SERVICE.findall(shown))
        votes: list[JsonValue] = []
        cited: list[JsonValue] = []
        for key, service, rests in _HYPOTHESIS.findall(shown):
            facts: list[JsonValue] = [fact for fact in rests.split() if fact.startswith("e")]
            cited += facts[:1]
            holds = guilty(services.get(service, ""))
            if facts:
                votes.append(
                    {
                        "hypothesis": key,
                        "position": "support" if holds else "oppose",
                        "probability": 0.9 if holds else 0.1,
                        "reason": "it began there" if holds else "it only waits",
                        "evidence": facts[:1],
                    }
                )
        answers: dict[str, dict[str, JsonValue]] = {
            "reasoned": {"claims": [], "add_evidence": [], "suspects": [], "votes": votes},
            "challenged": verdict_on(request, verdict, cited[:1]),
            "written": {"sentence": "", "prose": ""},
        }
        return Line(answer=answers[request.answer.name], tokens=TOKENS)

    return ScriptedModel(say, name=name)
