"""What every ClickHouse source does alike: scope, horizon, bounds, the query behind the answer, and freshness."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from middlewatch.records import Freshness, Query, Scope, Signal, UtcDatetime, Window
from middlewatch.records.errors import WindowError
from middlewatch.telemetry.conventions import (
    CLOUD_REGION,
    INSTANCE_ATTRIBUTES,
    K8S_CLUSTER_NAME,
    SEVERITY_NAMES,
    SEVERITY_NUMBERS,
)
from middlewatch.telemetry.sources import Answer
from middlewatch.telemetry.statements import statement

SOURCE = "clickhouse"
NANOSECONDS = 1_000_000_000

WATERMARK_WITHIN = timedelta(days=7)
"""How far before the horizon the newest item is looked for; the statements say the same."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VOCABULARY: Mapping[str, object] = {
    "instance_keys": list(INSTANCE_ATTRIBUTES),
    "region_key": CLOUD_REGION,
    "cluster_key": K8S_CLUSTER_NAME,
    "severity_texts": list(SEVERITY_NUMBERS),
    "severity_numbers": list(SEVERITY_NUMBERS.values()),
    "severity_names": list(SEVERITY_NAMES),
}
"""The conventions' names, which statements take as parameters like everything else."""

_SERVICES = ("service", "caller", "callee")
"""Columns that name services."""

RunQuery = Callable[[str, Mapping[str, object]], tuple[pa.Table, str]]
"""Runs a named statement with parameters; the rows, and the bound that cut them short."""

Parameter = str | int | float | list[str]


class Reader:
    """Asks named statements within one scope and one horizon."""

    def __init__(self, query: RunQuery, scope: Scope, horizon: UtcDatetime) -> None:
        self._query = query
        self._scope = scope
        self._horizon = horizon
        self._reach: dict[Signal, tuple[Freshness, int]] = {}
        self._lock = threading.Lock()

    def answer(self, signal: Signal, name: str, window: Window, *, limit: int | None = None, **parameters: Parameter) -> Answer:
        """Run the statement `name` over `window`.

        Args:
            signal: whose freshness goes with the answer.
            name: the statement's name.
            window: the span of time that is asked for.
            limit: at most so many rows; passed on as one more, so that a cut is noticed and reported.
            **parameters: further placeholders of the statement.

        Raises:
            WindowError: the window reaches past the horizon.
        """
        self._check(window)
        bounded = parameters if limit is None else {**parameters, "limit": limit + 1}
        table, bound = self._query(name, {**self._base(window), **_VOCABULARY, **bounded})
        if limit is not None and table.num_rows > limit:
            table, bound = table.slice(0, limit), f"only the first {limit} rows were read; there are more"
        shown = parameters if limit is None else {**parameters, "limit": limit}
        query = Query(source=SOURCE, name=name, window=window, parameters=shown, text=statement(name))
        freshness = self._reaching(signal)[0].model_copy(update={"services": _services(table)})
        return Answer(table=table, query=query, freshness=freshness, bound=bound)

    def rows(self, name: str, window: Window, **parameters: Parameter) -> pa.Table:
        """The rows of the statement `name` over `window`, where they are needed to ask the actual question.

        Raises:
            WindowError: the window reaches past the horizon.
        """
        self._check(window)
        return self._query(name, {**self._base(window), **_VOCABULARY, **parameters})[0]

    def freshness(self, signal: Signal, window: Window) -> Freshness:
        """How far the signal reaches before the horizon, and how many services reported in the window.

        The watermark is looked for in the 7 days before the horizon: older data is not news of an incident.
        """
        return self._ask_reach(signal, window)[0]

    def items(self, signal: Signal) -> int:
        """How many spans, lines or points there are before the horizon, in the same 7 days: at least as many as in a window."""
        return self._reaching(signal)[1]

    def _reaching(self, signal: Signal) -> tuple[Freshness, int]:
        """How far the signal reaches, and the number of items; asked once, since it reads every item."""
        with self._lock:
            known = self._reach.get(signal)
        if known is None:
            known = self._ask_reach(signal, Window(start=self._horizon - WATERMARK_WITHIN, end=self._horizon))
            with self._lock:
                self._reach[signal] = known
        return known

    def _ask_reach(self, signal: Signal, window: Window) -> tuple[Freshness, int]:
        row = self.rows(f"{signal}_freshness", window).to_pylist()[0]
        watermark = row["watermark"] if row["items"] else None
        return Freshness(signal=signal, watermark=watermark, horizon=self._horizon, services=row["services"]), int(row["items"])

    def _base(self, window: Window) -> dict[str, object]:
        return {
            "tenant": self._scope.tenant,
            "recording": self._scope.recording,
            "start": nanoseconds(window.start),
            "end": nanoseconds(window.end),
            "horizon": nanoseconds(self._horizon),
        }

    def _check(self, window: Window) -> None:
        if window.end > self._horizon:
            raise WindowError(
                f"the window ends at {window.end.isoformat()}, after {self._horizon.isoformat()}, beyond which nothing is read",
                remedy="End the window at the alert's window_end or before.",
            )


def _services(table: pa.Table) -> int:
    """How many services the rows are of."""
    return len(set().union(*(pc.unique(table.column(name)).to_pylist() for name in _SERVICES if name in table.column_names)))


def nanoseconds(moment: datetime) -> int:
    """Whole nanoseconds since 1970-01-01 UTC, exact (a float would lose the microseconds)."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def step_nanoseconds(step_seconds: int) -> int:
    """The length of a step.

    Raises:
        WindowError: the step is not positive.
    """
    if step_seconds <= 0:
        raise WindowError(f"a step must be positive, and {step_seconds} s is not")
    return step_seconds * NANOSECONDS


def names(values: Sequence[str]) -> list[str]:
    """A list parameter; the same set of names always gives the same query."""
    return sorted(set(values))
