"""How often the onset that a finding states holds the moment when the fault was really done."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from middlewatch.evals.kinds import Labels
from middlewatch.evals.scoring import wilson
from middlewatch.records import Onset, Prediction, UtcDatetime

ROUNDING_SECONDS = 1.0
"""Labels tell whole seconds."""


def onsets_page(predictions: Sequence[Prediction], labels: Labels) -> str:
    """The figures as Markdown, of the findings that name a right service first."""
    known = _known(predictions, labels)
    if not known:
        return "No finding with a right service states an onset, or no label says when the fault began.\n"
    inside = sum(_misses_by(onset, began) == 0 for onset, began in known)
    interval = wilson(inside, len(known))
    width = statistics.median((onset.latest - onset.earliest).total_seconds() for onset, _ in known)
    away = statistics.median(abs((onset.at - began).total_seconds()) for onset, began in known)
    worst = max(_misses_by(onset, began) for onset, began in known)
    return (
        f"Of {len(known)} findings with a right service and an onset, {inside} have the moment of the fault inside its interval "
        f"({interval.low:.2f} to {interval.high:.2f}, Wilson 95 %). At the median the interval is {width:.0f} s wide and the best "
        f"estimate {away:.0f} s off; the worst interval misses by {worst:.0f} s.\n"
    )


def _known(predictions: Sequence[Prediction], labels: Labels) -> list[tuple[Onset, UtcDatetime]]:
    return [
        (prediction.onset, label.started_at)
        for prediction in predictions
        for label in labels.get(prediction.incident, ())
        if prediction.onset is not None and label.started_at is not None and prediction.causes[:1] == (label.root_cause_service,)
    ]


def _misses_by(onset: Onset, began: UtcDatetime) -> float:
    """Seconds between the interval and the moment, 0 inside of it."""
    early, late = (onset.earliest - began).total_seconds(), (began - onset.latest).total_seconds()
    return max(0.0, early - ROUNDING_SECONDS, late - ROUNDING_SECONDS)
