"""What was found out about a language model before it may count for something, and what it counts for since."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from middlewatch.records.base import Identifier, Record, UtcDatetime
from middlewatch.records.cause import CauseKind
from middlewatch.records.language_model import Tokens

CHALLENGER = "challenger"
"""Who tries to refute the leading hypothesis; it weighs like an agent."""


class Trials(Record):
    """How often an agent's model was right where the truth is known, in one kind of cause."""

    agent: str = Field(description="an agent's name, or 'challenger'")
    kind: CauseKind = Field(description="of the hypothesis that it favoured, or opposed where it favoured none")
    right: int = Field(default=0, ge=0)
    wrong: int = Field(default=0, ge=0)


class ModelEvaluation(Record):
    """An evaluation that gives a model its weight. A later one of the same model takes its place."""

    format: Literal["middlewatch.model_evaluation/v1"] = "middlewatch.model_evaluation/v1"
    model: str = Field(min_length=1, max_length=200, description="as votes name it")
    provider: str = ""
    at: UtcDatetime
    by: Identifier = Field(description="who recorded it")
    engine: str = Field(description="name and version of what was evaluated")
    questions: str = Field(description="digest of what was asked: the recordings, and what was done to them")
    incidents: int = Field(ge=0)
    quiet: int = Field(default=0, ge=0, description="moments at which nothing was wrong")
    masked: bool = Field(description="whether names and times were hidden from the model")
    trials: tuple[Trials, ...]
    right_by_rules: int = Field(default=0, ge=0, description="answers that rules alone got right, quiet moments included")
    right_with_models: int = Field(default=0, ge=0, description="that both voices got right, by weights from the others")
    calls: int = Field(default=0, ge=0)
    tokens: Tokens = Tokens()
    dollars: float | None = Field(default=None, ge=0.0, description="null where the price is not known")
    seconds_median: float | None = Field(default=None, ge=0.0, description="of a whole investigation; null where there was none")


class ModelWeight(Record):
    """What an agent's model counts for in one kind of cause, and why."""

    model: str
    agent: str
    kind: CauseKind
    alpha: float = Field(gt=0.0, description="of the Beta posterior of how often it is right")
    beta: float = Field(gt=0.0)
    mean: float = Field(ge=0.0, le=1.0, description="of that posterior")
    low: float = Field(ge=0.0, le=1.0, description="which it exceeds with a probability of 0.9")
    weight: float = Field(ge=0.0, le=1.0, description="max(0, 2 low - 1)")
    evaluated: Trials = Field(description="in the recorded evaluation")
    judged: Trials = Field(description="by operators' verdicts, whenever they were given")
