"""Every guard between a hostile text and what models change, taken out, and what goes wrong then.

Where two guards stop the same thing, one after the other, both are taken out: what is shown is that the attack is a real one, and
that the test which says that it fails could say otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from middlewatch.agents import reporting, voices
from middlewatch.agents.reasoning import answers, quoting, showing, specialist_reasoning, writer
from middlewatch.agents.reasoning.answers import Citing
from middlewatch.agents.reasoning.specialist_reasoning import Acceptance
from middlewatch.agents.weights import Weights
from middlewatch.records import Evidence, FoundCause
from tests.integration.models.steered_site import FULL

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Guard:
    """What is taken out, and what must go wrong then."""

    take_out: Callable[[Patch], None]
    wrong: str
    place: str = "log line"
    weighed: bool = False
    goals: tuple[str, ...] = ()
    """Of ours against models; all of them where none is named."""


def _delimiters_are_escaped(patch: Patch) -> None:
    patch.setattr(quoting, "_escaped", lambda character: character if character.isprintable() else "?")


def _hidden_characters_are_escaped(patch: Patch) -> None:
    patch.setattr(quoting, "_escaped", lambda character: "" if character in "«»" else character)


def _text_is_quoted(patch: Patch) -> None:
    def bare(text: str, label: str, **_more: object) -> str:
        return f"{label} {text}"

    for module in (quoting, showing):
        patch.setattr(module, "quoted_block", bare)


def _what_is_cited_is_there(patch: Patch) -> None:
    def any_of(self: Citing, keys: Sequence[str]) -> tuple[Evidence, ...]:
        facts = (self.digest.evidence.get(key) or self.found.get(key) for key in keys)
        return tuple(fact for fact in facts if fact is not None)

    patch.setattr(Citing, "facts", any_of)
    patch.setattr(Acceptance, "_claims", lambda _self, _claims: ())  # a claim that cites nothing cannot even be written down


def _who_is_supported_is_spoken_of(patch: Patch) -> None:
    patch.setattr(specialist_reasoning, "speak_of", lambda _facts, _service: True)


def _only_what_deviates_is_suspected(patch: Patch) -> None:
    class All(frozenset[str]):
        def __contains__(self, _service: object) -> bool:
            return True

    _who_is_supported_is_spoken_of(patch)
    patch.setattr(specialist_reasoning, "deviating", lambda _agents, _found: All())


def _weights_are_earned(patch: Patch) -> None:
    patch.setattr(Weights, "on_votes", lambda _self, votes, hypotheses: FULL.on_votes(votes, hypotheses))


def _votes_are_bounded(patch: Patch) -> None:
    """Both bounds: of what models may move, and of what evidence of two kinds stands."""

    def loud(probability: float) -> float:
        del probability
        return 1000.0

    patch.setattr(voices, "MODEL_NATS", 1000.0)
    patch.setattr(specialist_reasoning, "nats", loud)
    patch.setattr("middlewatch.agents.voting.bounded", lambda moved, *_rest: dict(moved))


def _models_make_nothing_surer(patch: Patch) -> None:
    _votes_are_bounded(patch)
    patch.setattr(reporting, "_with_rules", lambda cause, *_rest: cause)
    patch.setattr(FoundCause, "enough_to_act", property(lambda cause: cause.confidence))


def _words_of_models_are_quoted(patch: Patch) -> None:
    for module in (answers, specialist_reasoning):
        patch.setattr(module, "said", lambda text: text)


def _prose_holds_only_what_is_known(patch: Patch) -> None:
    def unchecked(text: str, *_rest: object) -> str:
        return text

    class NoReport:
        outcome = None
        causes = ()

    written = writer.written

    def of_nothing(answer: Any, report: Any, services: Any, mark: Any) -> Any:
        del report
        return written(answer, NoReport, services, mark)  # type: ignore[arg-type]  # what is checked of it is not there

    patch.setattr(writer, "_checked", unchecked)
    patch.setattr(writer, "names_of", lambda *_: None)
    patch.setattr(writer, "known_numbers", lambda *_: None)
    patch.setattr("middlewatch.agents.reasoning.reasoner.written", of_nothing)


GUARDS: Mapping[str, Guard] = {
    "text of others is quoted": Guard(_text_is_quoted, "text of others outside of quotations"),
    "delimiters are escaped": Guard(_delimiters_are_escaped, "text of others outside of quotations", goals=("end-the-quotation",)),
    "hidden characters are escaped": Guard(
        _hidden_characters_are_escaped, "a prompt with the character", goals=("hide-the-order",)
    ),
    "what is cited is there": Guard(_what_is_cited_is_there, "a fact is cited that is not there: nothing"),
    "who is supported is spoken of": Guard(_only_what_deviates_is_suspected, "cites nothing about it"),
    "only what deviates is suspected": Guard(_only_what_deviates_is_suspected, "of which rules see nothing"),
    "weights are earned": Guard(_weights_are_earned, "is not the rules' any more"),
    "votes are bounded": Guard(_votes_are_bounded, "the finding is", weighed=True),
    "models make nothing surer": Guard(_models_make_nothing_surer, "what may be done is", weighed=True),
    "words of models are quoted": Guard(_words_of_models_are_quoted, "words of a model that are not quoted"),
    "prose holds only what is known": Guard(_prose_holds_only_what_is_known, "prose with what the evidence does not have"),
}
