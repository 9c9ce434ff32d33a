"""The orchestrator: plan, ask the agents, form hypotheses, ask for votes, conclude; once more, wider, when that is inconclusive.

It is a LangGraph graph without state of its own. Each task of the orchestrator enters the graph at the phase that the context
store shows, runs until the work has to be handed to agents or is done, and returns what to record and what to enqueue. Any worker
may run any phase; killed and run again, a phase reads the same snapshot and records the same.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Send

from middlewatch.agents.agent import Agents
from middlewatch.agents.briefing import ROUNDS
from middlewatch.agents.causes import infer_cause
from middlewatch.agents.phases import assessments, phase_task, round_of
from middlewatch.agents.reporting import build_report
from middlewatch.agents.voting import Assessments, Verdict, candidates, tally
from middlewatch.records import (
    AgentName,
    Completion,
    FanOut,
    Hypothesis,
    Report,
    Signal,
    Snapshot,
    Task,
    TaskKind,
    UtcDatetime,
    digest_of,
)
from middlewatch.tools.wording import quoted

EVIDENCE_CITED = 8
"""Facts that a hypothesis cites at most, strongest first; the rest stays in the shared context."""


class Phase(TypedDict):
    """What travels through the graph within one task. Plain values only; nothing of it outlives the task."""

    snapshot: Snapshot
    kind: TaskKind
    round: int
    now: UtcDatetime
    asked: Annotated[list[Task], operator.add]
    hypotheses: tuple[Hypothesis, ...]
    verdict: Verdict | None
    report: Report | None


class Asked(TypedDict):
    """What one branch of the fan-out is given."""

    snapshot: Snapshot
    round: int
    kind: TaskKind
    agent: AgentName


class Orchestrator:
    """Runs the phases of investigations with a given set of agents."""

    def __init__(self, agents: Agents, clock: Callable[[], UtcDatetime]) -> None:
        self._agents = agents
        self._clock = clock
        self.graph = self._compile()
        """The compiled graph; `graph.get_graph().draw_mermaid()` is the picture in docs/architecture.md."""

    def run(self, snapshot: Snapshot, task: Task) -> Completion:
        """Run one phase.

        Args:
            snapshot: everything the store holds of the investigation.
            task: the phase's task; its `round` argument says which round.

        Returns:
            Hypotheses to record, tasks to enqueue with what follows them, or the report that closes the investigation.
        """
        start: Phase = {
            "snapshot": snapshot,
            "kind": task.kind,
            "round": round_of(task),
            "now": self._clock(),
            "asked": [],
            "hypotheses": (),
            "verdict": None,
            "report": None,
        }
        end = self.graph.invoke(start)
        asked: list[Task] = sorted(end["asked"], key=lambda t: t.id)
        fan_out = None
        if asked:
            then = TaskKind.CONCLUDE if asked[0].kind is TaskKind.VOTE else TaskKind.HYPOTHESISE
            fan_out = FanOut(tasks=tuple(asked), then=phase_task(snapshot, then, round_of(asked[0])))
        return Completion(hypotheses=end["hypotheses"], fan_out=fan_out, report=end["report"])

    def _compile(self) -> CompiledStateGraph[Phase]:
        graph = StateGraph(Phase)
        graph.add_node("plan", self._plan)
        graph.add_node("hypothesise", self._hypothesise)
        graph.add_node("ask_agent", self._ask_agent)
        graph.add_node("conclude", self._conclude)
        graph.add_node("write_report", self._write_report)
        graph.add_conditional_edges(START, lambda state: state["kind"].value, ["plan", "hypothesise", "conclude"])
        graph.add_conditional_edges("plan", self._fan_out(TaskKind.INVESTIGATE), ["ask_agent"])
        graph.add_conditional_edges("hypothesise", self._votes_or_conclusion, ["ask_agent", "conclude"])
        graph.add_conditional_edges("conclude", _after_conclusion, ["plan", "write_report"])
        graph.add_edge("ask_agent", END)
        graph.add_edge("write_report", END)
        return graph.compile()

    def _plan(self, state: Phase) -> dict[str, Any]:
        return {"round": state["round"] if state["verdict"] is None else state["round"] + 1}

    def _fan_out(self, kind: TaskKind) -> Callable[[Phase], list[Send]]:
        def sends(state: Phase) -> list[Send]:
            return [
                Send("ask_agent", Asked(snapshot=state["snapshot"], round=state["round"], kind=kind, agent=name))
                for name in state["snapshot"].investigation.agents
            ]

        return sends

    def _ask_agent(self, state: Asked) -> dict[str, Any]:
        investigation = state["snapshot"].investigation
        task = Task(
            tenant=investigation.tenant,
            investigation=investigation.id,
            id=f"r{state['round']}-{state['kind']}-{state['agent']}",
            kind=state["kind"],
            arguments={"round": state["round"], "agent": state["agent"].value},
        )
        return {"asked": [task]}

    def _hypothesise(self, state: Phase) -> dict[str, Any]:
        snapshot, number = state["snapshot"], state["round"]
        found = assessments(snapshot, number)
        return {
            "hypotheses": tuple(self._hypothesis(snapshot, number, service, found) for service in candidates(self._agents, found))
        }

    def _hypothesis(self, snapshot: Snapshot, number: int, service: str, found: Assessments) -> Hypothesis:
        investigation = snapshot.investigation
        about = sorted(
            (e for e in snapshot.evidence if e.round == number and service in (e.anomaly.service, e.anomaly.peer)),
            key=lambda e: (-e.anomaly.strength, e.id),
        )
        surprise = {name: self._agents[name].surprise(a, service) for name, a in found.items() if service in a.scores}
        changes = [fresh for a in found.values() for fresh in a.freshness if fresh.signal is Signal.CHANGES]
        return Hypothesis(
            tenant=investigation.tenant,
            investigation=investigation.id,
            id="hy-" + digest_of(investigation.id, number, service)[:16],
            round=number,
            service=service,
            statement=f"{quoted(service)} is where it started.",
            evidence=tuple(e.id for e in about[:EVIDENCE_CITED]),
            cause=infer_cause(service, about, surprise, changes_known=any(fresh.watermark is not None for fresh in changes)),
        )

    def _votes_or_conclusion(self, state: Phase) -> list[Send] | str:
        return self._fan_out(TaskKind.VOTE)(state) if state["hypotheses"] else "conclude"

    def _conclude(self, state: Phase) -> dict[str, Any]:
        return {"verdict": self._verdict(state["snapshot"], state["round"])}

    def _write_report(self, state: Phase) -> dict[str, Any]:
        """Report the round that is surest; a wider look may drown what a closer one has shown."""
        snapshot = state["snapshot"]
        verdicts = {number: self._verdict(snapshot, number) for number in range(1, state["round"] + 1)}
        surest = max(verdicts, key=lambda number: verdicts[number].confidence)
        return {
            "report": build_report(self._agents, snapshot, surest, assessments(snapshot, surest), verdicts[surest], state["now"])
        }

    def _verdict(self, snapshot: Snapshot, number: int) -> Verdict:
        return tally(
            self._agents,
            assessments(snapshot, number),
            [h for h in snapshot.hypotheses if h.round == number],
            [v for v in snapshot.votes if v.round == number],
        )


def _after_conclusion(state: Phase) -> str:
    verdict = state["verdict"]
    assert verdict is not None  # noqa: S101  set by the node before this edge
    return "plan" if verdict.inconclusive and state["round"] < ROUNDS else "write_report"
