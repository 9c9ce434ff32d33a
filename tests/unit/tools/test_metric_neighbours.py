"""Invariants: whoever's processors others use is told from whoever uses more of them itself, and from whoever has more to do."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import pytest

from middlewatch.records import Anomaly, AnomalyKind, Mechanism
from middlewatch.tools.metrics import assess_metrics
from tests.unit.tools.synthetic_telemetry import Metrics, Series, brief, sources

STEPS = 180
FROM = STEPS - 4


def series(metric: str, level: float, factor: float = 1.0, *, instance: str = "pay-1", service: str = "pay", **more: str) -> Series:
    rng = np.random.default_rng(crc32(f"{metric} {instance} {service} {more}".encode()))
    values = level * (1 + 0.05 * rng.standard_normal(STEPS))
    values[FROM:] *= factor
    unit = {"process.cpu.utilization": "1", "latency": "s"}.get(metric, "{cpu}")
    return Series(service, metric, values, unit, instance=instance, attributes={k.replace("_", "."): v for k, v in more.items()})


def facts(*held: Series) -> Sequence[Anomaly]:
    """What is said of `pay` beside what others show: two instances that answer slowly, one of which is starved."""
    quiet = [
        series(metric, level, instance=f"{service}-{n}", service=service)
        for service in ("auth", "cart", "web", "mail")
        for n in (1, 2)
        for metric, level in (("process.cpu.utilization", 0.1), ("container.cpu.usage", 0.2), ("latency", 0.05))
    ]
    other = [series(m, level, instance="pay-2") for m, level in (("process.cpu.utilization", 0.1), ("container.cpu.usage", 0.2))]
    slow = [series("latency", 0.05, 6.0)]
    found = assess_metrics(sources(Metrics([*quiet, *other, *slow, *held])), brief())
    assert max(found.scores, key=lambda s: found.scores[s]) == "pay"
    return [fact for fact in found.anomalies if fact.service == "pay"]


def test_a_container_that_others_fill_is_a_neighbours_doing() -> None:
    found = facts(series("container.cpu.usage", 0.2, 5.0), series("process.cpu.utilization", 0.1, 0.6))
    (told,) = [fact for fact in found if fact.mechanism is Mechanism.NEIGHBOUR]
    assert (told.kind, told.subject, told.instance) == (AnomalyKind.METRIC, "container.cpu.usage", "pay-1")
    assert told.summary.endswith("; it is others that use its processors")


@pytest.mark.parametrize(
    "held",
    [
        (series("container.cpu.usage", 0.2, 5.0), series("process.cpu.utilization", 0.1, 5.0)),
        (series("container.cpu.usage", 0.2, 5.0), series("process.cpu.utilization", 0.1, 3.5)),
        (series("container.cpu.usage", 0.2, 5.0), series("process.cpu.utilization", 0.1, instance="pay-3")),
        (series("container.cpu.usage", 0.2, 5.0),),
        (series("container.cpu.usage", 0.2, 0.2), series("process.cpu.utilization", 0.1, 0.2)),
        (series("memory", 0.2, 5.0), series("process.cpu.utilization", 0.1)),
    ],
    ids=["all its own", "mostly its own", "of another instance", "unknown", "less is used", "another metric"],
)
def test_nobody_else_is_accused_where_it_uses_more_itself_or_nobody_knows(held: Sequence[Series]) -> None:
    assert {fact.mechanism for fact in facts(*held)} == {None}


def test_the_modes_of_a_processor_are_added_up() -> None:
    """Its own process shifts from one mode to the other, and uses no more in all."""
    modes = [("user", 0.08, 0.1), ("system", 0.02, 4.0)]
    own = [series("process.cpu.time", level, factor, cpu_mode=mode) for mode, level, factor in modes]
    assert Mechanism.NEIGHBOUR in {fact.mechanism for fact in facts(series("container.cpu.usage", 0.2, 5.0), *own)}


@pytest.mark.parametrize(("mode", "accused"), [("steal", True), ("user", False)])
def test_steal_time_is_a_neighbours_doing_by_itself(mode: str, *, accused: bool) -> None:
    found = facts(series("system.cpu.utilization", 0.02, 20.0, cpu_mode=mode))
    assert (Mechanism.NEIGHBOUR in {fact.mechanism for fact in found}) is accused
