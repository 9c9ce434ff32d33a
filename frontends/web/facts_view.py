"""Facts and hypotheses as a page shows them: each number with its unit, its baseline and its window; each vote with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from middlewatch.frontends import quantity
from middlewatch.frontends.model_votes import ModelVote, model_votes
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.reading import Reading, latest
from middlewatch.frontends.wording import Wording, stance_words
from middlewatch.records import AgentName, Anomaly, Evidence, Position, RankedHypothesis, Report, Vote, Window

_SAY = Quotation()
SHOWN_WHOLE = 4
"""Facts of the first hypothesis that are shown with their samples at once; the others on demand: a page is light."""
LISTED = 200
"""Facts of one hypothesis, and about none, that a page lists; all are in the report, and each has its own page."""
HYPOTHESES = 8
_AGENTS = {AgentName.METRICS: "metrics", AgentName.LOGS: "log", AgentName.TRACES: "trace", AgentName.DEPLOYS: "deploy"}


@dataclass(frozen=True, slots=True)
class FactView:
    """One fact."""

    id: str
    number: int
    """What people call it by: E1, E2, ..."""
    agent: str
    service: str
    what: str
    baseline: str
    observed: str
    factor: str
    since: str
    window: str
    baseline_window: str
    speaks: str
    fact: Evidence
    anchor: bool = False
    """Whether links to the fact lead here: to where a page shows it first."""
    whole: bool = False
    """Whether its samples are shown at once."""

    @property
    def anomaly(self) -> Anomaly:
        return self.fact.anomaly


@dataclass(frozen=True, slots=True)
class VoteView:
    """One agent's word on a hypothesis."""

    agent: str
    position: Position | None
    """None where the agent said nothing."""
    words: str
    reason: str
    dissents: bool
    pull: float
    """From -50 to 50: the strength beside the strongest of this report, for the bar."""


@dataclass(frozen=True, slots=True)
class HypothesisView:
    """One row of the table."""

    row: RankedHypothesis
    chance: str
    kind: str
    votes: tuple[VoteView, ...]
    path: str
    remarks: tuple[str, ...]
    models: tuple[ModelVote, ...]
    """What language models say, beside the agents' rules."""
    facts: tuple[FactView, ...]
    hidden: int
    named: bool
    """Whether the finding names it."""


def fact_view(fact: Evidence, number: int, words: Wording | None) -> FactView:
    """One fact, with whatever is needed to believe it."""
    anomaly = fact.anomaly
    day = anomaly.window.start.date()
    baseline, observed = quantity.both(anomaly.baseline, anomaly.observed, anomaly.unit)
    strength = quantity.number(anomaly.strength, 2)
    speaks = f"{strength} nats for {anomaly.service}" if anomaly.strength > 0 else "speaks for nothing"
    return FactView(
        id=fact.id,
        number=number,
        agent=_AGENTS[fact.agent],
        service=anomaly.service,
        what=words.what(fact, named=True) if words else anomaly.in_short,
        baseline=_SAY.clean(baseline) or ("none before" if observed else ""),
        observed=_SAY.clean(observed),
        factor=quantity.factor(anomaly.factor, anomaly.baseline, anomaly.observed),
        since=quantity.clock(anomaly.onset.at, day) if anomaly.onset else "",
        window=_span(anomaly.window),
        baseline_window=_span(anomaly.baseline_window) if anomaly.baseline_window else "",
        speaks=speaks,
        fact=fact,
    )


def fact_views(facts: Sequence[Evidence], words: Wording | None) -> tuple[FactView, ...]:
    """Several, each by its number in the report; by its place where there is none yet."""
    numbers = words.numbers if words else {}
    return tuple(fact_view(fact, numbers.get(fact.id, place), words) for place, fact in enumerate(facts, 1))


def hypotheses_view(report: Report) -> tuple[HypothesisView, ...]:
    """The leading hypotheses, in order."""
    words = Wording(report)
    strongest = max((vote.strength for row in report.hypotheses for vote in latest(row.votes).values()), default=0.0) or 1.0
    linked: set[str] = set()
    return tuple(_hypothesis(row, words, strongest, linked) for row in report.hypotheses[:HYPOTHESES])


def other_facts(report: Report, shown: Sequence[HypothesisView]) -> tuple[FactView, ...]:
    """The facts that are about none of these hypotheses, the strongest first."""
    words = Wording(report)
    told = {fact.id for one in shown for fact in one.facts}
    rest = sorted((fact for fact in report.evidence if fact.id not in told), key=lambda fact: -fact.anomaly.strength)
    return _anchored(fact_views(rest[:LISTED], words), set())


def none_of_these(report: Report) -> str:
    """The probability that no hypothesis is the cause, those that are not shown among them."""
    reading = Reading(report)
    return quantity.percent(max(0.0, 1.0 - sum(reading.chance(row) for row in report.hypotheses[:HYPOTHESES])))


def _hypothesis(row: RankedHypothesis, words: Wording, strongest: float, linked: set[str]) -> HypothesisView:
    about = words.about(row)
    explanation = row.explanation
    along = explanation is not None and (len(explanation.path) > 1 or explanation.reaches_symptom)
    return HypothesisView(
        row=row,
        chance=quantity.percent(words.chance(row)),
        kind=_SAY.clean(words.kind(row.hypothesis.cause)) if row.hypothesis.cause else "",
        votes=_votes(row, strongest),
        path=words.path(explanation) if explanation and along else "",
        remarks=explanation.remarks if explanation else (),
        models=model_votes(words.report, row),
        facts=_anchored(fact_views(about[:LISTED], words), linked, whole=SHOWN_WHOLE if row.rank == 1 else 0),
        hidden=max(0, len(about) - LISTED),
        named=row.hypothesis.id in words.confidence,
    )


def _anchored(facts: Sequence[FactView], linked: set[str], *, whole: int = 0) -> tuple[FactView, ...]:
    """The same, each an anchor where it is not one already; the first ones whole."""
    made = tuple(replace(fact, anchor=fact.id not in linked, whole=place < whole) for place, fact in enumerate(facts))
    linked.update(fact.id for fact in made)
    return made


def _votes(row: RankedHypothesis, strongest: float) -> tuple[VoteView, ...]:
    said = latest(row.votes)
    return tuple(_vote(agent, said.get(agent), agent in row.dissent, strongest) for agent in AgentName)


def _vote(agent: AgentName, vote: Vote | None, dissents: bool, strongest: float) -> VoteView:  # noqa: FBT001  as it stands in the report
    if vote is None:
        return VoteView(_AGENTS[agent], None, "said nothing", "", dissents=False, pull=0.0)
    sign = {Position.SUPPORT: 1, Position.OPPOSE: -1, Position.ABSTAIN: 0}[vote.position]
    pull = round(50 * sign * min(1.0, vote.strength / strongest), 1)
    return VoteView(_AGENTS[agent], vote.position, stance_words(vote), vote.reason, dissents=dissents, pull=pull)


def _span(window: Window) -> str:
    return f"{quantity.stamp(window.start)} to {quantity.clock(window.end, window.start.date())}"
