"""From an alert to what an agent is asked in each round."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from middlewatch.records import Brief, Investigation, Window
from middlewatch.tools.timeline import healthy_until

LEAD_SECONDS = 240.0
"""How far before its detection a fault is looked for in the first round. Alert rules commonly need a breach to last for up to
five minutes, most fire within four of the beginning."""
WIDER_LEAD_SECONDS = 900.0
"""The same in the second round, for what grew slowly."""
ROUNDS = 2


@dataclass(frozen=True, slots=True)
class History:
    """How much of the past the rounds compare with, in hours."""

    first_hours: float = 24.0
    wider_hours: float = 72.0


def brief(investigation: Investigation, number: int, history: History) -> Brief:
    """What the agents are asked in round `number`; the second asks about a wider window against a longer history.

    No window reaches back into an earlier incident that was known to be over, since what happened then is explained already, nor
    into the healthy time that is taken to follow it.
    """
    lead, hours = (LEAD_SECONDS, history.first_hours) if number == 1 else (WIDER_LEAD_SECONDS, history.wider_hours)
    alert = investigation.alert
    over = [known.end for known in alert.earlier_incidents if known.end <= alert.detected_at]
    start = max([alert.detected_at - timedelta(seconds=lead), *(healthy_until(end, alert.detected_at) for end in over)])
    return Brief(
        scope=investigation.scope,
        alert=alert,
        incident=Window(start=start, end=alert.window_end),
        baseline=Window(start=start - timedelta(hours=hours), end=start),
        round=number,
    )
