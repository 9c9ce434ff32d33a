"""What senders say of their alerts, and what is kept of it: an occurrence is one time that an alert fired, until it is resolved."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from middlewatch.records.base import Identifier, Record, Tenant, UtcDatetime

LONGEST_TEXT = 1024
MOST_LABELS = 64


class AlertStatus(StrEnum):
    """What a sender says of an alert."""

    FIRING = "firing"
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    """It fires, and whoever had it there has it no more."""


class AlertMessage(Record):
    """One message of a sender about one alert. All texts are the sender's: data, never a command, a name of ours or markup."""

    tenant: Tenant
    sender: Identifier = Field(description="the sender's name in intake.toml")
    kind: str = Field(max_length=32, description="what the sender is: alertmanager, grafana, pagerduty, datadog, opsgenie, ...")
    fingerprint: str = Field(
        min_length=1,
        max_length=256,
        description="the same alert has the same one, whenever it fires; the sender's own where it has one",
    )
    status: AlertStatus
    title: str = Field(max_length=LONGEST_TEXT)
    services: tuple[str, ...] = Field(
        default=(), max_length=MOST_LABELS, description="that it is about, where it is of several: those of an objective"
    )
    labels: dict[str, str] = Field(default_factory=dict, max_length=MOST_LABELS)
    annotations: dict[str, str] = Field(default_factory=dict, max_length=MOST_LABELS)
    severity: str = Field(default="", max_length=64, description="in the sender's words")
    started_at: UtcDatetime = Field(description="since when it fires, by the sender's clock")
    ended_at: UtcDatetime | None = Field(default=None, description="since when it does not; of a resolved one")
    said_at: UtcDatetime | None = Field(
        default=None, description="when that came to be so, by the sender's clock; of senders who say it, what is older comes late"
    )
    reference: str = Field(default="", max_length=256, description="the sender's own id of it, to write back to")
    url: str = Field(
        default="", max_length=2048, description="where the sender shows it; shown as text or as a checked http(s) link"
    )


class Occurrence(Record):
    """One time that an alert fired, from its first message to its resolution, and which investigation it belongs to."""

    id: Identifier
    message: AlertMessage = Field(description="the latest one")
    service: str = Field(
        default="", max_length=256, description="that it is about, as telemetry names it; empty where it maps to none"
    )
    mapped_by: str = Field(default="", max_length=200, description="why that service: the label and rule, in words")
    first_at: UtcDatetime = Field(description="when the first message came, by the store's clock")
    last_at: UtcDatetime
    messages: int = Field(default=1, ge=1, description="how many came while it fired")
    flaps: int = Field(default=0, ge=0, description="how often it was resolved and fired again within the time that counts as one")
    resolved_at: UtcDatetime | None = None
    acknowledged_at: UtcDatetime | None = Field(
        default=None, description="when the sender said that somebody has it there; null where nobody has it any more"
    )
    first_acknowledged_at: UtcDatetime | None = Field(
        default=None, description="when it was said first that somebody has it there, whatever became of that"
    )
    given_up_at: UtcDatetime | None = Field(
        default=None, description="when it was last taken from whoever had it there: the sender said so, or it fired again"
    )
    before: Identifier | None = Field(default=None, description="the occurrence of the same alert before this one")
    investigation: Identifier | None = Field(default=None, description="null until it is decided, and where it maps to no service")
    also: tuple[Identifier, ...] = Field(
        default=(), description="other investigations that show it: of other causes below its service, or those that were before"
    )
    held: str = Field(
        default="", max_length=300, description="why nothing was opened for it, in words: no service, maintenance, ..."
    )

    @property
    def services(self) -> tuple[str, ...]:
        """All that it is about, the one that it maps to first; none where it maps to none."""
        return tuple(dict.fromkeys((self.service, *self.message.services))) if self.service else ()
