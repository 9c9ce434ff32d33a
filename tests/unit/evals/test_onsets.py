"""Invariant: an onset counts as right where the fault was done inside its interval, and only of a service that was found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from middlewatch.evals.labels import Label
from middlewatch.evals.onsets import onsets_page
from middlewatch.records import Onset, Prediction

BEGAN = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
LABELS = {"i": (Label(incident="i", root_cause_service="cart", started_at=BEGAN),)}


def predicted(late: float, *, service: str = "cart", wide: float = 20.0) -> Prediction:
    at = BEGAN + timedelta(seconds=late)
    around = timedelta(seconds=wide / 2)
    onset = Onset(at=at, earliest=at - around, latest=at + around)
    return Prediction(incident="i", ranking=(), confidence=0.9, inconclusive=False, seconds=1.0, causes=(service,), onset=onset)


@pytest.mark.parametrize(("late", "inside"), [(0, 1), (-10, 1), (10.9, 1), (-12, 0), (40, 0)])
def test_the_moment_lies_inside_or_not(late: float, inside: int) -> None:
    page = onsets_page([predicted(late)], LABELS)
    assert page.startswith(f"Of 1 findings with a right service and an onset, {inside} have")
    assert f"20 s wide and the best estimate {abs(late):.0f} s off" in page


def test_the_worst_miss_is_told() -> None:
    assert "misses by 29 s" in onsets_page([predicted(0), predicted(40)], LABELS)


def test_other_services_and_missing_moments_do_not_count() -> None:
    assert onsets_page([predicted(0, service="shop")], LABELS).startswith("No finding")
    assert onsets_page([predicted(0)], {"i": (Label(incident="i", root_cause_service="cart"),)}).startswith("No finding")
