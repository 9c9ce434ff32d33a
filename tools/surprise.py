"""How rarely an analysis scores so high at a quiet moment: what makes scores of different kinds comparable without weights.

The constants are chosen, not derived; docs/voting.md says where they come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

HISTORY_WEIGHT = 20
"""Pseudo-observations of the usual top score, so that a short history does not decide alone."""
HISTORY_TRIM = 0.67
"""Share of the earlier tops that is used, lowest first: tolerates faults that nobody noticed in a third of the history."""


def surprise(score: float, tops: Sequence[float], usual_top: float) -> float:
    """-ln of the probability of such a score at a quiet moment, at least 0.

    Quiet tops are taken as exponential with a scale that is itself uncertain, so the tail of a score s after n
    (pseudo-)observations with mean m is -ln p = n ln(1 + s / (n m)).

    Args:
        score: in whatever unit.
        tops: the top scores of earlier quiet moments, in the same unit.
        usual_top: the top score of a quiet moment, before anything of the system's history is known.
    """
    kept = sorted(tops)[: math.ceil(HISTORY_TRIM * len(tops))]
    n = HISTORY_WEIGHT + len(kept)
    mean = (HISTORY_WEIGHT * usual_top + sum(kept)) / n
    return n * math.log1p(max(score, 0.0) / (n * mean))
