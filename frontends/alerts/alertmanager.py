"""Alertmanager: its webhook of version 4, with a bearer token or basic authentication (`http_config`)."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from middlewatch.frontends.intake.delivery import (
    MOST_ALERTS,
    Delivery,
    Moment,
    Payload,
    Text,
    Texts,
    begun,
    bounded,
    fingerprint,
    link,
    read,
)
from middlewatch.records import AlertMessage, AlertStatus, digest_of
from middlewatch.records.quoting import cut

_TITLES: Final = ("summary", "title", "message", "description")
_LONGEST_SEVERITY: Final = 64


class Alert(Payload):
    """One of a group."""

    status: Literal["firing", "resolved"]
    labels: Texts = Field(default_factory=dict)
    annotations: Texts = Field(default_factory=dict)
    starts_at: Moment = Field(default=None, alias="startsAt")
    ends_at: Moment = Field(default=None, alias="endsAt")
    generator_url: Text = Field(default="", alias="generatorURL")
    fingerprint: Text = ""
    dashboard_url: Text = Field(default="", alias="dashboardURL")
    panel_url: Text = Field(default="", alias="panelURL")


class Group(Payload):
    """What is sent at once."""

    alerts: tuple[Alert, ...] = Field(max_length=MOST_ALERTS)
    group_key: Text = Field(default="", alias="groupKey")
    truncated: int = Field(default=0, ge=0, le=10**9, alias="truncatedAlerts")
    status: Text = ""
    common_labels: Texts = Field(default_factory=dict, alias="commonLabels")
    group_labels: Texts = Field(default_factory=dict, alias="groupLabels")
    receiver: Text = ""
    external_url: Text = Field(default="", alias="externalURL")


def decode(delivery: Delivery) -> tuple[AlertMessage, ...]:
    """The alerts of a group.

    Raises:
        BadInput: it is no such message.
    """
    group = read(Group, delivery.body)
    found = [message_of(delivery, alert) for alert in group.alerts]
    if group.truncated:
        found.append(_left_out(delivery, group))
    return tuple(found)


def message_of(delivery: Delivery, alert: Alert) -> AlertMessage:
    """One of them in our words."""
    name = alert.labels.get("alertname", "")
    resolved = alert.status == "resolved"
    own = alert.fingerprint or f"sha256-{digest_of(sorted(alert.labels.items()))[:32]}"
    began = begun(alert.starts_at, delivery.now)
    return AlertMessage(
        **delivery.origin,
        fingerprint=fingerprint(own),
        status=AlertStatus(alert.status),
        title=next((alert.annotations[key] for key in _TITLES if alert.annotations.get(key)), name) or "An alert without a name",
        labels=alert.labels,
        annotations=alert.annotations,
        severity=cut(alert.labels.get("severity", ""), _LONGEST_SEVERITY),
        started_at=began,
        ended_at=max(began, begun(alert.ends_at, delivery.now)) if resolved else None,
        reference=fingerprint(own),
        url=link(alert.panel_url, alert.dashboard_url, alert.generator_url),
    )


def _left_out(delivery: Delivery, group: Group) -> AlertMessage:
    """That there are more alerts than were sent (`max_alerts`): they are not known, and not forgotten."""
    resolved = group.status == "resolved"
    return AlertMessage(
        **delivery.origin,
        fingerprint=fingerprint("truncated", group.group_key, group.receiver),
        status=AlertStatus.RESOLVED if resolved else AlertStatus.FIRING,
        title=f"{group.truncated:,} more alerts of this group were left out by the sender (max_alerts)",
        labels=bounded({**group.common_labels, **group.group_labels}),
        started_at=delivery.now,
        ended_at=delivery.now if resolved else None,
        url=link(group.external_url),
    )
