"""What an investigation is recognised by: a handful of traits of its report, small enough to be kept beside every headline.

A trait is a service that is suspected, a kind of cause, a log template, the way that a metric or the requests of an operation went,
or what the telemetry points to. What is kept of it is its mark, eight hexadecimal digits that say nothing by themselves; in words a
trait is told by whoever has the report. Each stands for its service, and once more for any: the same fault elsewhere is like
it in part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from middlewatch.records.alert import Alert
from middlewatch.records.base import Record, Sentence, digest_of
from middlewatch.records.cause import CauseKind
from middlewatch.records.evidence import AgentName, Anomaly, AnomalyKind, Evidence, Family
from middlewatch.records.hypothesis import Hypothesis
from middlewatch.records.quoting import quoted

Mark = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]
"""A trait, as it is kept. Two of a few hundred thousand may be the same by chance, which moves a ranking by one trait."""

MOST_FACTS: Final = 24
"""Facts that traits are taken from, the strongest. Chosen: a report has two to three dozen, the last of which say little."""
LOG_WORDS: Final = 12
"""Of a log line that are compared; what follows is mostly payload. Chosen."""

LONGEST_SUBJECT: Final = 200
"""Characters. Chosen."""

_LABELS = re.compile(r"\{.*", re.DOTALL)
_STATISTIC = re.compile(r"\.(?:mean|max|min|p\d{2})$")
_VARIES = re.compile(r"[\d*]|^<[^<>]*>$")
_SPLIT = re.compile(r"[\s,;=()\[\]{}\"']+")
_REQUESTS = (AnomalyKind.OPERATION, AnomalyKind.EDGE, AnomalyKind.STRUCTURE)


class TraitKind(StrEnum):
    """What sort of trait it is."""

    CAUSE = "cause"
    """The kind of the leading cause, and the service."""
    SERVICE = "service"
    """The service of the leading cause."""
    SYMPTOM = "symptom"
    """The service that alarmed, with its metric."""
    LOG = "log"
    """A log template that came, went, or became more or less."""
    METRIC = "metric"
    """A metric that deviated, and which way."""
    REQUESTS = "requests"
    """An operation whose requests became slow, failed or went another way."""
    POINTS_TO = "points_to"
    """What a deviation points to, such as a pool that is waited for."""


class Trait(Record):
    """One trait."""

    kind: TraitKind
    service: str = Field(default="", description="empty: of any service")
    subject: str = Field(default="", description="the log template, metric or operation without what varies from time to time")
    way: str = Field(default="", description="which way it went, or what sort of trouble it is")

    @property
    def mark(self) -> Mark:
        """What is kept of it."""
        return digest_of(self.kind, self.service, self.subject, self.way)[:8]

    @property
    def anywhere(self) -> Trait:
        """The same of any service; a service itself is none but itself."""
        return self if self.kind is TraitKind.SERVICE else self.model_copy(update={"service": ""})

    @property
    def words(self) -> Sentence:
        """In a few words, as a list has them."""
        about = f" of {quoted(self.service)}" if self.service else " in another service"
        subject, way = quoted(self.subject), self.way.replace("_", " ")
        words = {
            TraitKind.CAUSE: f"the same kind of cause, {way}{about}",
            TraitKind.SERVICE: f"the same service, {quoted(self.service)}",
            TraitKind.SYMPTOM: f"the same alarm{', ' + subject if self.subject else ''}{about}",
            TraitKind.LOG: f"the log template {subject}{about}, {way}",
            TraitKind.METRIC: f"the metric {subject}{about}, {way}",
            TraitKind.REQUESTS: f"requests {subject}{about}: {way}",
            TraitKind.POINTS_TO: f"what points to {way}{about}",
        }
        return words[self.kind]


def traits(alert: Alert, hypotheses: Sequence[Hypothesis], evidence: Sequence[Evidence]) -> tuple[Trait, ...]:
    """The traits of an investigation, the most telling sort first; of a sort, those of the strongest facts.

    Args:
        alert: what it is about.
        hypotheses: the leading one first; none while it is not known.
        evidence: its facts.
    """
    return tuple(dict.fromkeys(_found(alert, hypotheses, evidence)))


def marks(found: Sequence[Trait]) -> tuple[Mark, ...]:
    """What is kept of traits: each with its service, and each without."""
    return tuple(dict.fromkeys(mark for trait in found for mark in (trait.mark, trait.anywhere.mark)))


def headline_traits(service: str, cause: CauseKind | None) -> tuple[Trait, ...]:
    """Of what a headline says: the service that is blamed and the kind of cause."""
    found = [Trait(kind=TraitKind.SERVICE, service=service)] if service else []
    return (*found, *([Trait(kind=TraitKind.CAUSE, service=service, way=cause)] if service and cause else []))


def _found(alert: Alert, hypotheses: Sequence[Hypothesis], evidence: Sequence[Evidence]) -> Iterator[Trait]:
    leading = hypotheses[0] if hypotheses else None
    if leading is not None:
        yield from headline_traits(leading.service, leading.cause.kind if leading.cause else None)
    if alert.symptom is not None:
        yield Trait(kind=TraitKind.SYMPTOM, service=alert.symptom.service, subject=metric_name(alert.symptom.metric or ""))
    strongest = sorted((fact for fact in evidence if fact.anomaly.strength > 0), key=lambda fact: (-fact.anomaly.strength, fact.id))
    for fact in strongest[:MOST_FACTS]:
        yield from _of(fact.anomaly, measured=fact.agent is AgentName.METRICS)


def _of(anomaly: Anomaly, *, measured: bool) -> Iterator[Trait]:
    if anomaly.mechanism is not None:
        yield Trait(kind=TraitKind.POINTS_TO, service=anomaly.service, way=anomaly.mechanism)
    if anomaly.kind is AnomalyKind.LOG_PATTERN:
        yield Trait(kind=TraitKind.LOG, service=anomaly.service, subject=template(anomaly.subject), way=_way(anomaly))
    elif measured:
        yield Trait(kind=TraitKind.METRIC, service=anomaly.service, subject=metric_name(anomaly.subject), way=_way(anomaly))
    elif anomaly.kind in _REQUESTS:
        way = anomaly.family if anomaly.family is not Family.OTHER else str(anomaly.mechanism or anomaly.kind)
        yield Trait(kind=TraitKind.REQUESTS, service=anomaly.service, subject=anomaly.subject[:LONGEST_SUBJECT], way=way)


Shape = tuple[str, str, str, str, str]
"""A fact without its numbers and times: kind, service, peer, what deviated, and which way."""


def shape(anomaly: Anomaly) -> Shape:
    """What a fact is of, so that it is known again where it is there another time."""
    if anomaly.kind is AnomalyKind.LOG_PATTERN:
        subject = template(anomaly.subject)
    elif anomaly.kind is AnomalyKind.CHANGE:
        subject = str(anomaly.change or "")
    else:
        subject = anomaly.subject
    return anomaly.kind, anomaly.service, anomaly.peer, subject, f"{anomaly.family} {_way(anomaly)}"


def template(line: str, most: int = LOG_WORDS) -> str:
    """A log template without what varies: its first words in lower case, those with digits or wildcards as `*`."""
    words = [word for word in _SPLIT.split(line.partition("\n")[0].lower()) if word]
    return " ".join("*" if _VARIES.search(word) else word for word in words[:most])


def metric_name(subject: str) -> str:
    """A metric without its labels and without which statistic of it deviated: the mean and the p99 of one are one shape."""
    return _STATISTIC.sub("", _LABELS.sub("", subject))[:LONGEST_SUBJECT]


def _way(anomaly: Anomaly) -> str:
    if anomaly.factor is not None:
        return "up" if anomaly.factor >= 1 else "down"
    if anomaly.observed is None or anomaly.observed == anomaly.baseline:
        return "changed"
    return "up" if anomaly.observed > (anomaly.baseline or 0.0) else "down"
