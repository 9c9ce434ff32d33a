"""Made-up messages of senders, for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from middlewatch.records import AlertMessage, AlertStatus

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_message(
    fingerprint: str = "fp-1",
    status: AlertStatus = AlertStatus.FIRING,
    *,
    service: str = "checkout",
    at: datetime = NOON,
    ended: datetime | None = None,
    labels: dict[str, str] | None = None,
    title: str = "",
    severity: str = "",
    sender: str = "prometheus",
) -> AlertMessage:
    """What Alertmanager would say of an alert of a service."""
    return AlertMessage(
        tenant="default",
        sender=sender,
        kind="alertmanager",
        fingerprint=fingerprint,
        status=status,
        title=title or f"{service} fails",
        labels=(labels or {}) | ({"service.name": service} if service else {}),
        severity=severity,
        started_at=at,
        ended_at=ended or (at + timedelta(seconds=30) if status is AlertStatus.RESOLVED else None),
    )
