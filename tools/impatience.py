"""Calls that a caller gives up sooner than they used to be answered: who fails there is the caller, by a timeout that is too short.

A call that fails although it was answered well has met with the caller's own timeout. Where it took longer than such calls take,
whoever was called has become slow, and is to blame. Where it did not, nobody was too slow but for a caller that waits no more.

Constants without a source are chosen, not derived.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from middlewatch.tools.credit import Credit
from middlewatch.tools.structure import SpanKey, Structure
from middlewatch.tools.trace_requests import Mask

USUAL_SHARE = 0.95
"""Of the calls that were answered before, those that took no longer than what is called usual."""
FEWEST_ANSWERED = 20
"""Calls that were answered before, so that one in twenty of them is at least one."""
GIVEN_UP_SHARE = 0.5
"""Of the calls that fail, those that have to be given up so soon: most of them."""


def impatient(failures: Structure, credit: Credit, onset: int) -> Structure:
    """The same failures, where the caller speaks against itself with the calls that it gives up too soon.

    Args:
        failures: of operations and of calls.
        credit: the sampled requests, which tell what each call met with.
        onset: the first bucket after.
    """
    behaviours = tuple(
        replace(each, blamed=each.service) if each.children and _gives_up((*each.key, each.children[0][0]), credit, onset) else each
        for each in failures.behaviours
    )
    return replace(failures, behaviours=behaviours)


def _gives_up(call: SpanKey, credit: Credit, onset: int) -> bool:
    requests = credit.requests
    own = np.isin(credit.behaviour, [i for i, behaviour in enumerate(credit.behaviours) if behaviour.key == call[:3]])
    before = credit.bucket < onset
    lost = own & ~before & requests.failed
    if not lost.any() or call[3] not in requests.services:
        return False
    answered = _answered_well(credit, requests.services.index(call[3]))
    usual = requests.duration_ns[own & before & answered & ~requests.failed]
    if usual.size < FEWEST_ANSWERED:
        return False
    soon = answered & (requests.duration_ns <= np.quantile(usual, USUAL_SHARE))
    return bool(soon[lost].mean() > GIVEN_UP_SHARE)


def _answered_well(credit: Credit, service: int) -> Mask:
    """The spans below which there is one of this service that did not fail, and none that did."""
    requests = credit.requests
    theirs = requests.children[requests.service[requests.children] == service]
    answered = np.zeros(requests.size, dtype=bool)
    answered[requests.parent[theirs]] = True
    answered[requests.parent[theirs[requests.failed[theirs]]]] = False
    return answered
