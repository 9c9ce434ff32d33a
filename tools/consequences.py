"""Failures travel from callee to caller: what a callee explains is taken from its callers.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

EXPLAINED = 0.5
"""Share of a service's evidence that a callee's own evidence can explain. Not all of it: a caller that sends bad requests
makes its callees look odd too."""


def explain_away(scores: Mapping[str, float], callees: Mapping[str, Iterable[str]]) -> dict[str, float]:
    """Take from each service what the most conspicuous of its callees explains.

    Args:
        scores: nats per service.
        callees: whom each service calls.
        share: of a service's evidence that a callee's can explain.
    """
    explained = {}
    for service, score in scores.items():
        worst = max((scores.get(callee, 0.0) for callee in callees.get(service, ()) if callee != service), default=0.0)
        explained[service] = score - EXPLAINED * min(score, worst)
    return explained


def explain_ties(scores: Mapping[str, float], callees: Mapping[str, Iterable[str]]) -> dict[str, float]:
    """Take from each service that is as conspicuous as one of its callees what that callee explains.

    For scores in which connections speak against both of their ends: where the two are equal, nothing but their connection is
    conspicuous about them.

    Args:
        scores: nats per service.
        callees: whom each service calls.
    """
    alike = {
        service: [callee for callee in callees.get(service, ()) if math.isclose(scores.get(callee, 0.0), score)]
        for service, score in scores.items()
    }
    return explain_away(scores, alike)
