"""Datadog: its webhooks integration, with the payload that docs/alerts.md has, and a token in a custom header."""

from __future__ import annotations

from middlewatch.frontends.intake.delivery import Delivery, Moment, Payload, Text, begun, bounded, fingerprint, link, read
from middlewatch.records import AlertMessage, AlertStatus
from middlewatch.records.quoting import cut


class Monitor(Payload):
    """The template, filled in. Datadog leaves a variable that it has no value for empty."""

    alert_id: Text
    transition: Text
    title: Text = ""
    scope: Text = ""
    tags: Text = ""
    priority: Text = ""
    type: Text = ""
    metric: Text = ""
    host: Text = ""
    query: Text = ""
    text: Text = ""
    link: Text = ""
    date: Moment = None
    first_triggered: Moment = None


def decode(delivery: Delivery) -> tuple[AlertMessage, ...]:
    """What a monitor says of one of its scopes.

    Raises:
        BadInput: it is not the payload that is documented.
    """
    said = read(Monitor, delivery.body)
    resolved = "recovered" in said.transition.lower() or (not said.transition and said.type == "success")
    happened = begun(said.date, delivery.now)
    began = min(begun(said.first_triggered, happened), happened)
    own = {"metric": said.metric, "host": said.host, "scope": said.scope, "transition": said.transition}
    labels = _tags(said.tags) | _tags(said.scope) | {name: text for name, text in own.items() if text}
    return (
        AlertMessage(
            **delivery.origin,
            fingerprint=fingerprint(f"{said.alert_id}/{','.join(sorted(said.scope.split(',')))}"),
            status=AlertStatus.RESOLVED if resolved else AlertStatus.FIRING,
            title=said.title or f"Monitor {said.alert_id[:64]}",
            labels=bounded(labels),
            annotations={name: text for name, text in (("query", said.query), ("text", said.text)) if text},
            severity=cut(said.priority, 64),
            started_at=began,
            ended_at=happened if resolved else None,
            reference=cut(said.alert_id, 256),
            url=link(said.link),
        ),
    )


def _tags(text: str) -> dict[str, str]:
    """``name:value`` with commas between; of a tag without a value the name."""
    pairs = (tag.strip().partition(":") for tag in text.split(","))
    return {cut(name, 200): value for name, _, value in pairs if name}
