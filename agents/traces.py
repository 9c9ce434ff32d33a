"""The traces agent. Self time of operations, time lost between services, and calls that vanish or appear."""

from __future__ import annotations

from middlewatch.agents.agent import Agent
from middlewatch.records import AgentName, Signal
from middlewatch.tools.sharing import shared
from middlewatch.tools.traces import assess_traces

TRACES = Agent(name=AgentName.TRACES, signal=Signal.TRACES, usual_top=0.3, assess=shared(assess_traces))
