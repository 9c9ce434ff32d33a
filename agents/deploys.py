"""The deploy correlator. Deploys, configuration, flags, scaling and migrations shortly before the onset; innocent ones cleared.

A change alone never makes a hypothesis: something must deviate in the service that changed, or downstream of it.
"""

from __future__ import annotations

from middlewatch.agents.agent import Agent
from middlewatch.records import AgentName, Signal
from middlewatch.tools.deploys import assess_deploys

DEPLOYS = Agent(name=AgentName.DEPLOYS, signal=Signal.CHANGES, usual_top=1.0, assess=assess_deploys)
