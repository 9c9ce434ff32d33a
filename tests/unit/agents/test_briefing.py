"""A round's incident and baseline touch, the second looks wider, and neither reaches back into what is known to be over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from middlewatch.agents.briefing import LEAD_SECONDS, ROUNDS, WIDER_LEAD_SECONDS, History, brief
from middlewatch.records import Alert, Investigation, Scope, Window
from middlewatch.tools.timeline import HEALTHY_SECONDS

DETECTED = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def asked(earlier: list[tuple[int, int]], number: int) -> Window:
    known = tuple(
        Window(start=DETECTED + timedelta(seconds=end - length), end=DETECTED + timedelta(seconds=end)) for end, length in earlier
    )
    alert = Alert(
        tenant="acme",
        source="test",
        source_id="1",
        title="slow",
        detected_at=DETECTED,
        window_end=DETECTED + timedelta(minutes=2),
        earlier_incidents=known,
    )
    scope = Scope(tenant="acme")
    found = brief(Investigation(tenant="acme", id="inv-1", scope=scope, alert=alert), number, History())
    assert found.baseline.end == found.incident.start
    assert found.incident.end == alert.window_end
    return found.incident


def lead(earlier: list[tuple[int, int]], number: int) -> float:
    return (DETECTED - asked(earlier, number).start).total_seconds()


def test_without_earlier_incidents_the_second_round_looks_wider() -> None:
    assert (lead([], 1), lead([], 2)) == (LEAD_SECONDS, WIDER_LEAD_SECONDS)


def test_a_known_earlier_incident_is_not_looked_into_again() -> None:
    assert lead([(-500, 300)], 1) == LEAD_SECONDS
    assert lead([(-500, 300), (-2000, 60)], 2) == 500 - HEALTHY_SECONDS
    assert lead([(-90, 300)], 2) == 45


@given(st.lists(st.tuples(st.integers(-4000, 4000), st.integers(1, 900)), max_size=4), st.integers(1, ROUNDS))
def test_no_window_reaches_into_an_incident_that_is_over_nor_into_the_healthy_time_after_it(
    earlier: list[tuple[int, int]], number: int
) -> None:
    kept, over = lead(earlier, number), [-end for end, _ in earlier if end <= 0]
    assert 0 <= kept <= WIDER_LEAD_SECONDS
    assert all(kept <= max(gap / 2, gap - HEALTHY_SECONDS) for gap in over)
