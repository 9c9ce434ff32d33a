"""With what an investigation is opened for alerts that fire: its symptom, its window, and what came before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import uuid4

from middlewatch.alerts import EARLIER_INCIDENT_LEAD_SECONDS, investigation_id
from middlewatch.context_store.occurrences import Plan, Row
from middlewatch.firing import earliest
from middlewatch.occurrences import in_order
from middlewatch.records import Alert, AlertMessage, Investigation, Occurrence, Symptom, UtcDatetime, Window
from middlewatch.tools.bursts import Calls, Group, nearest_to_users

SOURCE: Final = "alert"
BY_HAND: Final = "a person"
"""The source of what somebody has investigated by hand: it says nothing of how soon alerts are."""
LONGEST_AGO: Final = timedelta(hours=1)
"""An alert that has fired for longer before it was heard of is looked at over its last hour. Chosen: what began earlier is in the
baseline's place, and a window of days costs as much as all of them."""
_LONGEST_TITLE: Final = 1024


def is_repeat(alert: Alert) -> bool:
    """Whether somebody has it investigated once more by hand: of the same alert, for which people were called before."""
    return alert.source == BY_HAND and alert.follows is not None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is asked when something is opened."""

    tenant: str
    service_of: Callable[[AlertMessage], tuple[str, str]]
    """The service that an alert is about, and why; an empty one where it maps to none, and why not. May raise `Unavailable`."""
    maintenance: Callable[[str, UtcDatetime], str]
    """Why alerts of a service open nothing at a time; empty where they do."""
    calls: Callable[[UtcDatetime], Calls]
    """Who calls whom; empty where nobody knows."""
    metric: Callable[[str, AlertMessage, UtcDatetime], str | None]
    """The metric of a service that an alert is about, as telemetry names it; None where it names none."""
    since: Callable[[Investigation, frozenset[str], UtcDatetime], tuple[str, ...]]
    """What an earlier investigation found, and what changed in services since, in words."""
    investigate: Callable[[Alert, str], Investigation]
    """Open an investigation under a name; under one that was used it is the same."""
    look: Callable[[str], Investigation]
    begun: Callable[[str], None] = lambda _name: None
    """Told of each one that was opened, before that is forgotten, and of those that alerts join; maybe more than once."""
    rate: Callable[[Investigation], object] = lambda _found: None
    """Say how severe it is. It may take a while, and may fail."""
    source: str = SOURCE
    """Who has it investigated."""


def plan_for(  # everything that it follows from
    rows: Sequence[Row], group: Group, calls: Calls, follows: Investigation | None, around: Surroundings, now: UtcDatetime
) -> tuple[str, Plan]:
    """An investigation that is to be opened for alerts.

    Args:
        rows: the alerts, one at least.
        group: the services that they belong to.
        calls: who calls whom.
        follows: the investigation of the time before.
        around: what else is asked.
        now: by the store's clock.

    Returns:
        Its id, and with what it is opened.
    """
    alerts = in_order(rows)
    count = Counter(one.service for one in alerts)
    service = nearest_to_users(frozenset(count), calls, count)
    shown = next(one for one in alerts if one.service == service)
    began = min(earliest(one, at_most=LONGEST_AGO) for one in alerts)
    # Not earlier than it was: a change of half a minute ago must not come after the detection that it led to.
    detected = max(min(began, now - timedelta(seconds=1)), now - LONGEST_AGO)
    alert = Alert(
        tenant=around.tenant,
        source=around.source,
        source_id=shown.id,
        title=_title(shown, alerts, count, group),
        detected_at=detected,
        window_end=now,
        symptom=Symptom(service=service, metric=_metric(service, alerts, around, now)) if service else None,
    )
    if follows is not None:
        since = around.since(follows, group.services, now)
        before = (*follows.alert.earlier_incidents, *_window(follows, rows, detected))
        alert = alert.model_copy(update={"follows": follows.id, "since": since, "earlier_incidents": before})
    plan = Plan(alert=alert, name=uuid4().hex)
    return investigation_id(plan.alert, plan.name), plan


def _title(shown: Occurrence, alerts: Sequence[Occurrence], count: Counter[str], group: Group) -> str:
    others = len(alerts) - 1
    if not others:
        return shown.message.title
    more = f" (and {others} more alert{'s' * (others > 1)}, of {len(count)} service{'s' * (len(count) > 1)}"
    more += f"; put together: {group.why})" if group.why else ")"
    return shown.message.title[: _LONGEST_TITLE - len(more)] + more


def _metric(service: str, alerts: Sequence[Occurrence], around: Surroundings, now: UtcDatetime) -> str | None:
    """The first one that an alert of the service names."""
    named = (around.metric(service, one.message, now) for one in alerts if one.service == service)
    return next((metric for metric in named if metric), None)


def _window(follows: Investigation, rows: Sequence[Row], detected: UtcDatetime) -> tuple[Window, ...]:
    """The time of the earlier incident: to its end, or as long as anything of it still fired."""
    start = follows.alert.detected_at - timedelta(seconds=EARLIER_INCIDENT_LEAD_SECONDS)
    fired_on = any(row.occurrence.investigation == follows.id for row in rows)
    end = detected if fired_on else min(follows.alert.window_end, detected)
    return (Window(start=start, end=end),) if end > start else ()
