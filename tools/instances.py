"""Whether one instance of a service is to blame, or all of them; and whether it stood still.

The constants are chosen, not derived.
"""

from __future__ import annotations

import math

import numpy as np

from middlewatch.tools.baseline import STANDARD_ERRORS, Floats
from middlewatch.tools.trace_requests import Ints, Mask, Requests

LEAST_SPANS = 3
"""Per instance, after the onset."""
OTHERS_SHARE = 0.5
"""Where another instance changed by more than this share of what one did, it is not that one alone."""
PAUSE_BIN_NS = 100_000_000
"""Spans that end in the same tenth of a second may have waited for the end of the same pause."""
SLOW_QUANTILE = 0.95
SLOW_TIMES = 2.0
"""A span is slow that takes so many times as long as nearly all of its operation did before."""
PAUSED_SHARE = 0.8
"""Of the slow spans end with a pause, and of the spans that end with a pause are slow."""
PAUSE_OPERATIONS = 2
"""Different operations that end with a pause: what stops a whole process stops all of them."""
MOST_PAUSED = 0.5
"""Of the moments: what is slow all the time is no pause."""


def outlier(instance: Ints, value: Floats, before: Mask, after: Mask) -> int:
    """The one instance that changed, -1 where several did or none.

    An instance stands out where its change is larger than that of every other by two standard errors, and theirs are less than
    half of its own.

    Args:
        instance: of each span, as a number; negative for none.
        value: what changed, larger is worse; shape of `instance`.
        before: spans before the onset.
        after: spans after it.
    """
    seen = [i for i in np.unique(instance[after & (instance >= 0)]).tolist() if int((after & (instance == i)).sum()) >= LEAST_SPANS]
    if len(seen) < 2:  # noqa: PLR2004  one alone is no outlier
        return -1
    changes = {i: _change(value, before & (instance == i), after & (instance == i), before) for i in seen}
    (change, error, worst), (next_change, next_error, _) = sorted(((*changes[i], -i) for i in seen), reverse=True)[:2]
    certain = change - next_change > STANDARD_ERRORS * math.hypot(error, next_error)
    return -worst if certain and next_change < OTHERS_SHARE * change else -1


def _change(value: Floats, before: Mask, after: Mask, all_before: Mask) -> tuple[float, float]:
    """How much the mean rose, and the standard error of that."""
    former = value[before] if int(before.sum()) >= LEAST_SPANS else value[all_before]
    latter = value[after]
    if not former.size:
        return 0.0, float("inf")
    spread = max(float(former.var()), float(latter.var()), float(np.finfo(np.float64).tiny))
    return float(latter.mean() - former.mean()), float(np.sqrt(spread * (1 / former.size + 1 / latter.size)))


def stood_still(requests: Requests, service: int, before: Mask, after: Mask) -> bool:
    """Whether a service was slow because whole instances of it stopped now and then, as for a garbage collection.

    Spans of all operations that run when a process stops end together when it goes on. So nearly all slow spans end in moments in
    which nearly all spans that end are slow, of several operations, while there are other moments without any.

    Args:
        requests: a sample.
        service: its number.
        before: spans before the onset.
        after: spans after it.
    """
    own = requests.service == service
    slow = np.zeros(requests.size, dtype=bool)
    for kind in np.unique(requests.kind[own & after]).tolist():
        of_kind = own & (requests.kind == kind)
        if int((of_kind & before).sum()) >= LEAST_SPANS:
            limit = SLOW_TIMES * np.quantile(requests.self_ns[of_kind & before], SLOW_QUANTILE)
            slow |= of_kind & after & (requests.self_ns > limit)
    spans = np.flatnonzero(own & after)
    if int(slow.sum()) < LEAST_SPANS:
        return False
    ends = (requests.start_ns[spans] + requests.duration_ns[spans]) // PAUSE_BIN_NS
    moment = np.unique(np.stack([requests.instance[spans], ends]), axis=1, return_inverse=True)[1].reshape(-1)
    total, slow_ones = np.bincount(moment), np.bincount(moment, weights=slow[spans])
    kinds = np.bincount(np.unique(np.stack([moment, requests.operation[spans]]), axis=1)[0])
    paused = (slow_ones >= PAUSED_SHARE * total) & (kinds >= PAUSE_OPERATIONS) & (total >= LEAST_SPANS)
    return bool(slow_ones[paused].sum() >= PAUSED_SHARE * slow_ones.sum() and paused.sum() <= MOST_PAUSED * len(total))
