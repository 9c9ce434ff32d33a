"""What language models weigh and what confidence is worth, from what is kept: recorded evaluations, and operators' verdicts.

Evaluations stand in the context store, beside the audit log that says who recorded each: every process sees them, and backups have
them. Verdicts are counted anew from investigations and what people said of them; there is no second copy that could disagree.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import Field

from middlewatch.agents.calibration import Stated, calibrate
from middlewatch.agents.weights import NO_WEIGHTS, Weights, judged, summed, truth_of, weights
from middlewatch.approval.desk import Desk
from middlewatch.approval.events import name_of
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.records import (
    MCP,
    AuditEvent,
    Calibration,
    Feedback,
    Handling,
    Investigation,
    ModelEvaluation,
    ModelWeight,
    Outcome,
    Principal,
    Record,
    Report,
    Trials,
)
from middlewatch.records.errors import Conflict, MiddlewatchError

LOG = logging.getLogger(__name__)
LOOKED_AT: Final = 1000
"""Investigations whose verdicts count, the newest. Chosen: older ones are of another system by now."""
MOST_OUTCOMES: Final = 400
"""Of those, the answers that confidence is calibrated on, the newest. Chosen: more change nothing, and each is left out in turn."""
FRESH_SECONDS: Final = 300.0
"""How long what was counted is used."""
_NOTE: Final = "model-evaluations"
_TURNS: Final = 16
"""How often somebody else may be first before it is called a conflict."""


class Book(Record):
    """The last evaluation of each model, in the order in which they were recorded."""

    evaluations: tuple[ModelEvaluation, ...] = ()

    def of(self, model: str) -> ModelEvaluation | None:
        """The evaluation of a model."""
        return next((one for one in self.evaluations if one.model == model), None)

    def without(self, model: str) -> Book:
        """All but that of a model."""
        return Book(evaluations=tuple(one for one in self.evaluations if one.model != model))


class ModelStanding(Record):
    """What language models weigh and why, and what stated confidence is worth."""

    format: Literal["middlewatch.model-weights/v1"] = "middlewatch.model-weights/v1"
    evaluations: tuple[ModelEvaluation, ...] = Field(description="the last one of each model; a model without one weighs nothing")
    weights: tuple[ModelWeight, ...] = Field(description="of each of those models, by agent and kind of cause")
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class Known:
    """What operators' verdicts tell, of all investigations that are looked at."""

    trials: Mapping[str, Sequence[Trials]]
    """Model -> how it did."""
    outcomes: Sequence[Stated]
    calibration: Calibration
    """On them."""


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What the verdicts on one investigation tell."""

    feedback: tuple[Feedback, ...]
    trials: Mapping[str, Sequence[Trials]] = field(default_factory=dict)
    outcome: Stated | None = None


class ModelWeights:
    """Keeps evaluations and counts verdicts. Safe to use from many threads."""

    def __init__(
        self,
        desk: Desk,
        tenant: str,
        investigations: Callable[[int], Sequence[Investigation]],
        handlings: Callable[[Sequence[str]], Mapping[str, Handling]],
        report: Callable[[str], Report | None],
    ) -> None:
        """Prefer `App.model_weights`.

        Args:
            desk: for the store, the policy and the audit log.
            tenant: whose.
            investigations: at most so many, newest first.
            handlings: what people said of some.
            report: of an investigation.
        """
        self._desk, self._tenant = desk, tenant
        self._investigations, self._handlings, self._report = investigations, handlings, report
        self._lock = threading.Lock()
        self._judgements: dict[str, _Judgement] = {}
        self._known: tuple[float, Known] | None = None

    def evaluations(self) -> tuple[ModelEvaluation, ...]:
        """The last one of each model."""
        return self._read()[1].evaluations

    def weights(self, provider: str) -> Weights:
        """What every evaluated model of a provider weighs now: of the same name, that of another one is another model.

        Without an evaluation nothing is read but that.
        """
        evaluations = [one for one in self.evaluations() if one.provider == provider]
        return weights(evaluations, self.known().trials) if evaluations else NO_WEIGHTS

    def standing(self) -> ModelStanding:
        """All of it, for whoever looks."""
        evaluations = self.evaluations()
        rows = weights(evaluations, self.known().trials).rows
        return ModelStanding(evaluations=evaluations, weights=tuple(rows.values()), calibration=self.calibration())

    def calibration(self) -> Calibration:
        """What stated confidence is worth by what people have said of findings."""
        return self.known().calibration

    def may_record(self, principal: Principal | None) -> Principal:
        """Whoever may record an evaluation: anybody whom policy knows.

        Raises:
            Refused: policy does not know them, or there is none.
        """
        return self._desk.known(principal)

    def record(self, evaluation: ModelEvaluation, principal: Principal | None, *, face: str) -> ModelEvaluation:
        """Keep an evaluation as the one that gives its model a weight, in the place of the one before.

        Returns:
            As it is kept, with who recorded it.

        Raises:
            Refused: policy does not know them.
        """
        known = self._known_principal(evaluation.model, principal, face)
        kept = evaluation.model_copy(update={"by": known.id})
        event = self._event(
            "model.evaluated",
            known.id,
            kept.model,
            face=face,
            incidents=kept.incidents,
            quiet=kept.quiet,
            right_by_rules=kept.right_by_rules,
            right_with_models=kept.right_with_models,
            masked=kept.masked,
            questions=kept.questions,
        )
        self._write(lambda book: Book(evaluations=(*book.without(kept.model).evaluations, kept)), event)
        return kept

    def forget(self, model: str, principal: Principal | None, *, face: str) -> bool:
        """Take a model's weight from it; returns whether it had been evaluated.

        Raises:
            Refused: policy does not know them.
        """
        known = self._known_principal(model, principal, face)
        return self._write(lambda book: book.without(model), self._event("model.silenced", known.id, model, face=face))

    def known(self) -> Known:
        """What operators' verdicts tell, counted within the last minutes."""
        with self._lock:
            if self._known is None or time.monotonic() - self._known[0] > FRESH_SECONDS:
                self._known = time.monotonic(), self._counted()
            return self._known[1]

    def _counted(self) -> Known:
        answered = [row.id for row in self._investigations(LOOKED_AT) if row.headline and row.headline.outcome is Outcome.FINDING]
        said = {id_: by_people(handling.feedback) for id_, handling in self._handlings(answered).items()}
        self._judgements = {id_: self._judged(id_, feedback) for id_, feedback in said.items() if feedback}
        trials: dict[str, list[Trials]] = {}
        for judgement in self._judgements.values():
            for model, found in judgement.trials.items():
                trials.setdefault(model, []).extend(found)
        outcomes = tuple(one.outcome for one in self._judgements.values() if one.outcome is not None)[:MOST_OUTCOMES]
        same = self._known is not None and self._known[1].outcomes == outcomes
        calibration = self._known[1].calibration if self._known and same else calibrate(outcomes)
        return Known({model: summed(found) for model, found in trials.items()}, outcomes, calibration)

    def _judged(self, investigation: str, feedback: tuple[Feedback, ...]) -> _Judgement:
        before = self._judgements.get(investigation)
        if before is not None and before.feedback == feedback:
            return before
        try:
            report = self._report(investigation)
        except MiddlewatchError as error:  # one that is damaged is nobody's fault now
            LOG.warning("what people said of %s does not count: %s", investigation, error)
            return _Judgement(feedback)
        truth = None if report is None else truth_of(report, feedback)
        if report is None or truth is None:
            return _Judgement(feedback)
        rows = report.hypotheses
        challenge = report.models.challenge if report.models else None
        stated = report.calibration.stated if report.calibration else report.confidence
        return _Judgement(
            feedback,
            judged([row.hypothesis for row in rows], [vote for row in rows for vote in row.votes], challenge, truth),
            (stated, truth.causes is not None),
        )

    def _read(self) -> tuple[str, Book]:
        text = self._desk.store.note(self._tenant, _NOTE)
        return text, record_from(Book, text) if text else Book()

    def _write(self, change: Callable[[Book], Book], event: AuditEvent) -> bool:
        for _ in range(_TURNS):
            before, was = self._read()
            new = change(was)
            if new == was:
                return False
            if self._desk.store.set_note(self._tenant, _NOTE, text_of(new), before=before, events=[event]):
                self._desk.seal(self._tenant)
                return True
        raise Conflict("Too many evaluations are recorded at once.", remedy="Record it again.")

    def _known_principal(self, model: str, principal: Principal | None, face: str) -> Principal:
        """Who says what a model weighs, where policy knows them; that anybody else was refused is in the log."""
        actor = name_of(principal)
        with self._desk.refusals(lambda why: self._event("model.refused", actor, model, why=why, face=face)):
            return self._desk.known(principal)

    def _event(self, name: str, actor: str, model: str, **data: str | float | bool) -> AuditEvent:
        return AuditEvent(tenant=self._tenant, actor=actor, event=name, obj=model, data={**data})


def by_people(feedback: Sequence[Feedback]) -> tuple[Feedback, ...]:
    """What people said themselves. Over MCP a language model speaks for them, and none may judge itself."""
    return tuple(one for one in feedback if one.face != MCP)
