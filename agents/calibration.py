"""What a stated confidence is worth: calibrated on answers of which people have said whether they were right.

ln(q / (1 - q)) = shift + stretch * ln(p / (1 - p)), p as the votes state it (Platt 1999). The two are the most likely ones under a
normal prior around no change at all, so that a few outcomes change little. It is used where there are enough outcomes and, each
left out in turn, it states the truth better than the votes do, by more than one standard error of that (Breiman et al. 1984);
otherwise confidence stays as they state it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from middlewatch.records import Calibrated, Calibration, FoundCause, Report

ENOUGH: Final = 30
"""Outcomes below which nothing is calibrated: two parameters take that many (chosen, not derived)."""
ENOUGH_EACH: Final = 5
"""Right answers, and wrong ones, below which nothing is."""
PRIOR: Final = 0.5
"""Standard deviation of shift and stretch before there are outcomes. Chosen: a confidence of 0.8 may be one of 0.6 or 0.9."""
_FURTHEST: Final = 7.0
"""Nats: confidence below 0.001 or above 0.999 is taken for that."""
_LEAST_STRETCH: Final = 0.05
"""So that the surer answer stays the surer one."""
_STEPS: Final = 25
"""Of Newton's method at most; the function is convex, and a handful is enough."""
_SETTLED: Final = 1e-9

Stated = tuple[float, bool]
"""A stated confidence, and whether the answer was right."""
Floats = NDArray[np.float64]


def calibrate(outcomes: Sequence[Stated]) -> Calibration:
    """What outcomes say about confidence.

    Args:
        outcomes: of findings; of others nobody says whether they were right.
    """
    right = sum(was for _, was in outcomes)
    n = len(outcomes)
    if n < ENOUGH or min(right, n - right) < ENOUGH_EACH:
        why = f"It takes {ENOUGH} verdicts on findings, {ENOUGH_EACH} of them on right and {ENOUGH_EACH} on wrong ones."
        return Calibration(outcomes=n, right=right, why=why)
    x, y = _log_odds(np.array([p for p, _ in outcomes])), np.array([float(was) for _, was in outcomes])
    left_out = _fitted(x, y, 1.0 - np.eye(n))
    stated, calibrated = (_probability(0.0, 1.0, x) - y) ** 2, (_probability(left_out[:, 0], left_out[:, 1], x) - y) ** 2
    gain = stated - calibrated
    better = bool(gain.mean() > gain.std(ddof=1) / math.sqrt(n))
    ((shift, stretch),) = _fitted(x, y, np.ones((1, n)))
    return Calibration(
        outcomes=n,
        right=right,
        shift=float(shift),
        stretch=float(stretch),
        stated_brier=float(stated.mean()),
        calibrated_brier=float(calibrated.mean()),
        applied=better,
        why="It states the truth better than the votes do." if better else "It is not clear that the votes state the truth worse.",
    )


def confidence(stated: float, calibration: Calibration) -> float:
    """A confidence as outcomes have calibrated it; as it is where they have not."""
    if not calibration.applied:
        return stated
    return float(_probability(calibration.shift, calibration.stretch, _log_odds(np.array([stated])))[0])


def calibrated(report: Report, calibration: Calibration) -> Report:
    """The report with its finding's confidence calibrated. Whether there is a finding, and which, stays the votes' to say."""
    if not calibration.applied or not report.causes:
        return report
    causes = tuple(_calibrated_cause(cause, calibration) for cause in report.causes)
    told = Calibrated(stated=report.confidence, outcomes=calibration.outcomes)
    return report.model_copy(
        update={"confidence": confidence(report.confidence, calibration), "causes": causes, "calibration": told}
    )


def _calibrated_cause(cause: FoundCause, calibration: Calibration) -> FoundCause:
    """Both of its confidences, or what models add would be all that is not made less; the 0 of another service stays."""
    by_rules = confidence(cause.by_rules, calibration) if cause.by_rules else cause.by_rules
    return cause.model_copy(update={"confidence": confidence(cause.confidence, calibration), "by_rules": by_rules})


def _log_odds(p: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        odds: Floats = np.clip(np.log(p) - np.log1p(-p), -_FURTHEST, _FURTHEST)
    return odds


def _probability(shift: Floats | float, stretch: Floats | float, x: Floats) -> Floats:
    probability: Floats = 1.0 / (1.0 + np.exp(-(shift + stretch * x)))
    return probability


def _fitted(x: Floats, y: Floats, counts: Floats) -> Floats:
    """Shift and stretch at the posterior's mode, by Newton's method.

    Args:
        x: stated log-odds, one of each outcome.
        y: 1 for right.
        counts: a row for each fit: what every outcome counts for in it.

    Returns:
        A row of two for each fit.
    """
    theta = np.tile([0.0, 1.0], (len(counts), 1))
    for _ in range(_STEPS):
        p = _probability(theta[:, :1], theta[:, 1:], x)
        error, spread = counts * (p - y), counts * p * (1.0 - p)
        slope = np.stack([error.sum(axis=1), error @ x], axis=1) + (theta - [0.0, 1.0]) / PRIOR**2
        mixed, bent = spread @ x, spread @ x**2
        curve = np.stack([spread.sum(axis=1), mixed, mixed, bent], axis=1).reshape(-1, 2, 2) + np.eye(2) / PRIOR**2
        step = np.linalg.solve(curve, slope[:, :, None])[:, :, 0]
        theta -= np.clip(step, -1.0, 1.0)  # a whole step may overshoot where few answers are wrong
        if np.abs(step).max() < _SETTLED:
            break
    theta[:, 1] = np.maximum(theta[:, 1], _LEAST_STRETCH)
    return theta
