"""The shop's own alert: when its users' requests are slow or fail for a while."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from middlewatch.evals.lab.measurements import SERVER_ERROR_RATIO, SERVER_P99, Measurement


@dataclass(frozen=True, slots=True)
class Detection:
    """The moment at which the alert fired, the metric that fired it and its threshold."""

    at: datetime
    metric: str
    threshold: float


@dataclass(frozen=True, slots=True)
class AlertRule:
    """Fires when one of the service's metrics has been over its threshold in every sample for ``hold_seconds``.

    The thresholds are objectives that a small shop might set itself: 99 % of requests within a fifth of a second, 95 % of
    them without an error.
    """

    service: str = "storefront"
    p99_seconds: float = 0.2
    error_ratio: float = 0.05
    hold_seconds: float = 30.0

    def first(self, rows: Iterable[Measurement]) -> Detection | None:
        """When the alert fires for the first time; None where it never does. The rows may come in any order."""
        own = sorted((row for row in rows if row.service == self.service), key=lambda row: row.time)
        thresholds = ((SERVER_P99, self.p99_seconds), (SERVER_ERROR_RATIO, self.error_ratio))
        fired = [
            Detection(at, metric, threshold)
            for metric, threshold in thresholds
            if (at := self._held([row for row in own if row.metric == metric], threshold)) is not None
        ]
        return min(fired, key=lambda detection: detection.at, default=None)

    def _held(self, rows: list[Measurement], threshold: float) -> datetime | None:
        since: datetime | None = None
        for row in rows:
            if row.value <= threshold:
                since = None
            elif since is None:
                since = row.time
            if since is not None and row.time - since >= timedelta(seconds=self.hold_seconds):
                return row.time
        return None
