"""Whatever can send JSON: our own schema (docs/alerts.md), signed with the time, or with a token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from pydantic import ConfigDict, Field, model_validator

from middlewatch.frontends.intake.credentials import is_fresh, is_signed, shows_token
from middlewatch.frontends.intake.delivery import (
    MOST_ALERTS,
    Delivery,
    Moment,
    Payload,
    Text,
    Texts,
    begun,
    fingerprint,
    link,
    read,
)
from middlewatch.records import AlertMessage, AlertStatus, digest_of
from middlewatch.records.quoting import cut

SIGNATURE: Final = "x-middlewatch-signature"
TIMESTAMP: Final = "x-middlewatch-timestamp"
_PREFIX: Final = "v1="


class Alert(Payload):
    """One alert. A field that is not known is an error here: it is ours, and a misspelt one would say nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    title: Text = Field(min_length=1)
    status: Literal["firing", "resolved", "acknowledged"] = "firing"
    fingerprint: Text = ""
    labels: Texts = Field(default_factory=dict)
    annotations: Texts = Field(default_factory=dict)
    severity: Text = ""
    started_at: Moment = None
    ended_at: Moment = None
    reference: Text = ""
    url: Text = ""


class Alerts(Payload):
    """The body: several, or one by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    alerts: tuple[Alert, ...] = Field(min_length=1, max_length=MOST_ALERTS)

    @model_validator(mode="before")
    @classmethod
    def _one(cls, value: object) -> object:
        return {"alerts": [value]} if isinstance(value, dict) and "alerts" not in value else value


def is_authentic(delivery: Delivery, secrets: Sequence[bytes]) -> bool:
    """It is signed, and about now; or shows its token where there is no secret."""
    if not secrets:
        return shows_token(delivery)
    timestamp = delivery.headers.get(TIMESTAMP, "")
    if not is_fresh(timestamp, delivery):
        return False
    given = [one.strip() for one in delivery.headers.get(SIGNATURE, "").split(",")]
    signed = timestamp.encode() + b"." + delivery.body
    return is_signed(secrets, signed, [one.removeprefix(_PREFIX) for one in given if one.startswith(_PREFIX)])


def decode(delivery: Delivery) -> tuple[AlertMessage, ...]:
    """The alerts.

    Raises:
        BadInput: it does not fit the schema.
    """
    return tuple(_message(delivery, alert) for alert in read(Alerts, delivery.body).alerts)


def _message(delivery: Delivery, alert: Alert) -> AlertMessage:
    own = alert.fingerprint or f"sha256-{digest_of(alert.title, sorted(alert.labels.items()))[:32]}"
    began = begun(alert.started_at, delivery.now)
    return AlertMessage(
        **delivery.origin,
        fingerprint=fingerprint(own),
        status=AlertStatus(alert.status),
        title=alert.title,
        labels=alert.labels,
        annotations=alert.annotations,
        severity=cut(alert.severity, 64),
        started_at=began,
        ended_at=max(began, begun(alert.ended_at, delivery.now)) if alert.status == "resolved" else None,
        reference=cut(alert.reference, 256),
        url=link(alert.url),
    )
