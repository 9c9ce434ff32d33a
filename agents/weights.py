"""What a language model's vote weighs: nothing before it was evaluated, then what its record is worth, by agent and kind of cause.

How often an agent's model is right in one kind of cause is a share q with a Beta posterior: right and wrong answers of the recorded
evaluation and of operators' verdicts, on a prior of Beta(1, 1) and of the same agent's answers in all other kinds, which count for
at most `BORROWED` of them (a power prior, Ibrahim and Chen 2000). Verdicts on what this model said count whenever they were given:
an answer is no less one of its answers because the evaluation came after it.

If a share w of what a voter says is knowledge and the rest a coin's, it is right with q = w + (1 - w) / 2, so w = 2 q - 1. Of q
the value is taken that the posterior exceeds with a probability of 1 - `DOUBT`; who may be guessing weighs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from middlewatch.agents.voices import signed
from middlewatch.records import (
    CHALLENGER,
    AgentName,
    CauseKind,
    Challenge,
    ChallengeVerdict,
    Feedback,
    Hypothesis,
    ModelEvaluation,
    ModelWeight,
    Outcome,
    Report,
    Trials,
    Verdict,
    Voice,
    Vote,
)

BORROWED: Final = 8.0
"""Answers in other kinds of cause that speak for one kind, at most. Chosen: a handful of its own soon counts for more."""
DOUBT: Final = 0.1
"""The probability that a model is worse than it is weighed. Chosen."""
_STEPS: Final = 4001

AGENTS: Final = (*(name.value for name in AgentName), CHALLENGER)
"""Whoever has a weight."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of a cause by now."""

    causes: frozenset[str] | None
    """The services that it was in, none where nothing was wrong; None where nobody said."""
    innocent: frozenset[str] = frozenset()
    """Services that it was not in, where `causes` does not say."""

    def about(self, service: str) -> bool | None:
        """Whether the service was the cause; None where that is not known."""
        if self.causes is not None:
            return service in self.causes
        return False if service in self.innocent else None


def judged(
    hypotheses: Sequence[Hypothesis], votes: Iterable[Vote], challenge: Challenge | None, truth: Truth
) -> dict[str, list[Trials]]:
    """How the models of one investigation did, each agent's at most once: what it favours most is true or not.

    A model that favours nothing is right where it opposes what was not the cause, and nothing that it was asked about was; it is
    wrong where it opposes what was. Who is of two minds, or of whose favourite nobody knows the truth, is not judged. Of the
    challenger only what it refuted counts: to let the right answer stand takes no knowledge.

    Args:
        hypotheses: of one round, the leading ones first.
        votes: on them, of both voices.
        challenge: of one of them, by the model whose votes these are.
        truth: what is known.

    Returns:
        Model -> what it did.
    """
    of_model: dict[str, dict[str, list[Vote]]] = {}
    for vote in votes:
        if vote.voice is Voice.MODEL:
            of_model.setdefault(vote.model, {}).setdefault(vote.agent.value, []).append(vote)
    known = {hypothesis.id: hypothesis for hypothesis in hypotheses}
    found: dict[str, list[Trials]] = {}
    for model, by_agent in of_model.items():
        for agent, said in by_agent.items():
            stances = {v.hypothesis: signed(v) for v in said if v.hypothesis in known}
            answer = _answer([(known[id_], stances[id_]) for id_ in known if id_ in stances], truth)
            if answer is not None:
                found.setdefault(model, []).append(_trial(agent, *answer))
    if challenge is not None and challenge.verdict is ChallengeVerdict.REFUTED and challenge.hypothesis in known:
        refuted = known[challenge.hypothesis]
        true = truth.about(refuted.service)
        if true is not None and challenge.model:
            found.setdefault(challenge.model, []).append(_trial(CHALLENGER, refuted, not true))
    return found


def _answer(stances: Sequence[tuple[Hypothesis, float]], truth: Truth) -> tuple[Hypothesis, bool] | None:
    if not stances:
        return None
    top = max(stance for _, stance in stances)
    favoured = [hypothesis for hypothesis, stance in stances if stance == top]
    if top > 0:
        right = truth.about(favoured[0].service) if len(favoured) == 1 else None
        return None if right is None else (favoured[0], right)
    opposed = [hypothesis for hypothesis, stance in stances if stance < 0]
    for hypothesis in opposed:
        if truth.about(hypothesis.service):
            return hypothesis, False
    if any(truth.about(hypothesis.service) for hypothesis, _ in stances):
        return None
    return next(((h, True) for h in opposed if truth.about(h.service) is False), None)


def _trial(agent: str, hypothesis: Hypothesis, right: bool) -> Trials:  # noqa: FBT001  what is counted
    return Trials(agent=agent, kind=kind_of(hypothesis), right=int(right), wrong=int(not right))


def kind_of(hypothesis: Hypothesis) -> CauseKind:
    """The kind of cause that a vote on a hypothesis is weighed by."""
    return hypothesis.cause.kind if hypothesis.cause else CauseKind.UNKNOWN


def truth_of(report: Report, feedback: Collection[Feedback]) -> Truth | None:
    """What people said of an answer; None where they said nothing that tells right from wrong, or contradict each other.

    Causes that they typed are not read: text of people moves no weight.
    """
    said = Counter(one.verdict for one in feedback)
    right, wrong = said[Verdict.RIGHT], said[Verdict.WRONG]
    if report.outcome is not Outcome.FINDING or right == wrong:
        return None
    named = frozenset(cause.service for cause in report.causes)
    return Truth(named) if right > wrong else Truth(None, named)


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of all models that were evaluated."""

    rows: Mapping[tuple[str, str, CauseKind], ModelWeight]

    def of(self, model: str, agent: str, kind: CauseKind) -> float:
        """What an agent's vote by this model weighs on a hypothesis of this kind: 0 where the model was not evaluated."""
        row = self.rows.get((model, agent, kind))
        return row.weight if row is not None else 0.0

    def on_votes(self, votes: Iterable[Vote], hypotheses: Iterable[Hypothesis]) -> tuple[Vote, ...]:
        """The votes with the weights that they have now; rules' votes as they are."""
        kinds = {hypothesis.id: kind_of(hypothesis) for hypothesis in hypotheses}
        return tuple(
            vote
            if vote.voice is Voice.RULES
            else vote.model_copy(
                update={"weight": self.of(vote.model, vote.agent.value, kinds.get(vote.hypothesis, CauseKind.UNKNOWN))}
            )
            for vote in votes
        )

    def on_challenge(self, challenge: Challenge, hypothesis: Hypothesis) -> Challenge:
        """The challenge of a hypothesis with the weight that it has now."""
        return challenge.model_copy(update={"weight": self.of(challenge.model, CHALLENGER, kind_of(hypothesis))})


NO_WEIGHTS: Final = Weights({})
"""Before any evaluation."""


def weights(evaluations: Iterable[ModelEvaluation], verdicts: Mapping[str, Sequence[Trials]] | None = None) -> Weights:
    """What every evaluated model weighs.

    Args:
        evaluations: one of each model.
        verdicts: model -> what operators' verdicts said of it, before its evaluation and after. Without one they give no weight.
    """
    rows: dict[tuple[str, str, CauseKind], ModelWeight] = {}
    for evaluation in evaluations:
        said = (verdicts or {}).get(evaluation.model, ())
        for agent in AGENTS:
            evaluated, judgements = _counted(agent, evaluation.trials), _counted(agent, said)
            for kind in CauseKind:
                rows[evaluation.model, agent, kind] = _row(evaluation.model, evaluated, judgements, kind)
    return Weights(rows)


def _counted(agent: str, trials: Iterable[Trials]) -> dict[CauseKind, Trials]:
    none = {kind: Trials(agent=agent, kind=kind) for kind in CauseKind}
    return none | {trial.kind: trial for trial in summed(trials) if trial.agent == agent}


def summed(trials: Iterable[Trials]) -> tuple[Trials, ...]:
    """Trials of the same agent and kind together, one of each."""
    found: dict[tuple[str, CauseKind], Trials] = {}
    for one in trials:
        before = found.get((one.agent, one.kind))
        both = {"right": one.right + before.right, "wrong": one.wrong + before.wrong} if before else {}
        found[one.agent, one.kind] = one.model_copy(update=both)
    return tuple(found[key] for key in sorted(found))


def _row(model: str, evaluated: Mapping[CauseKind, Trials], judgements: Mapping[CauseKind, Trials], kind: CauseKind) -> ModelWeight:
    elsewhere = [t for counts in (evaluated, judgements) for t in counts.values() if t.kind is not kind]
    right, wrong = sum(t.right for t in elsewhere), sum(t.wrong for t in elsewhere)
    borrowed = min(1.0, BORROWED / (right + wrong)) if right + wrong else 0.0
    alpha = 1.0 + borrowed * right + evaluated[kind].right + judgements[kind].right
    beta = 1.0 + borrowed * wrong + evaluated[kind].wrong + judgements[kind].wrong
    low = exceeded(alpha, beta)
    return ModelWeight(
        model=model,
        agent=evaluated[kind].agent,
        kind=kind,
        alpha=alpha,
        beta=beta,
        mean=alpha / (alpha + beta),
        low=low,
        weight=max(0.0, 2.0 * low - 1.0),
        evaluated=evaluated[kind],
        judged=judgements[kind],
    )


@lru_cache(maxsize=4096)
def exceeded(alpha: float, beta: float) -> float:
    """The value that a Beta(alpha, beta) exceeds with a probability of 1 - `DOUBT`; both at least 1.

    By the trapezoidal rule on a grid, which is off by less than 0.001 up to ten thousand answers.
    """
    x = np.linspace(0.0, 1.0, _STEPS)[1:-1]
    density = (alpha - 1.0) * np.log(x) + (beta - 1.0) * np.log1p(-x)
    density = np.exp(density - density.max())
    below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2.0)])
    return float(np.interp(DOUBT, below / below[-1], x))
