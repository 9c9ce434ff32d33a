"""When a series changed its level, and how well that is known.

Constants without a source are chosen, not derived.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from middlewatch.records import Onset
from middlewatch.tools.baseline import Floats

CLIP = 8.0
"""Deviations beyond this many scales weigh no more in the search for an onset, so that one spike does not attract it."""
LIKELIHOOD_DROP = -2 * math.log(1 - math.sqrt(0.95))
"""Twice the fall of the log likelihood within which a split is believable, 7.35: the 95 % quantile of the likelihood ratio at a
change point (Hansen 2000, "Sample splitting and threshold estimation", section 3.3). Conservative where the change is large."""


@dataclass(frozen=True, slots=True)
class Split:
    """Where a series changes its level; indexes of steps."""

    step: int
    """The first step of the new level, as far as the least squares tell."""
    before: int
    """The last step that certainly has the old level."""
    last: int
    """The latest step that may be the first of the new level."""

    def shifted(self, steps: int) -> Split:
        """The same, `steps` later."""
        return Split(self.step + steps, self.before + steps, self.last + steps)

    def onset(self, start: datetime, step_seconds: float) -> Onset:
        """As moments. A step's value may have changed anywhere inside it.

        Args:
            start: when step 0 begins.
            step_seconds: length of a step.
        """
        at = start + timedelta(seconds=self.step * step_seconds)
        earliest = start + timedelta(seconds=(self.before + 0.5) * step_seconds)
        return Onset(at=at, earliest=min(at, earliest), latest=start + timedelta(seconds=(self.last + 1) * step_seconds))


def find_split(deviations: Floats) -> Split | None:
    """The single change of level that explains a series best, and which others explain it almost as well.

    The best has the least squares around two means. With independent Gaussian noise of unknown variance, twice the fall of the
    log likelihood of another split is n ln(its squares / the least squares), over n samples.

    Args:
        deviations: shape (steps,), NaN where there is no sample; in scales, signed, so that the clipping means something.

    Returns:
        None where fewer than two samples exist or nothing changes.
    """
    present = np.flatnonzero(~np.isnan(deviations))
    x = np.clip(deviations[present], -CLIP, CLIP)
    if x.size < 2 or np.ptp(x) == 0:  # noqa: PLR2004  one sample has no split
        return None
    left = np.arange(1, x.size)
    sums = np.cumsum(x)[:-1]
    total = float(x.sum())
    between = sums**2 / left + (total - sums) ** 2 / (x.size - left)
    best = int(np.argmax(between))
    squares = np.maximum(float((x**2).sum()) - between, np.finfo(np.float64).eps * float((x**2).sum()))
    believable = np.flatnonzero(x.size * np.log(squares / squares[best]) <= LIKELIHOOD_DROP)
    first, last = int(believable.min()), int(believable.max())
    return Split(step=int(present[best + 1]), before=int(present[first]), last=int(present[last + 1]))
