"""What language models answer: the form that is asked for, and what of it is accepted.

A model names nothing: it gives the keys of what it was shown. What has no key that was shown, or cites what does not exist, is
rejected and counted, and so is what has a number or speaks of a change that what it cites has not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, TypeVar

from pydantic import Field, JsonValue, ValidationError

from middlewatch.agents.language_model.seam import AnswerSpec
from middlewatch.agents.reasoning.changes import uncited_change
from middlewatch.agents.reasoning.dialogue import Misfit
from middlewatch.agents.reasoning.digest import Digest
from middlewatch.agents.reasoning.numbers import known_of_cited
from middlewatch.records import Alert, Evidence, Identifier, Position, Record, Rejection
from middlewatch.records.misfit import misfit_words
from middlewatch.records.quoting import quoted

MOST_OF_A_KIND: Final = 8
"""Claims, votes or hypotheses of one answer that are looked at; the others are rejected (chosen: a person reads no more)."""
MOST_CITED: Final = 8
MOST_ADDED: Final = 8
"""Facts that one dialogue may add to the evidence. Chosen."""
LONGEST_WORDS: Final = 300
"""Characters of a claim or a reason that are kept."""
UNBORNE: Final = {
    Rejection.NUMBER: "it gave numbers that do not stand in what it cites",
    Rejection.CHANGE: "it spoke of a change that it does not cite",
}
"""What stands in the place of such a reason."""
_SERVICE_KEY = re.compile(r"\[?\b(s[0-9]{1,4})\b\]?")
EVEN: Final = 0.5
"""Odds at which nothing is said for or against."""

R = TypeVar("R", bound=Record)
Cited = tuple[str, ...]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class Claimed(Record):
    """A sentence, and the keys of the evidence for it."""

    text: str
    evidence: Cited


class Suspected(Record):
    """A service that the model suspects and no hypothesis blames yet."""

    service: str
    probability: Probability
    reason: str
    evidence: Cited


class Voted(Record):
    """What the model says of a hypothesis."""

    hypothesis: str
    position: Position
    probability: Probability
    reason: str
    evidence: Cited


class Reasoned(Record):
    """The answer of an agent's model."""

    claims: tuple[Claimed, ...]
    add_evidence: Cited
    suspects: tuple[Suspected, ...]
    votes: tuple[Voted, ...]


class Written(Record):
    """The answer of the writer's model."""

    sentence: str
    prose: str


Kind = Literal["string", "number"]


def _object(**properties: JsonValue) -> dict[str, JsonValue]:
    """A schema in what all providers take: every property required, none additional."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _list(items: JsonValue, description: str) -> JsonValue:
    return {"type": "array", "items": items, "description": description}


def _text(description: str) -> JsonValue:
    return {"type": "string", "description": description}


_CITED = _list({"type": "string"}, "keys such as e3 or t1.2")
_PROBABILITY: JsonValue = {"type": "number", "description": "0 to 1, that trouble started there"}
_REASON = _text("at most 12 words")

REASONED: Final = AnswerSpec(
    "reasoned",
    _object(
        claims=_list(_object(text=_text("a sentence of at most 20 words"), evidence=_CITED), "at most 3, the most telling first"),
        add_evidence=_list({"type": "string"}, "keys such as t1.2 of facts that belong to the evidence"),
        suspects=_list(
            _object(service=_text("key such as s4"), probability=_PROBABILITY, reason=_REASON, evidence=_CITED),
            "services that no hypothesis blames yet; usually none",
        ),
        votes=_list(
            _object(
                hypothesis=_text("key such as h1"),
                position={"type": "string", "enum": [position.value for position in Position]},
                probability=_PROBABILITY,
                reason=_REASON,
                evidence=_CITED,
            ),
            "one for each hypothesis that you can judge",
        ),
    ),
)
CHALLENGED: Final = AnswerSpec("challenged", REASONED.schema)
"""Of the challenger's model: one vote. Another form would be another beginning of its requests, and the cache a stranger to it."""
WRITTEN: Final = AnswerSpec(
    "written",
    _object(sentence=_text("the outcome in one sentence"), prose=_text("the outcome in at most 120 words")),
)


def parsed(kind: type[R], answer: object) -> R:
    """An answer in its form.

    Raises:
        Misfit: it has another one.
    """
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        first = error.errors()[0]
        where = " of ".join(str(part) for part in reversed(first["loc"]) if isinstance(part, str) and part in _NAMES)
        raise Misfit(f"{where or 'the answer'}: {misfit_words(first)}.") from None


_NAMES: Final = frozenset({name for kind in (Reasoned, Claimed, Suspected, Voted, Written) for name in kind.model_fields})
"""What may be said of a misfit: names of ours. What else an answer had is not repeated."""


@dataclass(slots=True)
class Citing:
    """What may be cited: the evidence of the digest, and the facts that the dialogue's own tool calls found."""

    digest: Digest
    found: Mapping[str, Evidence]
    taken: dict[str, Evidence] = field(default_factory=dict)
    """Facts of tool calls that were cited: they become evidence."""

    def facts(self, keys: Sequence[str]) -> tuple[Evidence, ...] | None:
        """What the keys stand for; None where there are none, too many, or one of them stands for nothing."""
        if not 0 < len(keys) <= MOST_CITED:
            return None
        facts = [self.digest.evidence.get(key) or self.found.get(key) for key in dict.fromkeys(keys)]
        there = tuple(fact for fact in facts if fact is not None)
        new = {fact.id for fact in there} - self.digest.keys.keys() - self.taken.keys()
        return there if len(there) == len(facts) and len(self.taken) + len(new) <= MOST_ADDED else None

    def named(self, text: str) -> str:
        """With the names of services in the place of their keys, which tell a reader nothing."""
        names = self.digest.services
        return _SERVICE_KEY.sub(lambda found: quoted(names[found[1]]) if found[1] in names else found[0], text)

    def unborne(self, text: str, facts: Sequence[Evidence], keys: Sequence[str], alert: Alert) -> Rejection | None:
        """Why a text is not borne out by the facts that it cites; None where it is.

        Args:
            text: with names for keys.
            facts: that it cites.
            keys: by which it cites them.
            alert: of the investigation.
        """
        services = self.digest.services.values()
        return unborne(text, facts, services, alert, (*keys, *self.digest.hypotheses, *services))

    def take(self, facts: Sequence[Evidence]) -> tuple[Identifier, ...]:
        """Cite them: what tool calls found becomes evidence by that."""
        self.taken.update((fact.id, fact) for fact in facts if fact.id not in self.digest.keys)
        return tuple(fact.id for fact in facts)


def unborne(
    text: str, facts: Sequence[Evidence], services: Iterable[str], alert: Alert, names: Iterable[str] = ()
) -> Rejection | None:
    """Why a text is not borne out by the facts that it cites; None where it is.

    Args:
        text: of a model.
        facts: that it cites.
        services: that it may name.
        alert: of the investigation.
        names: that may stand in it, beside those of the facts.
    """
    if uncited_change(text, facts, facts, services):
        return Rejection.CHANGE
    known = known_of_cited(alert, facts)
    known.add_names(names)
    return Rejection.NUMBER if known.unsupported(text) else None


def agrees(vote: Voted | Suspected, position: Position) -> bool:
    """Whether a probability says the same as a position."""
    return {Position.SUPPORT: vote.probability > EVEN, Position.OPPOSE: vote.probability < EVEN}.get(position, True)


def speak_of(facts: Sequence[Evidence], service: str) -> bool:
    """Whether one of the facts is about a service."""
    return any(service in {fact.anomaly.service, fact.anomaly.peer} for fact in facts)


def said(text: str) -> str:
    """What a model wrote, as it stands in a sentence of ours: a quotation."""
    return quoted(text.strip(), longest=LONGEST_WORDS)
