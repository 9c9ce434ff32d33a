"""What a model sees of the shared context: one compact, ranked text that is the same for every agent and every call.

It is made of the rules' report alone, which does not change while models look at it: so it is byte for byte the same in each of
their requests, and a provider reads it from its cache. Whatever the telemetry, it is at most `MOST_TOKENS`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from middlewatch.agents.reasoning.showing import Lines, Showing, Veil, moment, number
from middlewatch.agents.reasoning.size import tokens_at_most
from middlewatch.records import AgentName, Alert, Anomaly, Evidence, Hypothesis, Position, RankedHypothesis, Report

MOST_TOKENS: Final = 5_000
"""Of the whole digest: less than half of a call's, so that there is room for tools and what they answer (chosen, not derived)."""
_ALERT, _HYPOTHESES, _SERVICES, _LIMITS = 0.12, 0.18, 0.18, 0.1
"""Shares of its parts, at most; the evidence has the rest."""
_TITLES = 180
"""Tokens of the titles, and of what says how much is left out."""
MOST_SERVICES: Final = 24
OF_A_KIND: Final = 3
"""Facts of one agent about one service that come before any other of theirs: no signal crowds out the others."""
_STANDS = {Position.SUPPORT: "for", Position.OPPOSE: "against", Position.ABSTAIN: "abstains"}


@dataclass(frozen=True, slots=True)
class Digest:
    """The text, and what the keys in it stand for."""

    text: str
    evidence: Mapping[str, Evidence]
    hypotheses: Mapping[str, Hypothesis]
    services: Mapping[str, str]
    keys: Mapping[str, str]
    """The other way round: the key of each piece of evidence."""


def digest_of(report: Report, veil: Veil, most_tokens: int = MOST_TOKENS) -> Digest:
    """The digest of what the rules report.

    Args:
        report: theirs.
        veil: takes out of every text what must not leave the process; the same text must always become the same.
        most_tokens: that it takes.
    """
    show, room = Showing(veil), max(0, most_tokens - _TITLES)
    services = {f"s{number}": name for number, name in enumerate(_services(report), 1)}
    keys = {name: key for key, name in services.items()}
    alert, limits = _alert(report, show, int(room * _ALERT)), _limits(report, show, int(room * _LIMITS))
    listed, service_part = _service_part(report, show, services, keys, int(room * _SERVICES))
    hypothesis_room = int(room * _HYPOTHESES)
    facts = Lines(max(0, room - hypothesis_room - sum(map(tokens_at_most, (alert, limits, service_part)))))
    kept = {
        key: fact
        for key, fact in ((f"e{number}", fact) for number, fact in enumerate(_ranked(report.evidence), 1))
        if facts.add(partial(show.fact, key, fact.agent, fact.anomaly, keys.get(fact.anomaly.service, "")))
    }
    key_of = {fact.id: key for key, fact in kept.items()}
    hypotheses = {f"h{number}": row for number, row in enumerate(report.hypotheses, 1)}
    parts = (
        ("The alert, and what rules alone answer", alert),
        ("Services, the most suspected first, with what all rules say of them in nats, and whom they call", service_part),
        ("Hypotheses, with the vote of each agent's rules in nats", _hypotheses(hypotheses, keys, key_of, hypothesis_room)),
        ("Evidence, the leading hypothesis's first", facts.text("facts")),
        ("What is not known, and what was ruled out", limits),
    )
    return Digest(
        text="\n\n".join(f"## {title}\n{text or 'nothing'}" for title, text in parts),
        evidence=kept,
        hypotheses={key: row.hypothesis for key, row in hypotheses.items()},
        services=listed,
        keys=key_of,
    )


def with_added(digest: Digest, facts: Sequence[Evidence], first: int, show: Showing, room: int) -> tuple[Digest, str]:
    """The digest with facts that models' tool calls found after it was made, and what is told of them.

    Its text stays as it is, for a provider has that in its cache; the facts are told behind it.

    Args:
        digest: of the rules' report.
        facts: that are evidence by now.
        first: number of the first one's key; higher than any in the digest.
        show: how they are written.
        room: tokens that they take at most, the strongest first.
    """
    services, lines = {name: key for key, name in digest.services.items()}, Lines(room)
    same: dict[tuple[object, ...], list[Evidence]] = {}
    for fact in sorted(facts, key=lambda fact: (-fact.anomaly.strength, fact.id)):
        same.setdefault(traits(fact.anomaly), []).append(fact)  # several agents' models may have found it
    told: dict[str, Evidence] = {}
    more: dict[str, str] = {}
    for key, (fact, *others) in ((f"e{n}", found) for n, found in enumerate(same.values(), first)):
        if lines.add(partial(show.fact, key, fact.agent, fact.anomaly, services.get(fact.anomaly.service, ""))):
            told[key] = fact
            more |= {one.id: key for one in (fact, *others)}
    text = f"Evidence that models' tool calls found:\n{lines.text('facts')}\n" if facts else ""
    return replace(digest, evidence={**digest.evidence, **told}, keys={**digest.keys, **more}), text


def traits(anomaly: Anomaly) -> tuple[object, ...]:
    """What makes two facts the same: what was seen of what, when."""
    return (anomaly.kind, anomaly.service, anomaly.instance, anomaly.peer, anomaly.subject, anomaly.window)


def _services(report: Report) -> list[str]:
    """Those that the hypotheses blame, then as they are suspected, then the one that alarmed."""
    symptom = report.alert.symptom
    names = [row.hypothesis.service for row in report.hypotheses] + [row.service for row in report.ranking]
    return list(dict.fromkeys([*names, *([symptom.service] if symptom else [])]))[:MOST_SERVICES]


def _ranked(evidence: Sequence[Evidence]) -> list[Evidence]:
    """In the report's order, but of one agent about one service only the first `OF_A_KIND` before all the rest."""
    seen: Counter[tuple[AgentName, str]] = Counter()
    first: list[Evidence] = []
    rest: list[Evidence] = []
    for fact in evidence:
        about = fact.agent, fact.anomaly.service
        (first if seen[about] < OF_A_KIND else rest).append(fact)
        seen[about] += 1
    return first + rest


def _alert(report: Report, show: Showing, room: int) -> str:
    alert: Alert = report.alert
    lines = Lines(room)
    noticed, end = moment(alert.detected_at), moment(alert.window_end)
    lines.add(f"{show.said(alert.title, 'alert')}, noticed {noticed}; telemetry is read up to {end}")
    if alert.symptom is not None:
        metric = f", {show.name(alert.symptom.metric, 'metric')}" if alert.symptom.metric else ""
        lines.add(f"it alarmed at {show.name(alert.symptom.service, 'service')}{metric}")
    for since in alert.since[:2]:
        lines.add(show.said(since, "it came back"))
    sure = f"confidence {number(report.confidence)}, probability that anything changed {number(report.change_probability)}"
    lines.add(f"{report.outcome}, {sure}: {show.said(report.answer, 'answer')}")
    return lines.text("lines")


def _hypotheses(rows: Mapping[str, RankedHypothesis], services: Mapping[str, str], keys: Mapping[str, str], room: int) -> str:
    lines = Lines(room)
    for key, row in rows.items():
        cause = row.hypothesis.cause
        kind = f", {cause.kind} {number(cause.probability)}" if cause else ""
        votes = ", ".join(
            f"{vote.agent} {_STANDS[vote.position]}" + (f" {number(vote.strength)}" if vote.strength else "") for vote in row.votes
        )
        cited = " ".join(keys[fact] for fact in row.hypothesis.evidence if fact in keys)
        where = services.get(row.hypothesis.service, "a service that is not listed")
        lines.add(f"{key} it started in {where}{kind}, share {number(row.share)}: {votes}; rests on {cited or 'nothing'}")
    return lines.text("hypotheses")


def _service_part(
    report: Report, show: Showing, services: Mapping[str, str], keys: Mapping[str, str], room: int
) -> tuple[dict[str, str], str]:
    """Those that fit, and the text."""
    scores = {row.service: row.score for row in report.ranking}
    lines, listed = Lines(room), {}
    for key, name in services.items():
        calls = [keys[edge.callee] for edge in report.service_map if edge.caller == name and edge.callee in keys]
        score = f" {number(scores[name])}" if name in scores else " not seen"
        onward = f", calls {' '.join(dict.fromkeys(calls[:8]))}" if calls else ""
        if lines.add(f"{key} {show.name(name, 'service')}{score}{onward}"):
            listed[key] = name
    return listed, lines.text("services")


def _limits(report: Report, show: Showing, room: int) -> str:
    lines = Lines(room)
    for text in _first(report.missing, 5):
        lines.add(show.said(text, "missing", 160))
    for text in _first(report.ruled_out, 5):
        lines.add(show.said(text, "ruled out", 160))
    return lines.text("lines")


def _first(texts: Iterable[str], most: int) -> list[str]:
    return list(texts)[:most]
