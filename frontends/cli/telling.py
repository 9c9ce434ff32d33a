"""What the parts of a report's page share on a terminal: the page, facts on one line, and where an agent stands."""

from __future__ import annotations

from collections.abc import Sequence

from middlewatch.frontends import quantity
from middlewatch.frontends.cli.page import Column, Page, Row, Span, Tone
from middlewatch.frontends.model_votes import ModelVote
from middlewatch.frontends.wording import Wording, stance_words
from middlewatch.records import AnomalyKind, Evidence, Position, Report, Vote

FACT_COLUMNS = (
    Column(),
    Column(elastic=True),
    Column("usual → now", right=True),
    Column("factor", right=True),
    Column("since", prefix="since "),
)
_TONES = {Position.SUPPORT: Tone.WORK, Position.OPPOSE: Tone.FAULT, Position.ABSTAIN: Tone.SOFT}


class Telling(Wording):
    """One report, one page, and how things are called on it."""

    def __init__(self, report: Report, page: Page, *, details: bool) -> None:
        super().__init__(report, page.say)
        self.page = page
        self.details = details

    def fact_row(self, label: str, fact: Evidence) -> Row:
        anomaly = fact.anomaly
        values = quantity.pair(anomaly.baseline, anomaly.observed, anomaly.unit)
        if not values:
            return (Span(label), Span(anomaly.summary, Tone.CHANGE if anomaly.kind is AnomalyKind.CHANGE else Tone.PLAIN))
        since = self.clock(anomaly.onset.at) if anomaly.onset else ""
        factor = quantity.factor(anomaly.factor, anomaly.baseline, anomaly.observed)
        return (Span(label), Span(self.what(fact)), Span(values, Tone.FAULT), Span(factor, Tone.STRONG), Span(since))

    def cited(self, ids: Sequence[str]) -> str:
        """The facts, by their numbers."""
        return ", ".join(f"E{self.numbers[id_]}" for id_ in ids if id_ in self.numbers)

    def reason(self, said: Vote | ModelVote) -> Span:
        """Why somebody stands there, and the facts that it rests on."""
        cited = self.cited(said.evidence)
        return Span(f": {said.reason}" + (f" ({cited})" if cited else ""))


def stance(vote: Vote) -> Span:
    """Where an agent stands, with the strength of its vote."""
    return Span(stance_words(vote), _TONES[vote.position])


def told_by_model(said: ModelVote) -> tuple[Span, Span]:
    """Who says it, what, and what that counts."""
    return Span(f"{said.speaker} "), Span(said.words, _TONES[said.position])
