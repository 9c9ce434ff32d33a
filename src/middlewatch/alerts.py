"""Alerts, from whatever somebody or something noticed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from middlewatch.records import Alert, ImportedRecording, Incident, Symptom, Window, digest_of
from middlewatch.records.errors import BadInput, RecordingError, UnknownIncident
from middlewatch.records.misfit import misfit_words
from middlewatch.tools.timeline import healthy_until

EARLIER_INCIDENT_LEAD_SECONDS = 150.0
"""How far before its detection an earlier incident is taken to have begun: two minutes of breach before an alarm, and a scrape."""
AFTER_NOTICE_SECONDS = 300.0
"""How much after the notice is looked at: enough to see where it spreads."""
SHORTEST_WINDOW_SECONDS = 60.0
"""A window of less than this holds no scrape of a metric that is collected once a minute."""
NAMED = 20
"""Recordings or incidents that an error names: as many as a person reads."""
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
"""Nobody's telemetry is older; baselines reach back from here without leaving what clocks and stores can count."""


def incident_alert(tenant: str, recording: str, incident: Incident, others: Sequence[Incident]) -> Alert:
    """The alert of a recorded incident. Incidents that ended before it was detected are known by then, their causes are not.

    Raises:
        RecordingError: what the recording says of its incidents makes no sense.
    """
    try:
        return _incident_alert(tenant, recording, incident, others)
    except (ValidationError, OverflowError) as error:
        raise RecordingError(
            f"The incident {incident.id!r} cannot be investigated: {_reason(error)}.",
            remedy="Mend it in the recording's incidents.jsonl; docs/recordings.md describes it.",
        ) from None


def _incident_alert(tenant: str, recording: str, incident: Incident, others: Sequence[Incident]) -> Alert:
    earlier = [o for o in others if o.id != incident.id and o.window_end <= incident.detected_at]
    return Alert(
        tenant=tenant,
        source="recording",
        source_id=f"{recording}/{incident.id}",
        title=incident.title,
        detected_at=incident.detected_at,
        window_end=incident.window_end,
        symptom=incident.symptom,
        earlier_incidents=tuple(
            Window(start=earlier_start(o.detected_at, [each.window_end for each in earlier]), end=o.window_end) for o in earlier
        ),
    )


def earlier_start(detected: datetime, ends: Iterable[datetime]) -> datetime:
    """When an earlier incident is taken to have begun: never in the healthy time that follows the one before it.

    Args:
        detected: when it was detected.
        ends: of all incidents.
    """
    before = (healthy_until(end, detected) for end in ends if end <= detected)
    return max([detected - timedelta(seconds=EARLIER_INCIDENT_LEAD_SECONDS), *before])


def recorded_alert(tenant: str, recordings: Sequence[ImportedRecording], name: str, incident: str | None) -> Alert:
    """The alert of an incident of a recording that was imported.

    Args:
        tenant: whose.
        recordings: those that were imported.
        name: of one of them.
        incident: its id; may be left out where the recording has one alone.

    Raises:
        UnknownIncident: there is no such recording, or no such incident in it, or it is not said which.
    """
    found = next((one for one in recordings if one.name == name), None)
    if found is None:
        there = ", ".join(one.name for one in recordings[:NAMED]) or "none"
        raise UnknownIncident(f"There is no imported recording {name!r}.", remedy=f"There are: {there}.")
    chosen = [one for one in found.incidents if incident in {None, one.id}]
    if len(chosen) != 1:
        what = f"has no incident {incident!r}" if incident else f"has {len(found.incidents)} incidents"
        there = ", ".join(one.id for one in found.incidents[:NAMED])
        raise UnknownIncident(f"The recording {what}.", remedy=f"Name one of: {there}.")
    return incident_alert(tenant, found.name, chosen[0], found.incidents)


def service_alert(
    tenant: str, service: str, metric: str | None, noticed_at: datetime, now: datetime, *, source: str = "command line"
) -> Alert:
    """The alert of a person who noticed that a service is degraded.

    Args:
        tenant: whose.
        service: as the telemetry calls it.
        metric: likewise; None where it is not said.
        noticed_at: when.
        now: the window ends no later.
        source: the face on which they said so.

    Raises:
        BadInput: the time lies in the future or before `EARLIEST`, or the service or metric cannot be one's name.
    """
    try:
        symptom = Symptom(service=service, metric=metric)
    except ValidationError as error:
        raise BadInput(f"That cannot be investigated: {_reason(error)}.", remedy="Give the name as the telemetry has it.") from None
    if noticed_at < EARLIEST:
        raise BadInput(
            f"{noticed_at.isoformat()} lies before there was telemetry.", remedy="Give the time when it was noticed, in UTC."
        )
    if noticed_at > now:
        raise BadInput(
            f"{noticed_at:%Y-%m-%d %H:%M:%S} UTC lies in the future.", remedy="Give the time when it was noticed, in UTC."
        )
    end = min(now, noticed_at + timedelta(seconds=AFTER_NOTICE_SECONDS))
    detected = min(noticed_at, end - timedelta(seconds=SHORTEST_WINDOW_SECONDS))
    return Alert(
        tenant=tenant,
        source=source,
        source_id=service,
        title=f"{service} is degraded",
        detected_at=detected,
        window_end=end,
        symptom=symptom,
    )


def investigation_id(alert: Alert, name: str) -> str:
    """The id of the investigation that a request of this name opens for an alert."""
    return "inv-" + digest_of(alert.digest, name)[:12]


def _reason(error: ValidationError | OverflowError) -> str:
    if isinstance(error, OverflowError):
        return "a time is too early or too late"
    detail = error.errors(include_url=False, include_input=False)[0]
    return ": ".join([*map(str, detail["loc"]), misfit_words(detail)])
