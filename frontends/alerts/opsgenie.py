"""Opsgenie: its webhook integration, with a token in a custom header, or basic authentication in the address."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from middlewatch.frontends.intake.delivery import Delivery, Moment, Payload, Text, Texts, begun, bounded, fingerprint, read
from middlewatch.records import LONGEST_TEXT, AlertMessage, AlertStatus
from middlewatch.records.quoting import cut

_STATUS: Final = {
    "Create": AlertStatus.FIRING,
    "UnAcknowledge": AlertStatus.UNACKNOWLEDGED,
    "Acknowledge": AlertStatus.ACKNOWLEDGED,
    "Close": AlertStatus.RESOLVED,
    "Delete": AlertStatus.RESOLVED,
}
"""By what was done with the alert; everything else, such as a note, says nothing of whether it fires."""


class Alert(Payload):
    """As it stands."""

    alert_id: Text = Field(alias="alertId")
    alias: Text = ""
    message: Text = ""
    entity: Text = ""
    source: Text = ""
    priority: Text = ""
    description: Text = ""
    created_at: Moment = Field(default=None, alias="createdAt")
    updated_at: Moment = Field(default=None, alias="updatedAt")
    tags: tuple[Text, ...] = Field(default=(), max_length=1000)
    details: Texts = Field(default_factory=dict)


class Webhook(Payload):
    """The body."""

    action: Text
    alert: Alert


def decode(delivery: Delivery) -> tuple[AlertMessage, ...]:
    """What was done with an alert; nothing where that is nothing to us.

    Raises:
        BadInput: it is no such message.
    """
    said = read(Webhook, delivery.body)
    alert, status = said.alert, _STATUS.get(said.action)
    if status is None:
        return ()
    began = begun(alert.created_at, delivery.now)
    own = {"entity": alert.entity, "source": alert.source, "tags": cut(",".join(alert.tags), LONGEST_TEXT)}
    tags = dict(tag.split(":", 1) for tag in alert.tags if ":" in tag)
    return (
        AlertMessage(
            **delivery.origin,
            fingerprint=fingerprint(alert.alias or alert.alert_id),
            status=status,
            title=alert.message or f"Alert {alert.alert_id[:64]}",
            labels=bounded({name: text for name, text in (own | tags | alert.details).items() if text}),
            annotations={"description": alert.description} if alert.description else {},
            severity=cut(alert.priority, 64),
            started_at=began,
            ended_at=max(began, begun(alert.updated_at, delivery.now)) if status is AlertStatus.RESOLVED else None,
            said_at=alert.updated_at and begun(alert.updated_at, delivery.now),
            reference=cut(alert.alert_id, 256),
        ),
    )
