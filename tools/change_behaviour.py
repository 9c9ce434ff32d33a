"""How the changed services behave, by the analyses of the other signals: a change of a service that behaves as before is innocent.

The analyses are asked exactly what the other agents ask them, so that none is done twice.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from middlewatch.records import Anomaly, Assessment, Brief, Edge, Onset
from middlewatch.records.errors import MiddlewatchError
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.logs import assess_logs
from middlewatch.tools.metrics import assess_metrics
from middlewatch.tools.service_map import reachable
from middlewatch.tools.sharing import Analysis, shared
from middlewatch.tools.traces import assess_traces

Analyses = Mapping[str, Analysis]
"""By what they look at, in a word that fits into a sentence."""

ANALYSES: Analyses = {"metrics": shared(assess_metrics), "log lines": shared(assess_logs), "spans": shared(assess_traces)}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the analyses say of all services."""

    assessments: Mapping[str, Assessment]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, sources: Sources, brief: Brief, analyses: Analyses) -> Self:
        """Ask every analysis; one that fails is left out and noted."""
        found: dict[str, Assessment] = {}
        notes: list[str] = []
        for seen, analysis in analyses.items():
            try:
                found[seen] = analysis(sources, brief)
            except MiddlewatchError as error:
                notes.append(f"changes were judged without {seen}: {error.message}")
        return cls({seen: a for seen, a in found.items() if a.scores}, tuple(notes))

    def usual(self, service: str) -> tuple[str, ...]:
        """In what a service behaves as before; empty where anything of it is unusual, or nothing of it was seen."""
        seen = [(name, a) for name, a in self.assessments.items() if service in a.scores]
        return () if any(_unusual(a, service) for _, a in seen) else tuple(name for name, _ in seen)

    def unusual(self) -> tuple[str, ...]:
        """The services of which any analysis finds something unusual, by name."""
        return tuple(sorted({s for a in self.assessments.values() for s in a.scores if _unusual(a, s)}))

    def facts(self, service: str) -> tuple[Anomaly, ...]:
        """What deviates in a service, strongest first; what deviates between it and others where it has nothing of its own."""
        facts = [f for a in self.assessments.values() for f in a.anomalies if f.onset is not None and f.strength > 0]
        chosen = [f for f in facts if f.service == service] or [f for f in facts if f.peer == service]
        return tuple(sorted(chosen, key=lambda fact: -fact.strength))

    def depends(self, service: str, other: str) -> bool:
        """Whether a service depends on another one or is it; also where either is on no service map."""
        edges = {Edge(caller=caller, callee=callee) for a in self.assessments.values() for caller, callee in a.edges}
        mapped = {end for edge in edges for end in (edge.caller, edge.callee)}
        return other in reachable(edges, service) or not {service, other} <= mapped

    def onsets(self, service: str) -> tuple[tuple[float, Onset], ...]:
        """When those deviations began, with their strengths."""
        return tuple((fact.strength, fact.onset) for fact in self.facts(service) if fact.onset is not None)


def _unusual(assessment: Assessment, service: str) -> bool:
    """Whether it scores above what the most conspicuous service of a quiet moment does (at the median), or above all others."""
    score = assessment.scores[service]
    quiet = statistics.median(assessment.usual_tops) if assessment.usual_tops else 0.0
    return score > quiet or score == max(assessment.scores.values()) > 0
