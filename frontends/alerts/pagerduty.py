"""PagerDuty: webhooks of version 3, signed with the secret of the subscription."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from pydantic import Field

from middlewatch.frontends.intake.credentials import is_signed
from middlewatch.frontends.intake.delivery import Delivery, Moment, Payload, Text, begun, fingerprint, link, read
from middlewatch.paging import KEY
from middlewatch.records import AlertMessage, AlertStatus
from middlewatch.records.errors import BadInput
from middlewatch.records.quoting import cut

REPLAY: Final = timedelta(hours=24)
"""How old a signed event may be. Chosen, not derived: it is delivered again for some time where nobody answered; later ones are
somebody's copies."""
_PREFIX: Final = "v1="
_STATUS: Final = {
    "triggered": AlertStatus.FIRING,
    "acknowledged": AlertStatus.ACKNOWLEDGED,
    "resolved": AlertStatus.RESOLVED,
}
_GIVEN_UP: Final = frozenset(
    {"incident.unacknowledged", "incident.reassigned", "incident.escalated", "incident.delegated", "incident.reopened"}
)
"""Of a triggered incident they say that nobody has it any more; others repeat that it is triggered."""


class Named(Payload):
    """What is referred to."""

    id: Text = ""
    summary: Text = ""


class Incident(Payload):
    """As it stands after the event."""

    id: Text = ""
    type: Text = ""
    title: Text = ""
    status: Text = ""
    incident_key: Text = ""
    created_at: Moment = None
    html_url: Text = ""
    urgency: Text = ""
    service: Named | None = None
    priority: Named | None = None
    escalation_policy: Named | None = None
    teams: tuple[Named, ...] = Field(default=(), max_length=100)


class Event(Payload):
    """What happened."""

    id: Text = ""
    event_type: Text
    occurred_at: Moment = None
    data: Incident = Incident()


class Webhook(Payload):
    """The body."""

    event: Event


def is_authentic(delivery: Delivery, secrets: Sequence[bytes]) -> bool:
    """One of its signatures is of one of the secrets: it has several while a secret rotates."""
    given = delivery.headers.get("x-pagerduty-signature", "").split(",")
    return is_signed(
        secrets, delivery.body, [one.strip().removeprefix(_PREFIX) for one in given if one.strip().startswith(_PREFIX)]
    )


def decode(delivery: Delivery) -> tuple[AlertMessage, ...]:
    """What an event says of its incident; nothing where it changes nothing of it, such as a note or a ping, or is of our own page.

    Raises:
        BadInput: it is no such event, or too old.
    """
    event = read(Webhook, delivery.body).event
    incident = event.data
    status = _STATUS.get(incident.status)
    if not event.event_type.startswith("incident.") or incident.type != "incident" or status is None:
        return ()
    if incident.incident_key.startswith(KEY):
        return ()  # what middlewatch itself paged for comes back
    if not incident.id:
        raise BadInput("event.data.id: is missing.", remedy="docs/alerts.md shows what is sent.")
    happened = begun(event.occurred_at, delivery.now)
    if delivery.now - happened > REPLAY:
        raise BadInput("The event is too old: it may be a copy.", remedy="Events count for a day.")
    if status is AlertStatus.FIRING and event.event_type in _GIVEN_UP:
        status = AlertStatus.UNACKNOWLEDGED
    again = event.event_type == "incident.reopened"
    began = happened if again else begun(incident.created_at, happened)
    labels = {
        "service": incident.service.summary if incident.service else "",
        "service_id": incident.service.id if incident.service else "",
        "urgency": incident.urgency,
        "priority": incident.priority.summary if incident.priority else "",
        "escalation_policy": incident.escalation_policy.summary if incident.escalation_policy else "",
        "team": ", ".join(team.summary for team in incident.teams)[:200],
    }
    return (
        AlertMessage(
            **delivery.origin,
            fingerprint=fingerprint(incident.incident_key or incident.id),
            status=status,
            title=incident.title or f"Incident {incident.id[:64]}",
            labels={name: text for name, text in labels.items() if text},
            severity=cut(labels["priority"] or incident.urgency, 64),
            started_at=began,
            ended_at=max(began, happened) if status is AlertStatus.RESOLVED else None,
            said_at=event.occurred_at and happened,
            reference=cut(incident.id, 256),
            url=link(incident.html_url),
        ),
    )
