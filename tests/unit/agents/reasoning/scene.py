"""An investigation with a scripted model, in memory: the real orchestrator, the real dialogues, and tools that answer at once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from middlewatch.agents.language_model.scripted import Line, Script, ScriptedModel, dialogues
from middlewatch.agents.language_model.seam import LanguageModel, ToolSpec
from middlewatch.agents.reasoning.reasoner import Mind, Reasoner
from middlewatch.agents.reasoning.tools import Looked
from middlewatch.app import AGENTS
from middlewatch.records import AgentName, Anomaly, AnomalyKind, Assessment, Claim, Completion, FencingToken, Task, TaskKind
from middlewatch.records.errors import BadInput
from middlewatch.records.question import ServiceRow, ServicesAnswer
from tests.unit.agents.shared_context import NOW, WINDOW, Finding, SharedContext, anomaly, assessment

SPEC = ToolSpec("assess_traces", "Look at requests", {"type": "object", "properties": {}, "required": []})


def loud(agent: AgentName, _round: int) -> Assessment:
    return assessment(agent, {"victim": 3.0, "cause": 30.0, "other": 1.0} if agent is not AgentName.DEPLOYS else {"cause": 2.0})


@dataclass
class FakeTools:
    """Tools that find one fact more, list services, or refuse."""

    calls: list[tuple[str, Mapping[str, JsonValue]]] = field(default_factory=list)
    found: tuple[Anomaly, ...] = (anomaly("cause", 7.0, AnomalyKind.OPERATION, "SELECT orders"),)
    specs: tuple[ToolSpec, ...] = (SPEC, replace(SPEC, name="list_services"))

    def look(self, name: str, arguments: Mapping[str, JsonValue]) -> Looked:
        self.calls.append((name, arguments))
        rows = (ServiceRow(service="cause", metrics=True, logs=True, traces=True, changes=False),)
        record = ServicesAnswer(window=WINDOW, services=rows)
        if name == "list_services":
            return Looked(record)
        if name != SPEC.name:
            raise BadInput(f"There is no tool {name!r}.")
        return Looked(record, AgentName.TRACES, self.found)


REASONED: Mapping[str, JsonValue] = {
    "claims": [{"text": "Its latency rose from 1 ms to 2 ms.", "evidence": ["e1"]}],
    "add_evidence": [],
    "suspects": [],
    "votes": [{"hypothesis": "h1", "position": "support", "probability": 0.9, "reason": "it began there", "evidence": ["e1"]}],
}
CHALLENGED: Mapping[str, JsonValue] = {
    **REASONED,
    "votes": [
        {"hypothesis": "h1", "position": "support", "probability": 0.9, "reason": "nothing speaks against it", "evidence": ["e1"]}
    ],
}
WRITTEN: Mapping[str, JsonValue] = {
    "sentence": "[s1] is where it started: its latency rose from 1 ms to 2 ms.",
    "prose": "The latency of [s1] rose from 1 ms to 2 ms, and [s2] waited for it.",
}
GOOD = {"reasoned": [Line(answer=REASONED)], "challenged": [Line(answer=CHALLENGED)], "written": [Line(answer=WRITTEN)]}
"""What a model says that does well."""


def good(**other: Line) -> Script:
    """The same with other lines in some dialogues."""
    return dialogues({**GOOD, **{name: [line] for name, line in other.items()}})


class Scene(SharedContext):
    """Runs an investigation in memory, dialogues and all."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        findings: Finding = loud,
        reasoner: Reasoner | None = None,
        attempt: int = 1,
        model: LanguageModel | None = None,
        absent: bool = False,
        asked: tuple[AgentName, ...] = tuple(AgentName),
    ) -> None:
        super().__init__(findings, asked)
        with_models = self.snapshot.investigation.model_copy(update={"models": True})
        self.snapshot = self.snapshot.model_copy(update={"investigation": with_models})
        self.scripted = ScriptedModel(script or good())
        self.tools = FakeTools()
        self.mind = None if absent else Mind(model or self.scripted, self.tools)
        self.reasoner = reasoner or Reasoner(AGENTS, clock=lambda: NOW)
        self.attempt = attempt
        self.event: type[threading.Event] = threading.Event

    def _do(self, task: Task) -> Completion | None:
        claim = Claim(task=task, owner="ann", token=FencingToken(epoch=1, counter=1), attempt=self.attempt, lease_seconds=30.0)
        free = self.event()
        if task.kind is TaskKind.REASON:
            return self.reasoner.reason(self.mind, self.snapshot, claim, free)
        done = super()._do(task)
        if done is not None and task.kind is TaskKind.CHALLENGE:
            return self.reasoner.challenge(self.mind, self.snapshot, claim, done, free)
        if done is not None and task.kind is TaskKind.WRITE:
            assert done.report is not None
            written = self.reasoner.write(self.mind, self.snapshot, claim, done.report, free)
            return done.model_copy(update={"report": written})
        return done
