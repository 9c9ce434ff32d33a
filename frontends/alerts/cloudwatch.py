"""CloudWatch: alarms through Amazon SNS, which signs each message; topics that are not configured are nobody's."""

from __future__ import annotations

import logging

from pydantic import Field

from middlewatch.frontends.alerts.sns import REPLAY, Envelope, Signatures, happened, is_of_sns
from middlewatch.frontends.intake.delivery import Delivery, Moment, Payload, Text, begun, fingerprint, parsed, read
from middlewatch.records import LONGEST_TEXT, AlertMessage, AlertStatus
from middlewatch.records.errors import BadInput
from middlewatch.records.quoting import cut

LOG = logging.getLogger(__name__)


class Dimension(Payload):
    """Of a metric."""

    name: Text
    value: Text = ""


class Trigger(Payload):
    """What the alarm looks at."""

    metric: Text = Field(default="", alias="MetricName")
    namespace: Text = Field(default="", alias="Namespace")
    dimensions: tuple[Dimension, ...] = Field(default=(), alias="Dimensions", max_length=100)


class Alarm(Payload):
    """What CloudWatch publishes when an alarm changes its state."""

    name: Text = Field(alias="AlarmName")
    arn: Text = Field(default="", alias="AlarmArn")
    description: Text = Field(default="", alias="AlarmDescription")
    account: Text = Field(default="", alias="AWSAccountId")
    region: Text = Field(default="", alias="Region")
    state: Text = Field(alias="NewStateValue")
    before: Text = Field(default="", alias="OldStateValue")
    reason: Text = Field(default="", alias="NewStateReason")
    changed_at: Moment = Field(default=None, alias="StateChangeTime")
    trigger: Trigger = Field(default=Trigger(), alias="Trigger")


def envelope_of(delivery: Delivery) -> Envelope:
    """What SNS wrapped around it.

    Raises:
        BadInput: nothing that SNS sends.
    """
    return read(Envelope, delivery.body)


def is_authentic(delivery: Delivery, signatures: Signatures) -> bool:
    """It is of a topic that is configured, and SNS signed it.

    Raises:
        BadInput: it is nothing that SNS sends.
        Unavailable: the certificate cannot be fetched now.
    """
    envelope = envelope_of(delivery)
    return envelope.TopicArn in delivery.entry.topics and signatures.is_right(envelope, delivery.now)


def decode(delivery: Delivery, signatures: Signatures) -> tuple[AlertMessage, ...]:
    """What an alarm says; a subscription is confirmed, and says nothing.

    Raises:
        BadInput: it is too old.
        Unavailable: the subscription cannot be confirmed now.
    """
    envelope = envelope_of(delivery)
    at = happened(envelope)
    if abs(delivery.now - at) > REPLAY:
        raise BadInput("The message is too old: it may be a copy.", remedy="Messages count for an hour.")
    if envelope.Type != "Notification":
        if envelope.Type == "SubscriptionConfirmation":
            if not is_of_sns(envelope.SubscribeURL, envelope.TopicArn):
                raise BadInput("SubscribeURL: is not of Amazon SNS.", remedy="Confirm the subscription by hand.")
            signatures.get(envelope.SubscribeURL)
            LOG.warning("the subscription of %s is confirmed", envelope.TopicArn)
        return ()
    alarm = _alarm(envelope)
    return _messages(delivery, envelope, alarm) if alarm else (_other(delivery, envelope, begun(at, delivery.now)),)


def _alarm(envelope: Envelope) -> Alarm | None:
    """The alarm in it; None where something else publishes to the topic."""
    try:
        value = parsed(envelope.Message)
        return read(Alarm, envelope.Message) if isinstance(value, dict) and "AlarmName" in value else None
    except BadInput:
        return None


def _messages(delivery: Delivery, envelope: Envelope, alarm: Alarm) -> tuple[AlertMessage, ...]:
    resolved = alarm.state == "OK"
    if alarm.state != "ALARM" and not resolved:  # too little data: nothing began and nothing ended
        return ()
    labels = {dimension.name: dimension.value for dimension in alarm.trigger.dimensions[:32]} | {
        "alertname": alarm.name,
        "metric": alarm.trigger.metric,
        "namespace": alarm.trigger.namespace,
        "region": alarm.region,
        "account": alarm.account,
        "topic": envelope.TopicArn,
    }
    at = begun(alarm.changed_at, delivery.now)
    texts = {"description": alarm.description, "reason": alarm.reason}
    return (
        AlertMessage(
            **delivery.origin,
            fingerprint=fingerprint(alarm.arn or f"{alarm.account}/{alarm.region}/{alarm.name}"),
            status=AlertStatus.RESOLVED if resolved else AlertStatus.FIRING,
            title=alarm.name or "An alarm without a name",
            labels={cut(name, 200): text for name, text in labels.items() if text},
            annotations={name: text for name, text in texts.items() if text},
            started_at=at,
            ended_at=at if resolved else None,
            reference=cut(alarm.arn, 256),
        ),
    )


def _other(delivery: Delivery, envelope: Envelope, at: Moment) -> AlertMessage:
    """A message that is no alarm: it is kept as what it is, by its subject."""
    subject = cut((envelope.Subject or "A message of the topic").encode("utf-8", "replace").decode(), LONGEST_TEXT)
    text = cut(envelope.Message.encode("utf-8", "replace").decode(), LONGEST_TEXT)
    return AlertMessage(
        **delivery.origin,
        fingerprint=fingerprint("message", envelope.TopicArn, subject),
        status=AlertStatus.FIRING,
        title=subject,
        labels={"topic": envelope.TopicArn},
        annotations={"message": text},
        started_at=at or delivery.now,
    )
