"""Invariant: metrics and changes in ClickHouse are assessed as in memory, and what comes after the window is not read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from middlewatch.records import Scope, Symptom
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.recordings import import_recording
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.deploys import assess_deploys
from middlewatch.tools.metrics import assess_metrics
from middlewatch.tools.service_map import service_map
from tests.telemetry_data import Row, write_recording
from tests.unit.tools.synthetic_telemetry import DETECTED, END, Calls, Changes, Metrics, Series, brief, sources

STEPS = 90
AFTER = 4
SERVICES = ("cart", "db", "pay", "web")
CALLS = (("cart", "db"), ("web", "cart"), ("web", "pay"))
DEPLOYS = ((-4.0, "pay", "deploy", "1.4.2"), (-70.0, "db", "deploy", "9"), (0.5, "web", "flag", ""), (3.0, "cart", "deploy", "7"))


def shop() -> list[Series]:
    """Latency, saturation and calls of four services. `pay` saturates in the incident, everything breaks after the window."""
    rng = np.random.default_rng(0)

    def course(level: float, factor: float = 1.0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        values = level * (1 + 0.05 * rng.standard_normal(STEPS + AFTER))
        values[STEPS - 4 : STEPS] *= factor
        values[STEPS:] *= 1000
        return values

    series = [Series(s, "cpu", course(20.0, 4.0 if s == "pay" else 1.0), "%", after_end=AFTER) for s in SERVICES]
    series += [Series(s, "latency", course(50.0, 2.0 if s in {"pay", "web"} else 1.0), "ms", after_end=AFTER) for s in SERVICES]
    series += [Series(a, "calls", course(40.0), "ms", attributes={"to": b}, after_end=AFTER) for a, b in CALLS]
    return series


def rows(series: Sequence[Series], after: int = AFTER) -> list[Row]:
    last = END + timedelta(minutes=after - 1)
    return [
        {
            "time": last - timedelta(minutes=s.values.size - 1 - i),
            "service": s.service,
            "instance": s.instance,
            "metric": s.metric,
            "unit": s.unit,
            "value": float(value),
            "attributes": dict(s.attributes),
        }
        for s in series
        for i, value in enumerate(s.values)
    ]


@pytest.fixture
def stored(clickhouse: ClickHouse, tenant: str, tmp_path: Path) -> Sources:
    folder = write_recording(
        tmp_path / "shop",
        metrics=rows(shop()),
        changes=[
            {
                "time": DETECTED + timedelta(minutes=minutes),
                "service": service,
                "kind": kind,
                "version": version,
                "actor": "somebody",
                "description": "a change",
            }
            for minutes, service, kind, version in DEPLOYS
        ],
        topology=[{"caller": caller, "callee": callee} for caller, callee in CALLS],
        incidents=[{"detected_at": DETECTED, "window_end": END}],
        info={"start": END - timedelta(minutes=STEPS), "end": END + timedelta(minutes=AFTER)},
    )
    recording = import_recording(clickhouse, tenant, folder).name
    return clickhouse.sources(Scope(tenant=tenant, recording=recording), END)


@pytest.fixture
def in_memory() -> Sources:
    return sources(Metrics(shop()), Calls(CALLS), Changes(DEPLOYS))


def test_metrics_are_assessed_alike(stored: Sources, in_memory: Sources) -> None:
    asked = brief(symptom=Symptom(service="web", metric="latency"))
    found, expected = assess_metrics(stored, asked), assess_metrics(in_memory, asked)
    assert max(found.scores, key=lambda s: found.scores[s]) == "pay"
    assert found.scores == {service: pytest.approx(score) for service, score in expected.scores.items()}
    assert found.usual_tops == pytest.approx(expected.usual_tops)
    assert found.symptom_rarity == expected.symptom_rarity
    assert found.edges == expected.edges
    assert [(a.summary, a.onset) for a in found.anomalies] == [(a.summary, a.onset) for a in expected.anomalies]
    assert found.anomalies[0].query.text


def test_changes_are_assessed_alike(stored: Sources, in_memory: Sources) -> None:
    asked = brief(symptom=Symptom(service="web", metric="latency"))
    metrics_alone = {"metrics": assess_metrics}
    found, expected = (assess_deploys(each, asked, metrics_alone) for each in (stored, in_memory))
    assert (found.scores, found.cleared) == (expected.scores, expected.cleared)
    assert [(a.summary, a.samples) for a in found.anomalies] == [(a.summary, a.samples) for a in expected.anomalies]
    assert found.scores["pay"] > 0


def test_the_declared_map_is_read(stored: Sources) -> None:
    assert tuple((e.caller, e.callee) for e in service_map(stored, brief().incident)) == CALLS


def test_what_happens_every_night_is_usual_in_the_store_too(clickhouse: ClickHouse, tenant: str, tmp_path: Path) -> None:
    """`db` has a job every night, and `pay` shows the same tonight only."""
    night, nights = 24 * 60, 4
    rng = np.random.default_rng(0)
    held = [Series(s, "cpu", 20 * (1 + 0.05 * rng.standard_normal(nights * night)), "%") for s in SERVICES]
    for back in range(nights):
        end = nights * night - back * night
        for series in held:
            series.values[max(0, end - 5) : end] *= 4.0 if series.service == "db" or (series.service == "pay" and not back) else 1.0
    folder = write_recording(
        tmp_path / "nights",
        metrics=rows(held, after=0),
        incidents=[{"detected_at": DETECTED, "window_end": END}],
        info={"start": END - timedelta(days=nights), "end": END},
    )
    stored = clickhouse.sources(Scope(tenant=tenant, recording=import_recording(clickhouse, tenant, folder).name), END)
    found = assess_metrics(stored, brief(hours=24))
    assert found.scores == {s: pytest.approx(v) for s, v in assess_metrics(sources(Metrics(held)), brief(hours=24)).scores.items()}
    assert found.scores["db"] < 0.2 * found.scores["pay"]
    (said,) = found.cleared
    assert said.endswith("as it usually does at this time of the day (on 3 of 3 days before)")
