"""Facts of an investigation as pictures: the course of what a fact says, and a request that shows it.

Where nothing can be shown, the picture is empty and its `reason` says why: a page of an investigation is worth reading also where
its telemetry is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

from middlewatch.agents.specialist import Specialists
from middlewatch.context_store.redaction import redact, redact_names, redact_record
from middlewatch.records import Chart, Evidence, Record, Snapshot, UtcDatetime, Waterfall, Window
from middlewatch.records.errors import BadInput, MiddlewatchError
from middlewatch.tools.chart import fact_chart
from middlewatch.tools.waterfall import NOBODY, Suspect, waterfall

HOUR: Final = timedelta(hours=1)
TRACE_SECONDS: Final = 300.0
"""How far around a sample its request is looked for; as far as the trace sources look for parents and children."""
CHARTS_TRIED: Final = 4
"""Facts that are tried in turn where none is named, until one can be drawn; each may take a query. Chosen."""

R = TypeVar("R", bound=Record)


class Exhibits:
    """The pictures of one tenant's investigations."""

    def __init__(self, specialists: Callable[[], Specialists], snapshot: Callable[[str], Snapshot]) -> None:
        """See `Toolbox`."""
        self._specialists = specialists
        self._snapshot = snapshot

    def chart(self, investigation: str, evidence: str | None = None) -> Chart:
        """The course of what a fact of an investigation is about; of its strongest fact that has one where none is named.

        Where nothing can be drawn (a change, telemetry that is gone), the chart is empty and its `reason` says why.

        Raises:
            BadInput: the investigation has no such fact.
            UnknownInvestigation: there is none.
        """
        snapshot = self._snapshot(investigation)
        first: Chart | None = None
        for fact in _facts(snapshot, evidence)[:CHARTS_TRIED]:
            chart = self._drawn(snapshot, fact)
            if not chart.reason:
                return chart
            first = first or chart
        return first or _nothing(snapshot)

    def request(self, investigation: str, *, evidence: str | None = None, trace: str | None = None) -> Waterfall:
        """One request as a waterfall: the trace that is named, else the sample of the fact, else of the strongest fact with one.

        Raises:
            BadInput: the investigation has no such fact.
            UnknownInvestigation: there is none.
        """
        snapshot = self._snapshot(investigation)
        for fact in _facts(snapshot, evidence):
            for sample in fact.anomaly.samples:
                if sample.trace_id and trace in (None, sample.trace_id):
                    about = fact.anomaly
                    suspect = Suspect((about.service, about.peer), about.subject, sample.span_id, about.mechanism)
                    around = (sample.time - timedelta(seconds=TRACE_SECONDS), sample.time + timedelta(seconds=TRACE_SECONDS))
                    return self._request(snapshot, sample.trace_id, around, fact.id, suspect)
        if trace is not None:
            alert = snapshot.investigation.alert
            return self._request(snapshot, trace, (alert.detected_at - 6 * HOUR, alert.window_end), evidence or "", NOBODY)
        if evidence is not None:
            return Waterfall(trace_id="", evidence=evidence, reason="No sample of this fact belongs to a request that was traced.")
        return Waterfall(trace_id="", reason="No fact of this investigation has a sample that belongs to a traced request.")

    def _drawn(self, snapshot: Snapshot, fact: Evidence) -> Chart:
        alert = snapshot.investigation.alert
        try:
            sources = self._specialists().open_sources(snapshot.investigation.scope, alert.window_end)
            chart = fact_chart(sources, fact, alert.earlier_incidents, as_kept=redact)
        except MiddlewatchError as error:
            chart = _empty(fact, error.message)
        return redact_names(redact_record(slim(chart)))

    def _request(
        self, snapshot: Snapshot, trace: str, around: tuple[UtcDatetime, UtcDatetime], evidence: str, suspect: Suspect
    ) -> Waterfall:
        found = snapshot.investigation
        start, end = around[0], min(around[1], found.alert.window_end)
        try:
            sources = self._specialists().open_sources(found.scope, found.alert.window_end)
            request = waterfall(sources, trace, Window(start=min(start, end - timedelta(seconds=1)), end=end), suspect=suspect)
        except MiddlewatchError as error:
            request = Waterfall(trace_id=trace, reason=error.message)
        return redact_names(redact_record(slim(request).model_copy(update={"evidence": evidence})))


def _facts(snapshot: Snapshot, evidence: str | None) -> list[Evidence]:
    """The fact that is named, or all of them: those of the causes, or of the leading hypothesis, first, the strongest of each."""
    known = {fact.id: fact for fact in (*snapshot.evidence, *(snapshot.report.evidence if snapshot.report else ()))}
    if evidence is not None:
        if evidence not in known:
            remedy = "Choose an id out of the investigation's evidence."
            raise BadInput(f"The investigation {snapshot.investigation.id} has no evidence {evidence!r}.", remedy=remedy)
        return [known[evidence]]
    report = snapshot.report
    telling: set[str] = set()
    if report is not None:
        telling = {fact for cause in report.causes for fact in cause.evidence}
        telling = telling or {fact for ranked in report.hypotheses[:1] for fact in ranked.hypothesis.evidence}
    return sorted(known.values(), key=lambda fact: (fact.id not in telling, -fact.anomaly.strength, fact.id))


def _nothing(snapshot: Snapshot) -> Chart:
    alert = snapshot.investigation.alert
    shown = Window(start=alert.detected_at - HOUR, end=alert.window_end)
    service = alert.symptom.service if alert.symptom else ""
    return Chart(what="", service=service, subject="", window=shown, reason="There is no evidence yet.")


def _empty(fact: Evidence, reason: str) -> Chart:
    about = fact.anomaly
    return Chart(
        what=about.in_short,
        service=about.service,
        peer=about.peer,
        subject=about.subject,
        window=about.window,
        incident=about.window,
        onset=about.onset,
        evidence=fact.id,
        reason=reason,
    )


def slim(answer: R) -> R:
    """The same without the statement of its query, which its name stands for."""
    query = getattr(answer, "query", None)
    return answer if query is None else answer.model_copy(update={"query": query.model_copy(update={"text": ""})})
