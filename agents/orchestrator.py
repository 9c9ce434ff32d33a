"""The orchestrator: plan, ask the agents, form hypotheses, ask for votes, conclude; once more, wider, when that is inconclusive.

Where language models are asked as well, what the rules conclude is the preliminary report. Then the agents' models reason, one
tries to refute the outcome, and the votes of both voices are counted.

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
from middlewatch.agents.hypothesising import hypothesis
from middlewatch.agents.model_work import by_rules, challenge_of, model_work
from middlewatch.agents.phases import assessments, phase_task, round_of, rules_verdict, verdict_of
from middlewatch.agents.reporting import Heard, build_report
from middlewatch.agents.voting import Verdict, candidates
from middlewatch.records import (
    AgentName,
    Completion,
    FanOut,
    Hypothesis,
    Report,
    Snapshot,
    Task,
    TaskKind,
    UtcDatetime,
    Voice,
    Vote,
)

FOLLOWS = {TaskKind.INVESTIGATE: TaskKind.HYPOTHESISE, TaskKind.VOTE: TaskKind.CONCLUDE, TaskKind.REASON: TaskKind.CHALLENGE}
"""What is done when every agent has done its task."""
_ENTRIES = {kind: kind.value for kind in TaskKind} | {TaskKind.WRITE: "write_report"}


class Phase(TypedDict):
    """What travels through the graph within one task. Plain values only; nothing of it outlives the task."""

    snapshot: Snapshot
    kind: TaskKind
    round: int
    now: UtcDatetime
    asked: Annotated[list[Task], operator.add]
    hypotheses: tuple[Hypothesis, ...]
    votes: tuple[Vote, ...]
    verdict: Verdict | None
    report: Report | None


class Asked(TypedDict):
    """What one branch of the fan-out is given."""

    snapshot: Snapshot
    round: int
    kind: TaskKind
    agent: AgentName


class Orchestrator:
    """Runs the phases of investigations with a given set of agents. Language models are asked elsewhere; here, they are counted."""

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
            "votes": (),
            "verdict": None,
            "report": None,
        }
        end = self.graph.invoke(start)
        asked: list[Task] = sorted(end["asked"], key=lambda t: t.id)
        fan_out, report = None, end["report"]
        if asked:
            fan_out = FanOut(tasks=tuple(asked), then=phase_task(snapshot, FOLLOWS[asked[0].kind], round_of(asked[0])))
        elif task.kind is TaskKind.CHALLENGE:
            fan_out = FanOut(tasks=(), then=phase_task(snapshot, TaskKind.WRITE, round_of(task)))
        told = {"report": report} if fan_out is None else {"preliminary": report}
        return Completion(hypotheses=end["hypotheses"], votes=end["votes"], fan_out=fan_out, **told)

    def _compile(self) -> CompiledStateGraph[Phase]:
        graph = StateGraph(Phase)
        graph.add_node("plan", self._plan)
        graph.add_node("hypothesise", self._hypothesise)
        graph.add_node("ask_agent", self._ask_agent)
        graph.add_node("conclude", self._conclude)
        graph.add_node("write_report", self._write_report)
        graph.add_node("challenge", self._challenge)
        graph.add_conditional_edges(
            START, lambda state: _ENTRIES[state["kind"]], ["plan", "hypothesise", "conclude", "challenge", "write_report"]
        )
        graph.add_conditional_edges("plan", self._fan_out(TaskKind.INVESTIGATE), ["ask_agent"])
        graph.add_conditional_edges("hypothesise", self._votes_or_conclusion, ["ask_agent", "conclude"])
        graph.add_conditional_edges("conclude", _after_conclusion, ["plan", "write_report"])
        graph.add_conditional_edges("write_report", self._models_or_end, ["ask_agent", END])
        graph.add_edge("ask_agent", END)
        graph.add_edge("challenge", END)
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
        services = candidates(self._agents, found)
        return {"hypotheses": tuple(hypothesis(self._agents, snapshot, number, service, found) for service in services)}

    def _votes_or_conclusion(self, state: Phase) -> list[Send] | str:
        return self._fan_out(TaskKind.VOTE)(state) if state["hypotheses"] else "conclude"

    def _conclude(self, state: Phase) -> dict[str, Any]:
        return {"verdict": self._verdict(state["snapshot"], state["round"])}

    def _write_report(self, state: Phase) -> dict[str, Any]:
        """Report the round that is surest; a wider look may drown what a closer one has shown. Models have looked at one round."""
        snapshot, last = state["snapshot"], state["round"]
        reasoned = state["kind"] is TaskKind.WRITE
        verdicts = {number: self._verdict(snapshot, number) for number in ([last] if reasoned else range(1, last + 1))}
        surest = max(verdicts, key=lambda number: verdicts[number].confidence)
        found = assessments(snapshot, surest)
        heard = Heard(model_work(snapshot), rules_verdict(self._agents, snapshot, surest)) if reasoned else None
        return {
            "report": build_report(self._agents, snapshot, surest, found, verdicts[surest], state["now"], heard),
            "round": surest,
        }

    def _models_or_end(self, state: Phase) -> list[Send] | str:
        first = state["kind"] is not TaskKind.WRITE and state["snapshot"].investigation.models
        return self._fan_out(TaskKind.REASON)(state) if first else END

    def _challenge(self, state: Phase) -> dict[str, Any]:
        """Put to the rules' vote what models alone propose."""
        snapshot, number = by_rules(state["snapshot"]), state["round"]
        found = assessments(snapshot, number)
        voted = {vote.hypothesis for vote in snapshot.votes if vote.voice is Voice.RULES}
        new = [h for h in snapshot.hypotheses if h.round == number and h.id not in voted]
        agents = [self._agents[name] for name in snapshot.investigation.agents]
        return {"votes": tuple(agent.vote(h, found.get(agent.name), snapshot.evidence) for h in new for agent in agents)}

    def _verdict(self, snapshot: Snapshot, number: int) -> Verdict:
        return verdict_of(self._agents, snapshot, number, challenge_of(snapshot))


def _after_conclusion(state: Phase) -> str:
    verdict = state["verdict"]
    assert verdict is not None  # noqa: S101  set by the node before this edge
    return "plan" if verdict.inconclusive and state["round"] < ROUNDS else "write_report"
