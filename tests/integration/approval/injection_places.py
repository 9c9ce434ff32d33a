"""Where an attacker's text stands: in telemetry that the real agents read, in an alert, and in what only a model would read.

The incident is always the same: `cart` fails after its deploy, and `front` and `shop`, which wait for it, fail too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from middlewatch.records import Alert, Symptom, Window
from middlewatch.telemetry.sources import Answer, Sources
from tests.unit.tools.synthetic_request_sources import request_sources
from tests.unit.tools.synthetic_requests import CALLS, Fault, Line, Requests, Span, requests
from tests.unit.tools.synthetic_telemetry import DETECTED, END, Changes, Metrics, Series

BLAMED = "cart"
ASIDE = ("front", "shop", "stock", "store")
MINUTES = 12
"""Of traffic; the incident is the last three of them."""
BEGAN = DETECTED - timedelta(seconds=120)

Rows = Sequence[tuple[float, str, str, str]]


@dataclass
class NotedChanges(Changes):
    """Changes each of which has an actor and a description of its own."""

    actors: Sequence[str] = ()
    descriptions: Sequence[str] = ()

    def changes(self, window: Window, *, services: Sequence[str] = ()) -> Answer:
        answer = super().changes(window, services=services)
        table = answer.table
        for name, texts in (("actor", self.actors), ("description", self.descriptions)):
            if texts:
                column = pa.array([texts[row % len(texts)] for row in range(table.num_rows)], pa.string())
                table = table.set_column(table.schema.get_field_index(name), name, column)
        return replace(answer, table=table)


@dataclass
class Incident:
    """An incident's telemetry and alert, into which texts are put."""

    made: Requests = field(default_factory=lambda: requests(Fault(BLAMED, slower=8.0, fails=True), minutes=MINUTES, per_minute=6))
    series: list[Series] = field(default_factory=list)
    rows: list[tuple[float, str, str, str]] = field(default_factory=lambda: [(-2.5, BLAMED, "deploy", "2.0")])
    actors: Sequence[str] = ()
    descriptions: Sequence[str] = ()
    alert: Mapping[str, object] = field(default_factory=dict)
    unread: Sequence[str] = ()
    """What no agent reads, and a model may be shown: attributes of spans."""

    def __post_init__(self) -> None:
        rng = np.random.default_rng(1)
        self.series = [
            Series(service, metric, _levels(level, rng, raised=service == BLAMED), unit)
            for service in CALLS
            for metric, unit, level in (("cpu", "%", 20.0), ("latency", "ms", 50.0))
        ]

    @property
    def sources(self) -> Sources:
        """What the agents read."""
        changes = NotedChanges(self.rows, actors=self.actors, descriptions=self.descriptions)
        return replace(request_sources(self.made), metrics=Metrics(self.series), changes=changes)

    def alert_of(self, tenant: str, number: int) -> Alert:
        """The alert, as it came in."""
        given = {"source": "test", "source_id": str(number), "title": "slow", "symptom": Symptom(service="front"), **self.alert}
        return Alert.model_validate({"tenant": tenant, "detected_at": DETECTED, "window_end": END, **given})


def _levels(level: float, rng: np.random.Generator, *, raised: bool) -> np.typing.NDArray[np.float64]:
    values = level * (1 + 0.1 * rng.standard_normal(60))
    values[-4:] *= 4 if raised else 1
    return np.asarray(values, dtype=np.float64)


Put = Callable[[Incident, Sequence[str]], None]


def _log_line(incident: Incident, texts: Sequence[str]) -> None:
    incident.made.lines += [Line(_moment(n), BLAMED, "ERROR", text) for n, text in enumerate(texts)]


def _trace_of_line(incident: Incident, texts: Sequence[str]) -> None:
    """Lines that belong to requests which failed."""
    failed = [span for span in incident.made.spans if span.service == BLAMED and span.failed]
    hosts = [failed[n % len(failed)] for n in range(len(texts))]
    incident.made.lines += [
        Line(host.start, BLAMED, "ERROR", text, host.trace_id, host.span_id) for host, text in zip(hosts, texts, strict=True)
    ]


def _span_name(incident: Incident, texts: Sequence[str]) -> None:
    incident.made.spans += [
        Span(f"{n:032x}", f"{n:016x}", "", BLAMED, text, _moment(n), 80.0, True) for n, text in enumerate(texts)
    ]


def _service_name(incident: Incident, texts: Sequence[str]) -> None:
    incident.made.spans += [
        Span(f"{n:032x}", f"{n:016x}", "", text[:256], "GET /", _moment(n), 80.0, True) for n, text in enumerate(texts)
    ]
    rng = np.random.default_rng(2)
    incident.series += [Series(text[:256], "cpu", _levels(20.0, rng, raised=True), "%") for text in texts]


def _metric_name(incident: Incident, texts: Sequence[str]) -> None:
    rng = np.random.default_rng(3)
    incident.series += [Series(BLAMED, text, _levels(20.0, rng, raised=True), "%") for text in texts]


def _metric_attribute(incident: Incident, texts: Sequence[str]) -> None:
    rng = np.random.default_rng(4)
    incident.series += [
        Series(BLAMED, "cpu", _levels(20.0, rng, raised=True), "%", instance=text, attributes={"host.name": text}) for text in texts
    ]


def _elsewhere(texts: Sequence[str]) -> Rows:
    """Changes of services that nobody blames, before the one that is."""
    return [(-3.0 - n / 100, ASIDE[n % len(ASIDE)], "deploy", str(n)) for n in range(len(texts))]


def _deploy_description(incident: Incident, texts: Sequence[str]) -> None:
    incident.rows += _elsewhere(texts)
    incident.descriptions = texts


def _deploy_actor(incident: Incident, texts: Sequence[str]) -> None:
    incident.rows += _elsewhere(texts)
    incident.actors = texts


def _deploy_version(incident: Incident, texts: Sequence[str]) -> None:
    rows = [(minutes, service, kind, text) for (minutes, service, kind, _), text in zip(_elsewhere(texts), texts, strict=True)]
    incident.rows = [*rows, (-2.5, BLAMED, "deploy", texts[0])]


def _deploy_kind(incident: Incident, texts: Sequence[str]) -> None:
    incident.rows += [
        (minutes, service, text, version) for (minutes, service, _, version), text in zip(_elsewhere(texts), texts, strict=True)
    ]


def _flag(incident: Incident, texts: Sequence[str]) -> None:
    """A flag of the blamed service was switched instead, with a text about it."""
    incident.rows = [(-2.5, BLAMED, "flag", "new_basket"), *_elsewhere(texts)]
    incident.descriptions = texts


def _span_attribute(incident: Incident, texts: Sequence[str]) -> None:
    incident.unread = texts


def _alert(**names: int) -> Put:
    def put(incident: Incident, texts: Sequence[str]) -> None:
        incident.alert = {name: texts[0][:length] for name, length in names.items()}

    return put


def _symptom(incident: Incident, texts: Sequence[str]) -> None:
    incident.alert = {"symptom": Symptom(service="front", metric=texts[0][:512])}


TELEMETRY: Mapping[str, Put] = {
    "log line": _log_line,
    "log line of a request": _trace_of_line,
    "span name": _span_name,
    "span attribute": _span_attribute,
    "service name": _service_name,
    "metric name": _metric_name,
    "metric attribute": _metric_attribute,
    "deploy description": _deploy_description,
    "deploy version": _deploy_version,
    "deploy kind": _deploy_kind,
    "deploy actor": _deploy_actor,
    "flag description": _flag,
}
"""One investigation reads many texts in each of these."""
ALERT: Mapping[str, Put] = {
    "alert title": _alert(title=1024),
    "alert id": _alert(source_id=256),
    "alert metric": _symptom,
}
"""An alert has one text in each of these."""
PLACES: Mapping[str, Put] = {**TELEMETRY, **ALERT}


def _moment(number: int) -> datetime:
    return BEGAN + timedelta(seconds=number % 150, milliseconds=number)
