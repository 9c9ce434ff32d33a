"""Invariants: an effect that every change of a service has clears it, and so do older instances that fare no better."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from middlewatch.tools.change_comparison import ServiceMetrics
from middlewatch.tools.change_records import Change
from tests.unit.tools.synthetic_changes import change
from tests.unit.tools.synthetic_telemetry import Metrics, Series, brief, sources

STEPS = 180
SAMPLES = np.arange(STEPS) - (STEPS - 1)
"""Minutes after the detection, of each sample."""
NOW = change(-3)


def latency(instance: str = "a", *, jumps: tuple[float, ...] = (), since: float = -999, until: float = 999) -> Series:
    """50 ms, and 200 ms for five minutes from each jump on; only there from `since` to `until`."""
    values: NDArray[np.float64] = 50.0 * np.random.default_rng(len(instance)).uniform(0.9, 1.1, STEPS)
    for jump in jumps:
        values[(jump <= SAMPLES) & (jump + 5 > SAMPLES)] *= 4
    values[(since > SAMPLES) | (until < SAMPLES)] = np.nan
    return Series("pricing", "latency", values, "ms", instance=instance)


def metrics(*series: Series) -> ServiceMetrics:
    found = ServiceMetrics.of(sources(Metrics(series)), brief(), "pricing")
    assert found is not None
    return found


def earlier(*minutes: float) -> list[Change]:
    return [change(m) for m in minutes]


def test_a_service_without_metrics_cannot_be_compared() -> None:
    assert ServiceMetrics.of(sources(Metrics([Series("web", "latency", np.ones(9))])), brief(), "pricing") is None


def test_what_every_deploy_does_clears_the_latest() -> None:
    habitual = metrics(latency(jumps=(-120, -80, -40, -3)))
    assert habitual.usual_effect(NOW, earlier(-120, -80, -40)) == (
        '"latency" deviated as much after 3 of its 3 earlier ones, without harm'
    )
    assert habitual.usual_effect(NOW, earlier(-120)) == ""


def test_what_only_the_latest_does_clears_nobody() -> None:
    assert metrics(latency(jumps=(-3,))).usual_effect(NOW, earlier(-120, -80, -40)) == ""
    assert metrics(latency(jumps=(-120, -3))).usual_effect(NOW, earlier(-120, -80, -40)) == ""


def test_where_nothing_deviates_there_is_nothing_to_be_usual() -> None:
    assert metrics(latency()).usual_effect(NOW, earlier(-120, -80, -40)) == ""


def test_an_earlier_change_whose_aftermath_is_the_incident_itself_is_not_compared() -> None:
    assert metrics(latency(jumps=(-3,))).usual_effect(NOW, earlier(-5, -4)) == ""


def test_old_instances_that_fare_no_better_clear_a_deploy() -> None:
    canary = metrics(latency("old", jumps=(-3,)), latency("new1", jumps=(-3,), since=-3)).instances(NOW)
    assert canary is not None
    assert (canary.old, canary.new) == (("old",), ("new1",))
    assert canary.alike == 'what runs since before it, "old", fares no better by "latency"'
    assert canary.only_new == ""


def test_new_instances_that_alone_are_affected_confirm_it() -> None:
    canary = metrics(latency("old"), latency("new1", jumps=(-3,), since=-3)).instances(NOW)
    assert canary is not None
    assert canary.alike == ""
    assert canary.only_new == 'by "latency" only what is new with it is affected, "new1" and not "old"'


def test_instances_that_nothing_happens_to_say_nothing() -> None:
    canary = metrics(latency("old"), latency("new1", since=-3)).instances(NOW)
    assert canary is not None
    assert (canary.alike, canary.only_new) == ("", "")


@pytest.mark.parametrize(
    "series",
    [
        (latency("old", jumps=(-3,)),),
        (latency("old", until=-3), latency("new1", jumps=(-3,), since=-3)),
        (latency("old", jumps=(-3,), until=-1), latency("new1", jumps=(-3,), since=-3)),  # replaced meanwhile
        (latency("old", jumps=(-3,)), latency("older", since=-30)),
    ],
)
def test_there_is_no_comparison_without_old_and_new_at_the_same_time(series: tuple[Series, ...]) -> None:
    assert metrics(*series).instances(NOW) is None
