"""What a language model is worth: the same incidents answered by single agents, by rules, and by rules and models.

Every answer follows from what was said once (`evals/reasoned.py`), by the functions that an investigation counts votes with. A
model is weighed by what it did in all *other* incidents, as if those had been recorded: none is judged by the answer that it gave.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import Field

import middlewatch
from middlewatch.agents.voices import signed
from middlewatch.agents.voting import change_probability, shares, tally
from middlewatch.agents.weights import Truth, Weights, judged, summed, weights
from middlewatch.app import AGENTS
from middlewatch.evals.assessments import verdict_on
from middlewatch.evals.reasoned import Asking, Reasoned
from middlewatch.evals.scoring import brier, strict_rank
from middlewatch.intervals import Share
from middlewatch.records import (
    AgentName,
    CauseKind,
    ChallengeVerdict,
    ModelEvaluation,
    Prediction,
    Record,
    ServiceScore,
    Tokens,
    Trials,
    Voice,
    digest_of,
)

RULES: Final = "vote of rules"
WITHOUT_CHALLENGER: Final = "rules and models, no challenger"
BOTH: Final = "rules and models"
IN_FULL: Final = "rules and models, all in full"
MODELS: Final = "models alone"


class Answer(Record):
    """What one way of answering says of one incident."""

    ranking: tuple[tuple[str, float], ...]
    confidence: float
    inconclusive: bool


class Way(Record):
    """How one way of answering did."""

    name: str
    named: Share = Field(description="of the incidents, those whose cause was named first (AC@1); inconclusive is a miss")
    ranked: Share = Field(description="the same by the ranking alone")
    blamed: Share = Field(description="of the quiet moments, those in which somebody was blamed")
    right: Share = Field(description="of everything, what was right; in a quiet moment to name nobody")
    brier: float | None = Field(default=None, description="of stated confidence, over answers that name somebody; null without any")


class Spent(Record):
    """What asking took."""

    calls: int
    unanswered: int
    tokens: Tokens
    dollars: float | None = Field(description="null where the price is not known")
    dollars_each: float | None = Field(description="of one incident, at the median")
    seconds_rules: float = Field(description="until the rules' answer, at the median")
    seconds: float = Field(description="of a whole investigation, at the median")
    seconds_longest: float


class ModelAblation(Record):
    """Everything that `middlewatch evaluate --mode both` measures."""

    format: Literal["middlewatch.model_ablation/v1"] = "middlewatch.model_ablation/v1"
    provider: str
    model: str
    masked: bool
    degraded: tuple[str, ...] = ()
    seed: int = 0
    incidents: int
    quiet: int
    ways: tuple[Way, ...]
    changed: tuple[str, ...] = Field(description="incidents that models made right, or wrong, in words")
    trials: tuple[Trials, ...] = Field(description="how each agent's model did, by kind of cause")
    spent: Spent
    problems: tuple[str, ...] = Field(description="what models gave up, and how often")

    def way(self, name: str) -> Way:
        """One of the ways."""
        return next(way for way in self.ways if way.name == name)


def ablate_models(found: Sequence[Reasoned], asking: Asking) -> ModelAblation:
    """Score every way of answering.

    Args:
        found: what was said of each incident, at least one.
        asking: how it was asked.
    """
    others = [_weights_without(found, one) for one in found]
    in_full = _Full({})
    ways: dict[str, list[Answer]] = {f"{name} alone": [by_agent(one, name) for one in found] for name in AgentName}
    ways[RULES] = [by_rules(one) for one in found]
    ways[MODELS] = [by_models(one) for one in found]
    ways[WITHOUT_CHALLENGER] = [by_both(one, w, challenge=False) for one, w in zip(found, others, strict=True)]
    ways[BOTH] = [by_both(one, w) for one, w in zip(found, others, strict=True)]
    ways[IN_FULL] = [by_both(one, in_full) for one in found]
    quiet = sum(not one.label.services for one in found)
    return ModelAblation(
        provider=found[0].provider,
        model=found[0].model,
        masked=asking.mask,
        degraded=asking.degradations,
        seed=asking.seed,
        incidents=len(found) - quiet,
        quiet=quiet,
        ways=tuple(_way(name, found, answers) for name, answers in ways.items()),
        changed=tuple(_changed(found, ways[RULES], ways[BOTH])),
        trials=trials_of(found),
        spent=_spent(found),
        problems=_problems(found),
    )


def evaluation_of(measured: ModelAblation, found: Sequence[Reasoned]) -> ModelEvaluation:
    """What is recorded of it: it gives the model its weight."""
    return ModelEvaluation(
        model=measured.model,
        provider=measured.provider,
        at=datetime.now(UTC),
        by="nobody",
        engine=f"middlewatch {middlewatch.__version__}",
        questions=digest_of(sorted((one.recording, one.incident) for one in found)),
        incidents=measured.incidents,
        quiet=measured.quiet,
        masked=measured.masked,
        trials=measured.trials,
        right_by_rules=measured.way(RULES).right.hits,
        right_with_models=measured.way(BOTH).right.hits,
        calls=measured.spent.calls,
        tokens=measured.spent.tokens,
        dollars=measured.spent.dollars,
        seconds_median=measured.spent.seconds,
    )


def answers_of(found: Sequence[Reasoned], *, alone: bool) -> tuple[Prediction, ...]:
    """One prediction of each incident.

    Args:
        found: what was said of it.
        alone: as the model alone answers; otherwise as both voices do, the model weighed by all other incidents.
    """
    told = []
    for one in found:
        answer = by_models(one) if alone else by_both(one, _weights_without(found, one))
        causes = () if answer.inconclusive else (answer.ranking[0][0],)
        same = causes[:1] == one.rules.causes[:1]
        told.append(
            Prediction(
                incident=one.incident,
                ranking=answer.ranking,
                confidence=answer.confidence,
                inconclusive=answer.inconclusive,
                seconds=one.seconds,
                causes=one.rules.causes if same else causes,
                onset=one.rules.onset if same else None,
                kind=one.rules.kind if same else None,
            )
        )
    return tuple(told)


def by_rules(one: Reasoned) -> Answer:
    """As rules alone answered."""
    return Answer(ranking=one.rules.ranking, confidence=one.rules.confidence, inconclusive=one.rules.inconclusive)


def by_agent(one: Reasoned, agent: AgentName) -> Answer:
    """As one agent's rules answer, in the round that models looked at."""
    verdict = verdict_on({agent: one.found[agent]} if agent in one.found else {}, one.round)
    return _answered(verdict.ranking, verdict.confidence, inconclusive=verdict.inconclusive)


def by_both(one: Reasoned, known: Weights, *, challenge: bool = True) -> Answer:
    """As rules and models answer with these weights."""
    if not any(vote.voice is Voice.MODEL for vote in one.votes) and one.challenge is None:
        return by_rules(one)
    refuted = next((h for h in one.hypotheses if one.challenge and h.id == one.challenge.hypothesis), None)
    weighed = known.on_challenge(one.challenge, refuted) if challenge and one.challenge and refuted else None
    verdict = tally(AGENTS, one.found, one.hypotheses, known.on_votes(one.votes, one.hypotheses), weighed)
    return _answered(verdict.ranking, verdict.confidence, inconclusive=verdict.inconclusive)


def by_models(one: Reasoned) -> Answer:
    """As models alone would answer about the hypotheses: what they support most, or nothing where they support none.

    Whether anything changed is the rules' to say here, too. What it states as confidence is P(change) times the softmax of the
    models' nats: worth little, since they were told to say odds and nobody has calibrated them.
    """
    said = {h.service: sum(signed(v) for v in one.votes if v.voice is Voice.MODEL and v.hypothesis == h.id) for h in one.hypotheses}
    if one.challenge is not None and one.challenge.verdict is ChallengeVerdict.REFUTED:
        said |= {h.service: min(said[h.service], 0.0) for h in one.hypotheses if h.id == one.challenge.hypothesis}
    ranking = sorted(said.items(), key=lambda row: (-row[1], row[0]))
    leading = ranking[0][1] if ranking else 0.0
    share = shares([score for _, score in ranking])[0] if ranking else 0.0
    confidence = change_probability(AGENTS, one.found) * share
    return Answer(ranking=tuple(ranking), confidence=confidence, inconclusive=leading <= 0)


def trials_of(found: Sequence[Reasoned]) -> tuple[Trials, ...]:
    """How each agent's model did, by kind of cause."""
    done = (judged(one.hypotheses, one.votes, one.challenge, Truth(frozenset(one.label.services))) for one in found)
    return summed(trial for of_model in done for trials in of_model.values() for trial in trials)


def _weights_without(found: Sequence[Reasoned], left_out: Reasoned) -> Weights:
    """What the model would weigh if all other incidents had been recorded as its evaluation."""
    others = [one for one in found if one is not left_out]
    made = ModelEvaluation(
        model=left_out.model or "none",
        at=datetime.now(UTC),
        by="nobody",
        engine="",
        questions="",
        incidents=len(others),
        masked=False,
        trials=trials_of(others),
    )
    return weights([made])


class _Full(Weights):
    """Every vote counts for all it may: the most that a model could do, and never what it does."""

    def of(self, model: str, agent: str, kind: CauseKind) -> float:  # noqa: ARG002  as the base class has it
        return 1.0


def _answered(ranking: Sequence[ServiceScore], confidence: float, *, inconclusive: bool) -> Answer:
    rows = tuple((row.service, row.score) for row in ranking)
    return Answer(ranking=rows, confidence=confidence, inconclusive=inconclusive)


def _first(one: Reasoned, answer: Answer) -> bool:
    return any(strict_rank(answer.ranking, service) == 1 for service in one.label.services)


def is_right(one: Reasoned, answer: Answer) -> bool:
    """Whether the truth was named first, any of several causes, or nobody where nothing was wrong."""
    if not one.label.services:
        return answer.inconclusive
    return not answer.inconclusive and _first(one, answer)


def _way(name: str, found: Sequence[Reasoned], answers: Sequence[Answer]) -> Way:
    pairs = list(zip(found, answers, strict=True))
    faults = [(one, answer) for one, answer in pairs if one.label.services]
    quiet = [answer for one, answer in pairs if not one.label.services]
    sure = [(answer.confidence, _first(one, answer)) for one, answer in pairs if not answer.inconclusive]
    return Way(
        name=name,
        named=Share.counted(sum(is_right(*pair) for pair in faults), len(faults)),
        ranked=Share.counted(sum(_first(*pair) for pair in faults), len(faults)),
        blamed=Share.counted(sum(not answer.inconclusive for answer in quiet), len(quiet)),
        right=Share.counted(sum(is_right(*pair) for pair in pairs), len(pairs)),
        brier=brier(sure) if sure else None,
    )


def _changed(found: Sequence[Reasoned], before: Sequence[Answer], after: Sequence[Answer]) -> list[str]:
    lines = []
    for one, was, now in zip(found, before, after, strict=True):
        if is_right(one, was) != is_right(one, now):
            lines.append(f"{one.incident}: {'made right' if is_right(one, now) else 'made wrong'} ({_said(was)} -> {_said(now)})")
    return lines


def _said(answer: Answer) -> str:
    return "inconclusive" if answer.inconclusive else f"{answer.ranking[0][0]} {answer.confidence:.0%}"


def _spent(found: Sequence[Reasoned]) -> Spent:
    dollars = [one.dollars for one in found if one.dollars is not None]
    priced = len(dollars) == len(found)
    return Spent(
        calls=sum(one.calls for one in found),
        unanswered=sum(one.unanswered for one in found),
        tokens=sum((one.tokens for one in found), Tokens()),
        dollars=sum(dollars) if priced else None,
        dollars_each=statistics.median(dollars) if priced else None,
        seconds_rules=round(statistics.median(one.rules.seconds for one in found), 3),
        seconds=round(statistics.median(one.seconds for one in found), 3),
        seconds_longest=max(one.seconds for one in found),
    )


def _problems(found: Sequence[Reasoned]) -> tuple[str, ...]:
    counts = Counter(problem for one in found for problem in one.problems)
    return tuple(f"{problem} ({times}x)" for problem, times in counts.most_common())
