"""The detailed part of a report's page: the vote in numbers, the reasons, the chain of evidence, and how the report came about."""

from __future__ import annotations

from middlewatch.frontends import model_wording, quantity
from middlewatch.frontends.cli.page import INDENT, Column, Row, Span, Tone
from middlewatch.frontends.cli.telling import FACT_COLUMNS, Telling, stance, told_by_model
from middlewatch.frontends.model_votes import calibration, model_votes
from middlewatch.frontends.reading import count, latest, tally
from middlewatch.records import AgentName, Evidence, Outcome, Position, RankedHypothesis, Sample
from middlewatch.records.model_spend import spends

_FULL_EVIDENCE = 12
"""Facts that are told in full, and below them in one line each; the exported report has all of them."""
_SHORT_EVIDENCE = 30
_SAMPLES = 3
_SAMPLE_LINES = 3
_VOTE_COLUMNS = (
    Column(),
    Column("cause", elastic=True),
    Column("chance", right=True, prefix="chance "),
    *(Column(agent.value, prefix=f"{agent.value} ") for agent in AgentName),
)
_COSTS = ("calls", "read", "cached", "written", "dollars", "longest")
"""Columns that fit; `models costs` has all."""
_COST_COLUMNS = (Column(elastic=True), *(Column(name, right=True, prefix=f"{name} ") for name in _COSTS))


class Details(Telling):
    """The methods are the parts of the page; each writes itself."""

    def votes(self) -> None:
        """Who stands where on which cause."""
        page, report = self.page, self.report
        page.blank()
        if self.leading is None:
            page.entry("Vote", Span("there was nothing to vote on"))
            return
        finding = report.outcome is Outcome.FINDING
        remark = f"{tally(self.leading) if finding else 'guesses, not findings'}; strength in nats"
        page.heading("Vote", Span(remark, Tone.SOFT if finding else Tone.WAIT))
        rows = [self._vote_row(row) for row in report.hypotheses]
        if len(report.causes) <= 1:
            none = Span(quantity.percent(self.none_of_these()))
            rows.append((Span(""), Span("none of these"), none, *[Span("")] * len(AgentName)))
        page.table(_VOTE_COLUMNS, rows)
        for vote in latest(self.leading.votes).values():
            if vote.position is Position.OPPOSE:
                text = f" ({quantity.number(vote.strength, 2)}): {vote.reason}"
                page.entry("Dissent", Span(vote.agent.value, Tone.FAULT), Span(text))

    def models(self) -> None:
        """What language models said beside their votes, and what it cost."""
        page, work = self.page, self.report.models
        if work is None:
            return
        page.blank()
        page.heading("Models", Span(model_wording.in_short(self.report), Tone.SOFT))
        if words := model_wording.prose(work):
            page.entry("In words", Span(words), Span(f" (a language model's; {model_wording.CHECKED})", Tone.SOFT))
        for share in model_wording.shares(work):
            page.paragraph(Span(share.words), hang=INDENT)
            for claim in share.claims:
                page.paragraph(Span(f"{claim.text} ({self.cited(claim.evidence)})"), indent=2 * INDENT, hang=INDENT)
        if work.reasoning:
            page.paragraph(Span(model_wording.CLAIMS_CHECKED, Tone.SOFT))
        page.entry("They cost", Span(model_wording.investigation(work.calls)))
        rows: list[Row] = [
            tuple(map(Span, (row.agent, *(cells[name] for name in _COSTS))))
            for row in spends(work.calls)
            if (cells := dict(zip(model_wording.COLUMNS, model_wording.cells(row.sum), strict=True)))
        ]
        if rows:
            page.table(_COST_COLUMNS, rows)

    def record(self) -> None:
        """How the report came about."""
        report, page = self.report, self.page
        page.blank()
        took = f"{quantity.duration((report.closed_at - report.opened_at).total_seconds())}, {count(report.rounds, 'round')}"
        timings = [f"{timing.name} {quantity.duration(timing.seconds)}" for timing in report.timings]
        if report.calibration is not None:
            page.entry("Confidence", Span(f"{quantity.percent(report.confidence)}, calibrated {calibration(report.calibration)}"))
        page.entry("Took", Span("; ".join([took, *timings])))
        if report.freshness:
            page.entry("Data reached", Span(", ".join(self._reached())))
        recording = f", recording {self.name(report.scope.recording)}" if report.scope.recording else ""
        page.entry("Record", Span(f"{report.investigation}{recording}, {report.format} by {report.engine}", Tone.SOFT))

    def reasons(self) -> None:
        """Each hypothesis with its kind, its path and the reason of every vote."""
        page = self.page
        if not self.report.hypotheses:
            return
        page.blank()
        page.heading("Reasons", Span("of each vote; E1, E2 ... are the facts below", Tone.SOFT))
        for row in self.report.hypotheses:
            total = f"share {quantity.percent(row.share)}, sum {quantity.number(row.score, 2)} nats"
            page.paragraph(Span(f"{row.rank} {row.hypothesis.statement}", Tone.STRONG), Span(f" ({total})"), hang=INDENT)
            if row.hypothesis.cause is not None:
                page.paragraph(Span(f"kind: {self.kind(row.hypothesis.cause)}"), indent=2 * INDENT, hang=INDENT)
            if row.explanation is not None and (len(row.explanation.path) > 1 or row.explanation.remarks):
                parts = [self.path(row.explanation), *row.explanation.remarks]
                page.paragraph(Span(f"path: {'; '.join(parts)}"), indent=2 * INDENT, hang=INDENT)
            for vote in latest(row.votes).values():
                page.paragraph(Span(f"{vote.agent} "), stance(vote), self.reason(vote), indent=2 * INDENT, hang=INDENT)
            for said in model_votes(self.report, row):
                page.paragraph(*told_by_model(said), self.reason(said), indent=2 * INDENT, hang=INDENT)

    def evidence(self) -> None:
        """The facts: those of the leading hypothesis in full, the others on a line each."""
        page = self.page
        if not self.report.evidence:
            return
        page.blank()
        page.heading("Evidence")
        full = self.facts()[:_FULL_EVIDENCE]
        for fact in full:
            self._fact(fact)
        rest = [fact for fact in self.report.evidence if fact not in full]
        if not rest:
            return
        page.heading("", Span(f"{count(len(rest), 'further fact')}", Tone.SOFT))
        page.table(FACT_COLUMNS, [self.fact_row(f"E{self.numbers[fact.id]}", fact) for fact in rest[:_SHORT_EVIDENCE]])
        if len(rest) > _SHORT_EVIDENCE:
            page.paragraph(Span(f"and {len(rest) - _SHORT_EVIDENCE} more in the exported report", Tone.SOFT))

    def _fact(self, fact: Evidence) -> None:
        page, anomaly = self.page, fact.anomaly
        clock = self.clock
        indent = 3 * INDENT
        page.paragraph(Span(f"E{self.numbers[fact.id]} {self.what(fact, named=True)}", Tone.STRONG), hang=2 * INDENT, most_lines=3)
        page.paragraph(Span(anomaly.summary), indent=indent)
        values = quantity.pair(anomaly.baseline, anomaly.observed, anomaly.unit)
        factor = quantity.factor(anomaly.factor, anomaly.baseline, anomaly.observed)
        parts = [values + (f" ({factor})" if factor else "")] if values or factor else []
        parts += [f"began {self.interval(anomaly.onset)}"] if anomaly.onset else []
        parts += [f"points to {anomaly.mechanism.replace('_', ' ')}"] if anomaly.mechanism else []
        parts.append(f"strength {quantity.number(anomaly.strength, 2)} nats")
        page.paragraph(Span(", ".join(parts)), indent=indent)
        if together := self._together(fact):
            page.paragraph(Span(f"at the same time: {together}"), indent=indent)
        windows = f"window {clock(anomaly.window.start)} to {clock(anomaly.window.end)}"
        if anomaly.baseline_window is not None:
            windows += f", baseline {clock(anomaly.baseline_window.start)} to {clock(anomaly.baseline_window.end)}"
        asked = ", ".join(f"{name}={_value(value)}" for name, value in sorted(anomaly.query.parameters.items()))
        query = f"{fact.agent} agent, {anomaly.query.source} query {self.name(anomaly.query.name)}{': ' if asked else ''}{asked}"
        page.paragraph(Span(windows, Tone.SOFT), indent=indent)
        page.paragraph(Span(f"{query}; {fact.id}", Tone.SOFT), indent=indent, most_lines=3)
        for sample in anomaly.samples[:_SAMPLES]:
            self._sample(sample, indent)
        if len(anomaly.samples) > _SAMPLES:
            page.paragraph(Span(f"and {count(len(anomaly.samples) - _SAMPLES, 'more sample')}", Tone.SOFT), indent=indent)

    def _sample(self, sample: Sample, indent: int) -> None:
        where = f" trace {self.name(sample.trace_id)}" if sample.trace_id else ""
        where += f" span {self.name(sample.span_id)}" if sample.span_id else ""
        text = f"{self.clock(sample.time)}{where} {self.page.say.line(sample.text)}"
        self.page.paragraph(Span(text), indent=indent, hang=INDENT, most_lines=_SAMPLE_LINES)

    def _together(self, fact: Evidence) -> str:
        """The facts of other agents that began at the same time."""
        explanation = self.leading.explanation if self.leading else None
        found = explanation.correlations if explanation else ()
        return self.cited([id_ for one in found if one.evidence == fact.id for id_ in one.correlated])

    def _vote_row(self, row: RankedHypothesis) -> Row:
        votes = latest(row.votes)
        stances = [stance(votes[agent]) if agent in votes else Span("no vote", Tone.SOFT) for agent in AgentName]
        chance = Span(quantity.percent(self.chance(row)))
        return (Span(str(row.rank)), Span(self.name(row.hypothesis.service), Tone.STRONG), chance, *stances)

    def _reached(self) -> list[str]:
        texts = []
        for fresh in self.report.freshness:
            if fresh.watermark is None:
                texts.append(f"{fresh.signal} none at all")
            else:
                before = quantity.duration(fresh.lag_seconds or 0.0)
                texts.append(f"{fresh.signal} {self.clock(fresh.watermark)} ({before} before the end)")
        return texts


def _value(value: str | float | list[str]) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
