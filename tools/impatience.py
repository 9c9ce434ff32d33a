"""Calls that fail because of the caller: it gives them up too soon, or is the only one that gets no answer.

A call that fails although it was answered well has met with the caller's own timeout. Where it took longer than such calls take,
whoever was called has become slow, and is to blame. Where it did not, nobody was too slow but for a caller that waits no more.
And who answers everybody else can be reached.

Constants without a source are chosen, not derived.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from middlewatch.tools.credit import Credit
from middlewatch.tools.structure import Behaviour, Key, SpanKey, Structure
from middlewatch.tools.trace_requests import Mask

USUAL_SHARE = 0.95
"""Of the calls that were answered before, those that took no longer than what is called usual."""
FEWEST_ANSWERED = 20
"""Calls that were answered before, so that one in twenty of them is at least one."""
MOST = 0.5
"""Of the calls that fail, those that have to be given up so soon, or to be unanswered."""
FEWEST_OTHERS = 20
"""Calls of others that show whether somebody answers."""
OTHERS_SHARE = 0.5
"""Others fail as well where they do at least this times as often."""


def impatient(failures: Structure, credit: Credit, onset: int) -> Structure:
    """The same failures, where the caller speaks against itself with the calls that it gives up too soon.

    Args:
        failures: of operations and of calls.
        credit: the sampled requests, which tell what each call met with.
        onset: the first bucket after.
    """
    return _speaking(failures, lambda b: bool(b.children) and _gives_up((*b.key, b.children[0][0]), credit, onset))


def unheard(structure: Structure, calls: Structure, credit: Credit, onset: int) -> Structure:
    """The same behaviours, where the caller speaks against itself with the calls that nobody answers and that others get answered.

    Args:
        structure: behaviours that may speak against who is called.
        calls: the failures, which say who calls whom.
        credit: the sampled requests.
        onset: the first bucket after.
    """
    return _speaking(structure, lambda b: b.blamed not in {"", b.service} and _alone(b, calls, credit, onset))


def _speaking(structure: Structure, against_itself: Callable[[Behaviour], bool]) -> Structure:
    behaviours = tuple(replace(each, blamed=each.service) if against_itself(each) else each for each in structure.behaviours)
    return replace(structure, behaviours=behaviours)


def _gives_up(call: SpanKey, credit: Credit, onset: int) -> bool:
    requests = credit.requests
    own = _spans(credit, call[:3])
    before = credit.bucket < onset
    lost = own & ~before & requests.failed
    if not lost.any() or call[3] not in requests.services:
        return False
    answered = _answered_well(credit, requests.services.index(call[3]))
    usual = requests.duration_ns[own & before & answered & ~requests.failed]
    if usual.size < FEWEST_ANSWERED:
        return False
    soon = answered & (requests.duration_ns <= np.quantile(usual, USUAL_SHARE))
    return bool(soon[lost].mean() > MOST)


def _alone(behaviour: Behaviour, calls: Structure, credit: Credit, onset: int) -> bool:
    """Whether calls of a service are lost for one caller alone."""
    requests, after = credit.requests, credit.bucket >= onset
    own = _spans(credit, behaviour.key) & after
    lost = own & requests.failed
    if not lost.any() or _reached(credit, behaviour.blamed)[lost].mean() >= MOST:
        return False
    of_others = [b.key for b in calls.behaviours if b.children[:1] == ((behaviour.blamed, ""),) and b.service != behaviour.service]
    others = np.logical_or.reduce([_spans(credit, key) for key in of_others], initial=False) & after
    if np.count_nonzero(others) < FEWEST_OTHERS:
        return False
    return bool(requests.failed[others].mean() < OTHERS_SHARE * requests.failed[own].mean())


def _spans(credit: Credit, key: Key) -> Mask:
    """The spans of an operation in its context."""
    return np.isin(credit.behaviour, [i for i, behaviour in enumerate(credit.behaviours) if behaviour.key == key])


def _reached(credit: Credit, service: str) -> Mask:
    """The spans below which there is one of this service."""
    requests = credit.requests
    number = requests.services.index(service) if service in requests.services else -1
    theirs = requests.children[requests.service[requests.children] == number]
    reached = np.zeros(requests.size, dtype=bool)
    reached[requests.parent[theirs]] = True
    return reached


def _answered_well(credit: Credit, service: int) -> Mask:
    """The spans below which there is one of this service that did not fail, and none that did."""
    requests = credit.requests
    theirs = requests.children[requests.service[requests.children] == service]
    answered = np.zeros(requests.size, dtype=bool)
    answered[requests.parent[theirs]] = True
    answered[requests.parent[theirs[requests.failed[theirs]]]] = False
    return answered
