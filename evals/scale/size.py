"""How large a made-up store is, and when what happens in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import Field

from middlewatch.records import DEFAULT_TENANT, Alert, Record

START: Final = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""When the telemetry of every made-up store begins."""
FAULT_SECONDS: Final = 600.0
"""How far into the last hour the fault begins."""
DETECTION_SECONDS: Final = 180.0
"""How long it lasts until the alert."""


class Size(Record):
    """How much of what."""

    services: int = Field(default=200, ge=5, le=5000)
    series: int = Field(default=6000, ge=50, le=1_000_000, description="metric series, a sample each interval")
    spans: int = Field(default=10_000_000, ge=1000, le=1_000_000_000)
    lines: int = Field(default=10_000_000, ge=1000, le=1_000_000_000)
    hours: float = Field(default=6.0, ge=1.5, le=24.0)
    interval_seconds: int = Field(default=15, ge=1, le=600)
    seed: int = Field(default=1, ge=0, le=2**31)

    @property
    def end(self) -> datetime:
        return START + timedelta(hours=self.hours)

    @property
    def fault(self) -> datetime:
        """When a service breaks: in the last hour, which is compared with what was before."""
        return self.end - timedelta(hours=1) + timedelta(seconds=FAULT_SECONDS)

    @property
    def alert(self) -> Alert:
        """The alert that is investigated. It names no service."""
        return Alert(
            tenant=DEFAULT_TENANT,
            source="scale",
            source_id=f"scale-{self.seed}",
            title="Requests are slow and some fail",
            detected_at=self.fault + timedelta(seconds=DETECTION_SECONDS),
            window_end=self.end,
        )
