"""The logs agent. Log patterns that are new, gone, or more or less frequent than they were."""

from __future__ import annotations

from middlewatch.agents.agent import Agent
from middlewatch.records import AgentName, Signal
from middlewatch.tools.logs import assess_logs
from middlewatch.tools.sharing import shared

LOGS = Agent(name=AgentName.LOGS, signal=Signal.LOGS, usual_top=0.15, assess=shared(assess_logs))
