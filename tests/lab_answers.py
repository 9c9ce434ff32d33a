"""Answers to incidents of the lab, made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from middlewatch.evals.lab.evaluation.answers import Blamed, LabAnswer
from middlewatch.evals.lab.truth import TrueCause, TrueChange, TrueIncident
from middlewatch.records import CauseKind, KindChance, Prediction

AT = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)


def answer(
    name: str = "missing-market",
    *,
    truth: str = "catalogue",
    kind: str = "code_exception/missing-market",
    said: str = "catalogue",
    blamed: str = "catalogue",
    deployed: bool = True,
    named: KindChance | None = None,
) -> LabAnswer:
    """One answer; `truth` and `said` are empty for nothing."""
    incident = TrueIncident(
        incident="one",
        name=name,
        causes=(TrueCause(service=truth, kind=kind, at=AT),) if truth else (),
        changes=(TrueChange(service=truth, kind="deploy", at=AT),) if truth and deployed else (),
        detected_at=AT + timedelta(seconds=12),
        mended_at=AT + timedelta(seconds=32) if truth else None,
        recovered_at=AT + timedelta(seconds=36) if truth else None,
    )
    prediction = Prediction(
        incident="one",
        ranking=((said or "gateway", 3.0),),
        confidence=0.9,
        inconclusive=not said,
        seconds=2.0,
        causes=(said,) if said else (),
        kind=named or KindChance(kind=CauseKind.CODE, detail="exception", probability=0.8),
    )
    changes = (Blamed(service=blamed, kind="deploy"),) if blamed else ()
    return LabAnswer(
        recording="seed-1-01", requests_per_second=6.0, truth=incident, prediction=prediction, blamed=changes, seconds_to_cause=2.0
    )
