"""Invariants: what comes first in a request gets the credit, a missing line too; what other requests show alone stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from middlewatch.records import Window
from middlewatch.tools.log_order import unexplained
from middlewatch.tools.log_requests import Requests
from middlewatch.tools.timeline import Question, Timeline

START = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
TIME = pa.timestamp("us", tz="UTC")
SIZE, ONSET = 120, 108
Span = tuple[str, float, float, dict[str, float]]
"""Service, beginning and end in ms after that of its request, and its lines with theirs."""


def counted(
    normal: list[Span], faulty: list[Span], *, severe: frozenset[str] = frozenset(), failing: list[Span] | None = None
) -> Requests:
    """Three requests in every bucket: normal ones before the onset, two of three of them `failing`, and faulty ones after it."""
    rows = []
    for number in range(3 * SIZE):
        began = START + timedelta(seconds=5 * number)
        before = failing if failing and number % 3 else normal
        spans = before if number // 3 < ONSET else faulty
        rows += [
            {
                "trace": number,
                "service": service,
                "operation": f"GET /{service}",
                "began": began + timedelta(milliseconds=first),
                "ended": began + timedelta(milliseconds=last),
                "patterns": list(lines),
                "times": [began + timedelta(milliseconds=at) for at in lines.values()],
            }
            for service, first, last, lines in spans
        ]
    schema = {"trace": pa.uint64(), "service": pa.string(), "operation": pa.string(), "began": TIME, "ended": TIME}
    types = schema | {"patterns": pa.list_(pa.string()), "times": pa.list_(TIME)}
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))
    names = sorted({(service, text) for service, _, _, lines in normal + faulty + (failing or []) for text in lines})
    timeline = Timeline(
        window=Window(start=START, end=START + timedelta(seconds=15 * SIZE)),
        size=SIZE,
        hidden=np.zeros(SIZE, dtype=bool),
        question=Question((ONSET,), SIZE),
    )
    bad = np.array([text in severe for _, text in names], dtype=bool)
    return Requests.of(table, {name: i for i, name in enumerate(names)}, bad, np.zeros(SIZE, dtype=bool), timeline)


def credit(requests: Requests) -> dict[str, float]:
    """The strongest unexplained evidence of each service."""
    bound = unexplained(requests, requests.change(ONSET, SIZE), ONSET, SIZE)
    found = {run.service: 0.0 for run in requests.runs}
    for key, nats in zip(requests.key_run.tolist(), bound.tolist(), strict=True):
        found[requests.runs[key].service] = max(found[requests.runs[key].service], nats)
    return found


CALLER: Span = ("caller", 0, 100, {"begin": 1, "end": 99})
CALLEE: Span = ("callee", 20, 60, {"read": 21, "done": 59})


def test_what_comes_first_explains_what_follows_in_another_service() -> None:
    faulty: list[Span] = [("caller", 0, 100, {"begin": 1, "gave up": 98}), ("callee", 20, 60, {"read": 21, "refused": 40})]
    found = credit(counted([CALLER, CALLEE], faulty))
    assert found["callee"] > 2.0
    assert found["caller"] < 0.5


def test_a_line_that_is_missing_comes_first_too() -> None:
    faulty: list[Span] = [("caller", 0, 100, {"begin": 1, "gave up": 98}), ("callee", 20, 60, {"read": 21})]
    found = credit(counted([CALLER, CALLEE], faulty))
    assert found["callee"] > 2.0
    assert found["caller"] < 0.5


def test_a_caller_that_deviates_before_it_calls_keeps_the_credit() -> None:
    faulty: list[Span] = [("caller", 0, 100, {"begin": 1, "odd": 5, "end": 99}), ("callee", 20, 60, {"read": 21, "refused": 40})]
    found = credit(counted([CALLER, CALLEE], faulty))
    assert found["caller"] > 2.0
    assert found["callee"] < 0.5


def test_what_a_service_writes_later_is_not_explained_by_itself() -> None:
    faulty: list[Span] = [CALLER, ("callee", 20, 60, {"read": 21, "odd": 30, "odder": 50})]
    requests = counted([CALLER, CALLEE], faulty)
    change = requests.change(ONSET, SIZE)
    assert unexplained(requests, change, ONSET, SIZE) == pytest.approx(change.bound)


def test_requests_without_the_first_deviation_still_speak_for_the_second() -> None:
    both: list[Span] = [("caller", 0, 100, {"begin": 1, "late": 98}), ("callee", 20, 60, {"read": 21, "odd": 40})]
    alone = counted([CALLER, CALLEE], [("caller", 0, 100, {"begin": 1, "late": 98}), CALLEE])
    assert credit(alone)["caller"] > 2.0
    assert credit(counted([CALLER, CALLEE], both))["caller"] < 0.25 * credit(alone)["caller"]


def test_requests_that_no_longer_fail_bring_back_lines_and_that_is_no_deviation() -> None:
    broken: list[Span] = [("caller", 0, 100, {"begin": 1, "error": 50})]
    every_third = counted([CALLER], [CALLER], severe=frozenset({"error"}), failing=broken)
    assert set(credit(every_third).values()) == {0.0}
    unknown = counted([CALLER], [CALLER], failing=broken)
    assert credit(unknown)["caller"] > 0.5, "it would be one if the failures were not known for what they are"


def test_that_failing_requests_lacked_a_line_excuses_no_sound_one_that_lacks_it() -> None:
    broken: list[Span] = [("caller", 0, 100, {"begin": 1, "error": 50})]
    found = counted([CALLER], [("caller", 0, 100, {"begin": 1})], severe=frozenset({"error"}), failing=broken)
    change = found.change(ONSET, SIZE)
    end = int(np.argmax(change.bound))
    assert change.bound[end] > 2.0
    assert change.among_sound[end]
    assert (change.before[end], change.after[end]) == pytest.approx((1.0, 0.0))
    assert credit(found)["caller"] > 2.0


def test_nothing_deviates_in_a_quiet_system() -> None:
    assert credit(counted([CALLER, CALLEE], [CALLER, CALLEE])) == {"caller": 0.0, "callee": 0.0}
