"""What users notice: shares of the requests since the detection, each of them counted once, and nothing said of too few."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import UtcDatetime, Window
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.impact import BEFORE, LEAST_REQUESTS, MOST_ENTRIES, SLOWER, impact
from tests.alert_data import NOON

NOW = NOON + timedelta(minutes=5)
Asked = tuple[float, bool]
"""A request: how long it took in ms, and whether it failed."""


@dataclass
class Requests:
    """Counts requests per service and minute, as the telemetry does."""

    made: dict[str, list[tuple[UtcDatetime, Asked]]]
    windows: list[Window] = field(default_factory=list)

    def served(self, window: Window, *, step_seconds: int, services: list[str], limits_ms: tuple[float, ...] = ()) -> pa.Table:
        self.windows.append(window)
        (service,) = services
        steps: dict[int, list[Asked]] = {}
        for time, one in self.made.get(service, []):
            if window.start <= time < window.end:
                steps.setdefault(int((time - window.start).total_seconds() // step_seconds), []).append(one)
        rows = [
            {
                "count": len(some),
                "errors": sum(failed for _, failed in some),
                "within": [sum(ms <= limit for ms, _ in some) for limit in limits_ms],
                "errors_within": [sum(failed and ms <= limit for ms, failed in some) for limit in limits_ms],
                "p99_ms": sorted(ms for ms, _ in some)[int(0.99 * (len(some) - 1))],
            }
            for some in steps.values()
        ]
        return pa.Table.from_pylist(rows)


def felt(before: list[Asked], since: list[Asked], service: str = "gateway") -> dict[str, list[tuple[UtcDatetime, Asked]]]:
    """Requests to one service, spread over the hour before the detection and the five minutes after."""
    hour, minutes = BEFORE / max(1, len(before)), (NOW - NOON) / max(1, len(since))
    spread = [(NOON - BEFORE + number * hour, one) for number, one in enumerate(before)]
    return {service: spread + [(NOON + number * minutes, one) for number, one in enumerate(since)]}


def look(made: dict[str, list[tuple[UtcDatetime, Asked]]], entries: list[str] | None = None) -> Any:
    sources = cast("Sources", SimpleNamespace(traces=Requests(made)))
    return impact(sources, entries or list(made), NOON, NOW)


USUAL: list[Asked] = [(10.0, False)] * 600


@pytest.mark.parametrize(
    ("since", "failing", "slow"),
    [
        ([(10.0, False)] * 100, 0.0, 0.0),
        ([(10.0, False)] * 70 + [(10.0, True)] * 30, 0.3, 0.0),
        ([(10.0, False)] * 70 + [(100.0, False)] * 30, 0.0, 0.29),
        ([(10.0, False)] * 70 + [(3000.0, True)] * 30, 0.3, 0.0),
        ([(100.0, True)] * 100, 1.0, 0.0),
        ([(100.0, False)] * 100, 0.0, 0.99),
        ([(10.0 * SLOWER, False)] * 100, 0.0, 0.0),
    ],
    ids=["well", "fails", "slow", "times out, which is no slow answer", "all fail", "all are slow", "just not slow"],
)
def test_shares_of_what_failed_and_of_what_was_slow(since: list[Asked], failing: float, slow: float) -> None:
    found = look(felt(USUAL, since))
    assert (found.services, found.requests) == (("gateway",), 100)
    assert (found.failing, found.slow) == (pytest.approx(failing), pytest.approx(slow, abs=1e-9))


ONE = st.tuples(st.floats(0.1, 1e4), st.booleans())
REQUESTS = st.lists(ONE, max_size=80)


@given(REQUESTS, REQUESTS)
def test_no_request_counts_twice_and_too_few_say_nothing(before: list[Asked], since: list[Asked]) -> None:
    found = look(felt(before, since))
    assert (found is None) == (len(since) < LEAST_REQUESTS)
    if found is not None:
        assert 0 <= found.failing <= 1
        assert 0 <= found.slow <= 1
        assert found.failing + found.slow <= 1 + 1e-9
        assert found.failing == pytest.approx(sum(failed for _, failed in since) / len(since))


@given(st.lists(ONE, min_size=LEAST_REQUESTS, max_size=80), st.integers(0, 79))
def test_one_more_that_fails_is_never_less_impact(since: list[Asked], which: int) -> None:
    well, worse = look(felt(USUAL, since)), list(since)
    worse[which % len(since)] = (worse[which % len(since)][0], True)
    bad = look(felt(USUAL, worse))
    assert bad.failing >= well.failing
    assert bad.failing + bad.slow >= well.failing + well.slow - 1e-9


def test_what_is_new_is_not_called_slow() -> None:
    found = look(felt([], [(1e4, False)] * 100))
    assert (found.failing, found.slow) == (0.0, 0.0)


def test_a_bad_minute_before_is_not_what_is_usual() -> None:
    before = [*[(10.0, False)] * 590, *[(5000.0, False)] * 10]
    assert look(felt(before, [(1000.0, False)] * 100)).slow == pytest.approx(0.99)


def test_entries_count_by_their_requests_and_silent_ones_are_not_named() -> None:
    made = felt(USUAL, [(10.0, True)] * 30) | felt(USUAL, [(10.0, False)] * 90, "web") | {"silent": []}
    found = look(made)
    assert (found.services, found.requests, found.failing) == (("gateway", "web"), 120, 0.25)


def test_nothing_is_read_past_now_and_of_many_entries_only_some() -> None:
    traces = Requests({f"entry-{number:02}": [] for number in range(MOST_ENTRIES + 5)})
    assert impact(cast("Sources", SimpleNamespace(traces=traces)), list(traces.made), NOON, NOW) is None
    assert len(traces.windows) == 2 * MOST_ENTRIES
    assert {(one.start, one.end) for one in traces.windows} == {(NOON - BEFORE, NOON), (NOON, NOW)}
