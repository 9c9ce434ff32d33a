"""The metrics agent. Saturation, latency, traffic and errors of every service and instance, each against its own history."""

from __future__ import annotations

from middlewatch.agents.agent import Agent
from middlewatch.records import AgentName, Signal
from middlewatch.tools.metrics import assess_metrics
from middlewatch.tools.sharing import shared

METRICS = Agent(name=AgentName.METRICS, signal=Signal.METRICS, usual_top=1.5, assess=shared(assess_metrics))
