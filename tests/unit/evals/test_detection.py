"""Invariant: the alert fires on the metrics of its objectives alone, and only when one stayed over its limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from middlewatch.evals.lab.detection import AlertRule, Objective
from middlewatch.evals.lab.measurements import OLDEST_MAIL, SERVER_ERROR_RATIO, SERVER_P99, Measurement

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
RULE = AlertRule(
    (
        Objective("gateway", SERVER_P99, 0.2),
        Objective("gateway", SERVER_ERROR_RATIO, 0.05),
        Objective("notifications", OLDEST_MAIL, 20.0),
    ),
    hold_seconds=30.0,
    missed_share=1.0,
)


def rows(
    values: list[float], *, metric: str = SERVER_P99, service: str = "gateway", step_seconds: float = 5.0
) -> list[Measurement]:
    return [
        Measurement(START + timedelta(seconds=step_seconds * number), service, f"{service}-1", metric, "s", value)
        for number, value in enumerate(values)
    ]


def test_it_fires_when_the_metric_was_over_its_threshold_for_the_whole_time() -> None:
    detection = RULE.first(rows([0.1] * 4 + [0.3] * 10))
    assert detection is not None
    assert detection.objective.missed == "gateway: http.server.request.duration.p99 over 0.2"
    assert detection.at == START + timedelta(seconds=4 * 5 + 30)


def test_one_good_sample_starts_the_time_again() -> None:
    assert RULE.first(rows(([0.3] * 6 + [0.2]) * 5)) is None


def test_other_services_do_not_fire_it() -> None:
    assert RULE.first(rows([9.0] * 20, service="checkout")) is None


def test_each_service_is_held_to_its_own_objectives() -> None:
    assert RULE.first(rows([9.0] * 20, service="notifications")) is None
    detection = RULE.first(rows([25.0] * 20, metric=OLDEST_MAIL, service="notifications"))
    assert detection is not None
    assert detection.objective.service == "notifications"


def test_the_metric_that_was_over_first_is_named() -> None:
    slow = rows([0.1] * 6 + [0.9] * 14)
    failing = rows([0.0] * 4 + [0.5] * 16, metric=SERVER_ERROR_RATIO)
    detection = RULE.first([*slow, *failing])
    assert detection is not None
    assert detection.objective.metric == SERVER_ERROR_RATIO


def test_the_order_of_the_rows_does_not_matter() -> None:
    samples = rows([0.1] * 4 + [0.3] * 10)
    assert RULE.first(samples[::-1]) == RULE.first(samples)


LENIENT = AlertRule(RULE.objectives, hold_seconds=20.0, missed_share=0.6)


def test_where_few_requests_come_most_samples_of_the_time_are_enough() -> None:
    detection = LENIENT.first(rows([0.1] * 4 + [0.3, 0.3, 0.1, 0.3, 0.3, 0.3]))
    assert detection is not None
    assert detection.at == START + timedelta(seconds=4 * 5 + 20)
    assert LENIENT.first(rows([0.1] * 4 + [0.3, 0.1, 0.1] * 6)) is None


def test_one_sample_that_was_missed_is_forgotten_with_time() -> None:
    assert LENIENT.first(rows([0.3] + [0.1] * 9 + [0.3] + [0.1] * 9)) is None
