"""Invariants: what moves with the symptom counts, the symptom's own service is not its own proof, and other voices fade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from middlewatch.records import Edge, Symptom
from middlewatch.tools.baseline import Floats
from middlewatch.tools.metric_deviations import measure
from middlewatch.tools.metric_scores import Unit, Voice, units_of
from middlewatch.tools.metric_series import SeriesMatrix, load_series
from middlewatch.tools.metric_symptom import FULL_NATS, UNRELATED_SHARE, co_moving, felt_shares, symptom_as_usual, symptom_rarity
from tests.unit.tools.synthetic_telemetry import Metrics, Series, brief, sources

STEPS = 100
WAVE = np.array([1.0, 4.0, 2.0, 6.0, 3.0, 5.0])
SYMPTOM = Symptom(service="auth", metric="latency")


def series(service: str, tail: Floats, *, metric: str = "latency", unit: str = "ms") -> Series:
    return Series(service, metric, np.append(np.random.default_rng(len(service)).uniform(0.9, 1.1, STEPS - 6), tail), unit)


def weighed(
    *held: Series, symptom: Symptom = SYMPTOM, amounts: Mapping[str, Floats] = MappingProxyType({})
) -> tuple[dict[tuple[str, str], float], Mapping[Voice, float]] | None:
    """The evidence by service and metric after a weighing that starts from 1 nat for everything.

    Args:
        held: the series.
        symptom: the alarming metric.
        amounts: the end of the excess of services where it is counted.
    """
    units, matrix = _units(*held)
    excess = np.full((len(units), matrix.axis.steps), np.nan)
    for index, unit in enumerate(units):
        if unit.service in amounts:
            excess[index] = 0.0
            excess[index, -len(amounts[unit.service]) :] = amounts[unit.service]
    found = co_moving(units, np.ones(len(units)), excess, matrix, measure(matrix, brief()), symptom)
    if found is None:
        return None
    return {(u.service, u.group[0]): float(v) for u, v in zip(units, found[0], strict=True)}, found[1]


def _units(*held: Series) -> tuple[tuple[Unit, ...], SeriesMatrix]:
    loaded = load_series(sources(Metrics(held)), brief())
    assert isinstance(loaded, SeriesMatrix)
    return units_of(loaded.labels, measure(loaded, brief()).families), loaded


def test_a_service_that_moves_exactly_with_the_symptom_beats_the_symptoms_own() -> None:
    found = weighed(series("auth", WAVE), series("web", 3 * WAVE - 2), series("mail", 2 - WAVE))
    assert found is not None
    nats, others = found
    assert nats["web", "latency"] > 0.6 * FULL_NATS
    assert nats["mail", "latency"] == 0.0
    assert 0.0 < nats["auth", "latency"] < 0.3 * FULL_NATS
    assert set(others) == {Voice.LOCAL, Voice.FAILURES}
    assert max(others.values()) < 0.5


def test_the_service_whose_resource_alarms_is_its_own_proof() -> None:
    memory = series("auth", 30 * WAVE, metric="process.memory.usage", unit="By")
    found = weighed(memory, series("web", WAVE), symptom=Symptom(service="auth", metric="process.memory.usage"))
    assert found is not None
    assert found[0]["auth", "process.memory.usage"] == pytest.approx(FULL_NATS)
    assert found[0]["web", "latency"] < FULL_NATS


def test_of_two_that_move_alike_the_one_that_adds_enough_explains_the_symptom() -> None:
    held = [series(service, WAVE) for service in ("auth", "web", "proxy")]
    alike = weighed(*held)
    counted = weighed(*held, amounts={"auth": WAVE, "web": 1.5 * WAVE, "proxy": 0.3 * WAVE})
    assert alike is not None
    assert counted is not None
    assert alike[0]["proxy", "latency"] == pytest.approx(alike[0]["web", "latency"], rel=0.2)
    assert counted[0]["web", "latency"] == pytest.approx(FULL_NATS)
    assert counted[0]["proxy", "latency"] < 0.4 * FULL_NATS


def test_a_services_own_series_of_the_alarming_metric_speaks_for_its_voice() -> None:
    found = weighed(series("auth", WAVE), series("web", 3 * WAVE - 2), series("web", 2 - WAVE, metric="queue"))
    assert found is not None
    assert found[0]["web", "queue"] == found[0]["web", "latency"] > 0.6 * FULL_NATS


def test_metrics_of_another_voice_keep_what_moves_with_the_symptom_either_way() -> None:
    flat = np.ones(6)
    flat[0] = 0.9
    tails = {"web": 3 * WAVE, "mail": 2 - WAVE, "pay": flat}
    found = weighed(series("auth", WAVE), *(series(s, tail, metric="cpu", unit="%") for s, tail in tails.items()))
    assert found is not None
    assert found[0]["web", "cpu"] > 0.8
    assert found[0]["mail", "cpu"] > 0.8
    assert found[0]["pay", "cpu"] < 0.5


def test_a_symptom_in_saturation_turns_no_other_voice_down() -> None:
    cpu = Symptom(service="auth", metric="cpu")
    found = weighed(series("auth", WAVE, metric="cpu", unit="%"), series("web", 2 - WAVE), symptom=cpu)
    assert found is not None
    assert found[0]["web", "latency"] == 1.0
    assert found[1] == {}


def test_an_unknown_alarming_metric_is_no_help() -> None:
    assert weighed(series("auth", WAVE), symptom=Symptom(service="auth")) is None
    assert weighed(series("auth", WAVE), symptom=Symptom(service="web", metric="latency")) is None


def test_fewer_than_four_common_samples_show_no_correlation() -> None:
    held = series("web", WAVE)
    gappy = replace(held, values=np.where(np.arange(STEPS) % 5 == 0, held.values, np.nan))
    other = series("auth", WAVE)
    sparse = replace(other, values=np.where(np.arange(STEPS) % 5 == 2, other.values, np.nan))
    found = weighed(sparse, gappy, *(series(f"s{i}", WAVE) for i in range(3)))
    assert found is not None
    assert found[0]["web", "latency"] == 0.0


def test_a_symptom_without_enough_history_has_no_rarity() -> None:
    held = series("auth", WAVE)
    young = replace(held, values=np.where(np.arange(STEPS) >= STEPS - 20, held.values, np.nan))
    older = [series("web", WAVE)]
    for candidate, known in ((held, True), (young, False)):
        units, matrix = _units(candidate, *older)
        assert (symptom_rarity(units, matrix, measure(matrix, brief()), SYMPTOM) is not None) == known


def test_slowness_where_no_request_passes_is_felt_by_nobody_but_saturation_may_be() -> None:
    units, _ = _units(series("web", WAVE), series("idle", WAVE), series("idle", WAVE, metric="disk", unit="By"))
    kept = {
        (u.service, u.group[0]): float(s)
        for u, s in zip(units, felt_shares(units, [Edge(caller="web", callee="db")])[:, 0], strict=True)
    }
    assert kept == {("web", "latency"): 1.0, ("idle", "latency"): UNRELATED_SHARE, ("idle", "disk"): 1.0}
    assert (felt_shares(units, []) == 1.0).all(), "without a map nobody is known to be idle"


@pytest.mark.parametrize(("tail", "usual"), [(np.ones(6), True), (WAVE, False), (np.full(6, np.nan), False)])
def test_an_alarming_metric_that_does_not_deviate_is_as_usual_where_it_is_seen(tail: Floats, usual: bool) -> None:  # noqa: FBT001
    units, matrix = _units(series("auth", tail))
    assert symptom_as_usual(units, matrix, measure(matrix, brief()), SYMPTOM) is usual
    assert not symptom_as_usual(units, matrix, measure(matrix, brief()), Symptom(service="auth", metric="other"))
    assert not symptom_as_usual(units, matrix, measure(matrix, brief()), None)
