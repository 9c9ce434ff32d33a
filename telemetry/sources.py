"""The seam to telemetry: one Protocol per signal, so that other back ends stand beside ClickHouse.

Every method answers for one scope (tenant and recording), never reaches past the horizon that the source was opened with
(`WindowError`), is bounded in time, rows, memory and concurrency, and carries the query that it ran and a freshness watermark.
`services` narrows a question; empty means every service. Lists inside a row are parallel and ordered by time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from middlewatch.records import Assessment, Freshness, Query, Scope, UtcDatetime, Window
from middlewatch.telemetry.answers import Shared


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows, and what has to be known to believe them."""

    table: pa.Table
    query: Query
    freshness: Freshness
    bound: str = ""
    """Empty, or in words which bound cut the rows short; a report that used them says so."""


class MetricSource(Protocol):
    """Metrics, as time series aggregated into steps."""

    def catalogue(self, window: Window, *, services: Sequence[str] = ()) -> Answer:
        """One row a series: service, instance, metric, unit, kind (gauge, sum, histogram, summary), attributes
        (map<string, string>), region, cluster, points (int), first, last (timestamp[us, UTC]).
        """
        ...

    def series(self, window: Window, *, step_seconds: int, services: Sequence[str] = (), metrics: Sequence[str] = ()) -> Answer:
        """One row a series: service, instance, metric, unit, kind, attributes, region, cluster, and the lists times
        (step starts, timestamp[us, UTC]), average, minimum, maximum, count (samples in the step). Steps without a sample are
        absent. Monotonic cumulative sums come as increase per second, resets taken out; histograms as the mean of their
        observations in the step.
        """
        ...

    def quantiles(
        self, window: Window, *, metric: str, quantiles: Sequence[float], step_seconds: int, services: Sequence[str] = ()
    ) -> Answer:
        """One row per service and step: service, time, count, and values (list, one per quantile), from the histograms merged
        over instances and the step; never from averaged quantiles.
        """
        ...

    def increases(self, window: Window, *, step_seconds: int, services: Sequence[str], metrics: Sequence[str]) -> pa.Table:
        """One row per service, counter and step with a point: service, metric, time (of the step's start), increase (all series of
        that name together, resets taken out). It is asked again and again, so it comes without freshness.
        """
        ...

    def freshness(self, window: Window) -> Freshness:
        """How far the metrics reach."""
        ...


class LogSource(Protocol):
    """Log lines, counted, grouped into patterns, or as they are."""

    def patterns(self, window: Window, *, step_seconds: int, services: Sequence[str] = (), limit: int = 20_000) -> Answer:
        """One row per service and pattern (the body with its variable parts masked), most frequent first: service, pattern,
        severity (the worst seen), total, first, last, sample (one raw body), sample_trace_id, sample_span_id, and the lists
        times, count.
        """
        ...

    def requests(self, window: Window, *, share: float, services: Sequence[str] = ()) -> Answer:
        """One row per span that wrote lines, or is of an operation of which others did, oldest first; of this share of all
        requests, chosen by their trace id: trace (uint64, alike for the same request), service, operation, began, ended
        (timestamp[us, UTC]), and the lists patterns (as in `patterns`, each where it was first written) and times. A span that
        lines name and that no trace has has no operation, and lasts from its first line to its last; lines with a trace id alone
        are one span of their service. Lines without a trace id are left out.
        """
        ...

    def examples(
        self, window: Window, *, split: UtcDatetime, services: Sequence[str] = (), each: int = 200, limit: int = 20_000
    ) -> Answer:
        """Lines of each pattern, at most `each` before and from `split` on, the nearest first: service, pattern (as in `patterns`),
        after (bool), body (its first 1,000 characters, those that make the pattern).
        """
        ...

    def lines(self, window: Window, *, services: Sequence[str] = (), contains: str = "", limit: int = 100) -> Answer:
        """Raw lines, oldest first: time, service, instance, severity, body, trace_id, span_id, region, cluster."""
        ...

    def freshness(self, window: Window) -> Freshness:
        """How far the logs reach."""
        ...


class TraceSource(Protocol):
    """Spans, aggregated per operation and edge, or as they are.

    Where there are more spans than a source may put together, it reads a sample of whole requests, scales the counts up, and says
    so in `Answer.bound`.
    """

    def behaviours(self, window: Window, *, step_seconds: int, floor_ms: float = 1.0, services: Sequence[str] = ()) -> Answer:
        """One row per operation in its context and set of kinds of children: service, operation, parent_operation, the parallel
        lists child_services and child_operations (of an operation's rarest sets, which share a row, both hold one '' alone), and
        the lists times, count, requests (traces with such a span; of those that were read, never scaled up), errors, log_self and
        log_self_squared (sums of y = ln(self time in ms + floor_ms) and of its square; self time is a span's duration less its
        children's), duration_ms (sum). A step may come more than once in a row; everything adds up.
        """
        ...

    def edges(self, window: Window, *, step_seconds: int) -> Answer:
        """One row per caller and callee that traces show or a topology declares: caller, callee, declared (bool), calls, errors,
        and the lists times, count, error_count, p50_ms, p99_ms (callee span duration, from raw durations). Declared edges without
        calls have empty lists. Who handles in another trace what somebody sent over a queue or in a batch is called by the sender:
        a link or a correlation id says so.
        """
        ...

    def services(self, window: Window) -> pa.Table:
        """Who sent a span, also one that no edge shows, since it calls nobody and nobody calls it: one row each, with service. It
        comes without freshness.
        """
        ...

    def relatives(self, window: Window, *, trace_id: str, limit: int = 1000) -> Answer:
        """How a request and others belong together, its own spans first, then the oldest. Links between spans of the request and of
        others: trace_id, span_id, sender_trace_id, sender_span_id. Spans of any request with a correlation id that this one has:
        trace_id, span_id, kind (Producer, Consumer, ...), correlation_id. All with start; what a row does not have is empty.
        """
        ...

    def requests(self, window: Window, *, share: float) -> Answer:
        """The spans of this share of all requests, chosen by their trace id: id and parent (uint64; parent is 0 at the root),
        trace_id (of roots, '' otherwise), service, instance, operation, start_ns (since 1970), duration_ns, failed. Of a request
        that began before the window the first spans are missing.
        """
        ...

    def clocks(self, window: Window, *, share: float) -> Answer:
        """One row per caller and callee, of this share of all requests: caller, callee, calls, least, most (by how many
        microseconds the callee's clock is ahead of the caller's, at least and at most, by the medians of calls that fit into the
        spans that wait for them).
        """
        ...

    def spans(self, window: Window, *, services: Sequence[str] = (), trace_ids: Sequence[str] = (), limit: int = 1000) -> Answer:
        """Raw spans, slowest first: trace_id, span_id, parent_span_id, service, instance, operation, start, duration_ns,
        status, region, cluster.
        """
        ...

    def served(
        self,
        window: Window,
        *,
        step_seconds: int,
        services: Sequence[str] = (),
        operations: Sequence[str] = (),
        limits_ms: Sequence[float] = (),
    ) -> pa.Table:
        """Requests that services answered: spans of servers and consumers, and roots that are no calls to somebody else. One row
        per service, operation ('' for all together that are not in `operations`) and step with one: service, operation, time (of
        the step's start), count, errors, within (list: how many lasted no longer than each of `limits_ms`), errors_within (the same
        of those that failed), p99_ms (near). It is asked again and again, so it comes without freshness.
        """
        ...

    def answered(self, window: Window, *, step_seconds: int, service: str, share: float = 1.0) -> pa.Table:
        """Requests that one service answered. One row per step with one: time (of the step's start), count, errors, own_errors
        (of them, those in which no other service failed), and the lists buckets and in_buckets: how many took ``2 ** (b / 8) - 1``
        microseconds or a little more, without what other services took of it. It is asked again and again, so it comes without
        freshness.

        Args:
            window: when they began.
            step_seconds: of a row.
            service: whose.
            share: of all requests, chosen by their trace id; nothing is scaled up.
        """
        ...

    def freshness(self, window: Window) -> Freshness:
        """How far the traces reach."""
        ...


class ChangeSource(Protocol):
    """Deploys, configuration, flags, scaling and migrations."""

    def changes(self, window: Window, *, services: Sequence[str] = ()) -> Answer:
        """Oldest first: time, service, kind, version, actor, description, region, cluster."""
        ...

    def freshness(self, window: Window) -> Freshness:
        """How far the changes reach."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that one investigation may read."""

    scope: Scope
    horizon: UtcDatetime
    """No query may end after this moment: an investigation reads nothing after its alert's window_end."""
    metrics: MetricSource
    logs: LogSource
    traces: TraceSource
    changes: ChangeSource
    worked_out: Shared[Assessment] = field(default_factory=Shared[Assessment], repr=False, compare=False)
    """What analyses have made of them a moment ago."""
