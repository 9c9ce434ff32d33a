"""Whatever can send JSON: our own schema (docs/alerts.md), signed with the time, or with a token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from pydantic import ConfigDict, Field

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
    fit,
    link,
    parsed,
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
    status: Literal["firing", "resolved", "acknowledged", "unacknowledged"] = "firing"
    fingerprint: Text = ""
    labels: Texts = Field(default_factory=dict)
    annotations: Texts = Field(default_factory=dict)
    severity: Text = ""
    started_at: Moment = None
    ended_at: Moment = None
    reference: Text = ""
    url: Text = ""


class Alerts(Payload):
    """Several of them. One may also stand by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    alerts: tuple[Alert, ...] = Field(min_length=1, max_length=MOST_ALERTS)


_KEYS: Final = tuple(Alert.model_fields)
_REMEDY: Final = (
    f"Send one alert, or several as a list in alerts; of each: {', '.join(_KEYS)}. Only title is needed; see docs/alerts.md."
)


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
    said = parsed(delivery.body)
    if isinstance(said, dict) and "alerts" not in said:
        alerts: tuple[Alert, ...] = (fit(Alert, said, known=(*_KEYS, "alerts"), remedy=_REMEDY),)
    else:
        alerts = fit(Alerts, said, known=_KEYS, remedy=_REMEDY).alerts
    return tuple(_message(delivery, alert) for alert in alerts)


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
