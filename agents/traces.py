"""The traces agent. Self time of operations, time lost between services, and calls that vanish or appear."""

from __future__ import annotations

from middlewatch.agents.agent import Agent
from middlewatch.records import AgentName, Signal
from middlewatch.tools.sharing import shared
from middlewatch.tools.traces import assess_traces

USUAL_TOP = 1.0
"""The scores of this analysis are surprises already, and a quiet moment's top surprises by a nat, whatever the system."""

TRACES = Agent(name=AgentName.TRACES, signal=Signal.TRACES, usual_top=USUAL_TOP, assess=shared(assess_traces))
