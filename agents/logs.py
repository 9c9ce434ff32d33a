"""The logs agent. Log patterns that are new, gone, or more or less frequent than they were."""

from __future__ import annotations

from middlewatch.agents.agent import Agent
from middlewatch.records import AgentName, Signal
from middlewatch.tools.logs import assess_logs
from middlewatch.tools.sharing import shared

USUAL_TOP = 0.15
"""Chosen, between what `surprise` makes of the tops of earlier moments on development recordings, whose lowest two thirds have a
mean of 0.04, and the mean of all of them, 0.3. At most of those moments nobody's log lines are unusual at all."""

LOGS = Agent(name=AgentName.LOGS, signal=Signal.LOGS, usual_top=USUAL_TOP, assess=shared(assess_logs))
