"""The metrics agent. Saturation, latency, traffic and errors of every service and instance, each against its own history."""

from __future__ import annotations

from middlewatch.agents.agent import Agent
from middlewatch.records import AgentName, Signal
from middlewatch.tools.metrics import assess_metrics
from middlewatch.tools.sharing import shared

USUAL_TOP = 1.5
"""The scores of this analysis are -ln of a probability already, so a quiet moment's top is about 1 whatever the system: on the
development recordings 1.1 on the average, and 0.75 at the median. Chosen a little above, for histories that are short; any value
from 0.75 to 2 leaves the ranking of those recordings as it is."""

METRICS = Agent(name=AgentName.METRICS, signal=Signal.METRICS, usual_top=USUAL_TOP, assess=shared(assess_metrics))
