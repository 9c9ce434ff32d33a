"""What language models say of a hypothesis, beside what rules say: who, what for, and what it counts. The same on every face."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from middlewatch.frontends import quantity
from middlewatch.frontends.model_wording import VERDICTS
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.wording import stance_words
from middlewatch.records import (
    AgentName,
    Calibrated,
    Challenge,
    ChallengeVerdict,
    Position,
    RankedHypothesis,
    Report,
    Voice,
    Vote,
)

_SAY = Quotation()


@dataclass(frozen=True, slots=True)
class ModelVote:
    """One model's word on a hypothesis."""

    speaker: str
    """Such as `logs agent's model "m-1"`."""
    position: Position
    words: str
    """What it says and what that counts."""
    reason: str
    evidence: tuple[str, ...]


def model_votes(report: Report, row: RankedHypothesis) -> tuple[ModelVote, ...]:
    """What models say of a hypothesis, in the agents' order; the challenger last."""
    return tuple(_said(report, row))


def calibration(told: Calibrated) -> str:
    """How a confidence was calibrated, after it."""
    answers = f"{told.outcomes} answers that people judged"
    return f"by {answers}; the votes alone state {quantity.percent(told.stated)}"


def _said(report: Report, row: RankedHypothesis) -> Iterator[ModelVote]:
    order = list(AgentName)
    votes = [vote for vote in row.votes if vote.voice is Voice.MODEL]
    for vote in sorted(votes, key=lambda vote: (order.index(vote.agent), vote.model, vote.round)):
        speaker = f"{vote.agent} agent's model {_SAY.named(vote.model)}"
        yield ModelVote(speaker, vote.position, _words(vote), vote.reason, vote.evidence)
    challenge = report.models.challenge if report.models else None
    if challenge is not None and challenge.hypothesis == row.hypothesis.id:
        yield _challenged(challenge)


def _words(vote: Vote) -> str:
    if vote.position is Position.ABSTAIN:
        return stance_words(vote)
    return f"{stance_words(vote)}, {_counts(vote.weight)}"


def _challenged(challenge: Challenge) -> ModelVote:
    refutes = challenge.verdict is ChallengeVerdict.REFUTED
    words = VERDICTS[challenge.verdict] + (f", {_counts(challenge.weight)}" if refutes else "")
    position = Position.OPPOSE if refutes else Position.ABSTAIN
    speaker = f"challenger {_SAY.named(challenge.model)}" if challenge.model else "challenger"
    return ModelVote(speaker, position, words, challenge.reason, challenge.evidence)


def _counts(weight: float) -> str:
    return f"which counts {quantity.percent(weight)}" if weight else "which counts for nothing"
