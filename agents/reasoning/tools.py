"""What a model may ask to be looked up, and the facts that come of it. Read-only: a tool reads telemetry and returns records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from pydantic import JsonValue

from middlewatch.agents.language_model.seam import ToolSpec
from middlewatch.agents.reasoning.digest import Digest, traits
from middlewatch.agents.reasoning.showing import Lines, Showing
from middlewatch.records import AgentName, Anomaly, Evidence, Record, Task, evidence_id

RESULT_TOKENS: Final = 1_100
"""Of one answer of a tool, so that several fit into a call (chosen, not derived)."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a tool found."""

    record: Record
    agent: AgentName | None = None
    """Whose analysis it was, where it was one."""
    facts: Sequence[Anomaly] = ()
    """What that analysis found, strongest first: the one thing that can become evidence."""


class Tools(Protocol):
    """The read-only tools, bound to the telemetry of one investigation."""

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What there is; the same for every agent, so that a provider can cache it."""
        ...

    def look(self, name: str, arguments: Mapping[str, JsonValue]) -> Looked:
        """Run one.

        Raises:
            MiddlewatchError: it cannot be answered, or is not asked for as its schema says.
        """
        ...


@dataclass(slots=True)
class Finds:
    """The facts that the tool calls of one dialogue found, each under a key such as `t3.2`."""

    task: Task
    round: int
    digest: Digest
    show: Showing
    facts: dict[str, Evidence] = field(default_factory=dict)

    def told(self, number: int, looked: Looked) -> str:
        """What a model is told of the answer of its tool call `number`, facts under their keys."""
        if looked.agent is None:
            return self.show.record(looked.record, RESULT_TOKENS)
        known = {traits(fact.anomaly): key for key, fact in self.digest.evidence.items()}
        lines = Lines(RESULT_TOKENS)
        for index, anomaly in enumerate(looked.facts, 1):
            key = known.get(traits(anomaly), f"t{number}.{index}")
            if lines.add(self.show.fact(key, looked.agent, anomaly)) and key not in self.digest.evidence:
                self.facts[key] = self._evidence(looked.agent, anomaly)
        notes = [self.show.said(note, "note") for note in getattr(looked.record, "notes", ())[:4]]
        return "\n".join([lines.text("facts") or "no facts", *notes])

    def _evidence(self, agent: AgentName, anomaly: Anomaly) -> Evidence:
        return Evidence(
            tenant=self.task.tenant,
            investigation=self.task.investigation,
            id=evidence_id(self.task.id, anomaly),
            agent=agent,
            round=self.round,
            anomaly=anomaly,
        )
