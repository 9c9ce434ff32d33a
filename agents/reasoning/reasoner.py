"""The dialogues of one investigation's tasks with a language model: each agent's, the challenger's and the writer's.

What a task hands in follows from the rules' report and from what its dialogue came to. Whatever fails, the task is done, says why,
and the rules' answer stands. All dialogues of an investigation end within `Pace.seconds` of the preliminary report.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from pydantic import JsonValue

from middlewatch.agents.agent import Agents
from middlewatch.agents.language_model.reach import Reach
from middlewatch.agents.language_model.seam import AnswerSpec, LanguageModel
from middlewatch.agents.model_work import (
    ADDED,
    CALLS,
    CHALLENGE,
    PROBLEM,
    REASONING,
    added_by_models,
    by_rules,
    model_work,
    with_problem,
)
from middlewatch.agents.phases import round_of, verdict_of
from middlewatch.agents.reasoning.answers import (
    CHALLENGED,
    REASONED,
    WRITTEN,
    Citing,
    Reasoned,
    Written,
    parsed,
)
from middlewatch.agents.reasoning.calling import Account, Caller, Price, Unlimited
from middlewatch.agents.reasoning.challenger import challenged, claims_told, key_of
from middlewatch.agents.reasoning.dialogue import Bounds, Dialogue, Opening, Outcome, late
from middlewatch.agents.reasoning.digest import MOST_TOKENS, Digest, digest_of, with_added
from middlewatch.agents.reasoning.instructions import SYSTEM, challenge_instruction, reasoning_instruction, writing_instruction
from middlewatch.agents.reasoning.recurrence import carried_over
from middlewatch.agents.reasoning.showing import Showing, number
from middlewatch.agents.reasoning.specialist_reasoning import Acceptance, Accepted
from middlewatch.agents.reasoning.tools import Finds, Tools
from middlewatch.agents.reasoning.writer import Prose, written
from middlewatch.agents.weights import NO_WEIGHTS, Weights
from middlewatch.records import (
    CHALLENGER,
    AgentName,
    AgentReasoning,
    Challenge,
    Claim,
    Completion,
    Evidence,
    ModelCall,
    ModelWork,
    Purpose,
    Report,
    Snapshot,
    TaskKind,
    UtcDatetime,
)

WRITER: Final = "writer"
MOST_ATTEMPTS: Final = 2
"""Of a task with a dialogue; whoever died twice over one does without (chosen: a process may be killed for any reason once)."""
DIGEST_SHARE: Final = 0.45
"""Of what a call may read, where that is little."""
ADDED_SHARE: Final = 0.075
"""Of what a call may read, for evidence that other models added: 900 tokens of 12,000, about seven facts. Chosen."""
NOT_THERE: Final = "is not configured any more"
DIED: Final = "was given up: twice a process ended before there was an answer"

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long after the preliminary report each kind of dialogue has to be over, in seconds."""

    seconds: float = 60.0
    reasoned: float = 0.55
    """Share of it after which no agent's model is waited for."""
    challenged: float = 0.8
    ahead: float = 0.05
    """Share of it that the first agent's model has a provider's cache to itself: 3 seconds of 60. A cache has a prompt as soon as
    its model begins to answer, which takes two (chosen)."""

    def until(self, kind: TaskKind) -> float:
        """Seconds after the preliminary report."""
        return self.seconds * {TaskKind.REASON: self.reasoned, TaskKind.CHALLENGE: self.challenged}.get(kind, 1.0)


@dataclass(frozen=True, slots=True)
class Mind:
    """A language model, and what it may use in one investigation."""

    model: LanguageModel
    tools: Tools
    veil: Callable[[str], str] = lambda text: text
    """Takes out of a text what must not leave the process."""
    mark: Callable[[str], str] = lambda text: text
    """Makes of what was veiled what may be stored."""
    account: Account = field(default_factory=Unlimited)
    price: Price = field(default_factory=Price)
    weights: Weights = NO_WEIGHTS
    earlier: Report | None = None
    """Of the same incident before, where it is one that comes back."""
    caches: bool = False
    """Whether its provider charges less for what others have had it read just before."""
    kept: Callable[[ModelCall], None] = lambda _: None
    reach: Reach = field(default_factory=Reach)
    """What is known of its server, in all investigations of this process."""


@dataclass(frozen=True, slots=True)
class Reasoner:
    """Holds the dialogues of tasks. Stateless: killed and run again, a task does the same with the time that is left."""

    agents: Agents
    clock: Callable[[], UtcDatetime]
    bounds: Bounds = field(default_factory=Bounds)
    pace: Pace = field(default_factory=Pace)

    def reason(self, mind: Mind | None, snapshot: Snapshot, claim: Claim, cancelled: threading.Event) -> Completion:
        """An agent's dialogue: what it adds, or why it adds nothing.

        Args:
            mind: None where there is no language model.
            snapshot: of the investigation.
            claim: of the task.
            cancelled: set when the task is somebody else's.
        """
        agent = AgentName(str(claim.task.arguments["agent"]))
        if mind is not None and mind.caches and mind.earlier is None and _is_behind(snapshot, agent):
            cancelled.wait(self.pace.seconds * self.pace.ahead)  # what the first has kept, the others read
        session = self._session(mind, snapshot, claim, agent.value, Purpose.REASON)
        if isinstance(session, str):
            return self.unreasoned(claim, session)
        known, round_ = by_rules(snapshot), round_of(claim.task)
        earlier, alert = session.mind.earlier, snapshot.investigation.alert
        carried = carried_over(earlier, agent, alert, known.evidence) if earlier else None
        if carried is not None:
            return _reasoned(Accepted(carried), ())

        def accept(answer: object) -> Accepted:
            said, name = parsed(Reasoned, answer), session.mind.model.name
            return Acceptance(self.agents, agent, known, round_, session.citing(), name, session.mind.mark).accept(said)

        outcome = session.hold(REASONED, reasoning_instruction(agent, session.bounds.tools), accept, cancelled)
        accepted = outcome.answer or Accepted(AgentReasoning(agent=agent, problem=outcome.problem))
        votes = session.mind.weights.on_votes(accepted.votes, [*snapshot.hypotheses, *accepted.hypotheses])
        reasoning = accepted.reasoning.model_copy(update={"tools": outcome.tools})
        return _reasoned(replace(accepted, reasoning=reasoning, votes=votes), session.caller.calls)

    def challenge(
        self, mind: Mind | None, snapshot: Snapshot, claim: Claim, done: Completion, cancelled: threading.Event
    ) -> Completion:
        """The challenger's dialogue about what leads when all have voted.

        Args:
            mind: None where there is no language model.
            snapshot: of the investigation.
            claim: of the task.
            done: what the phase hands in without it.
            cancelled: set when the task is somebody else's.
        """
        voted = snapshot.model_copy(update={"votes": (*snapshot.votes, *done.votes)})
        ranked = verdict_of(self.agents, voted, round_of(claim.task)).ranked
        session = self._session(mind, snapshot, claim, CHALLENGER, Purpose.CHALLENGE)
        if not ranked:
            return done  # there is nothing to refute
        if isinstance(session, str):
            return self.unchallenged(done, session)
        leading, alert = ranked[0].hypothesis, snapshot.investigation.alert
        key, more = key_of(leading, session.digest)
        told = session.added + more + claims_told(model_work(snapshot).reasoning, session.digest, session.show)

        def accept(answer: object) -> tuple[Challenge, Citing]:
            citing = session.citing()
            return challenged(parsed(Reasoned, answer), key, leading, citing, alert, session.mind.mark), citing

        outcome = session.hold(CHALLENGED, challenge_instruction(key, told, session.bounds.tools), accept, cancelled)
        if outcome.answer is None:
            return _challenged(done, None, problem=outcome.problem, calls=session.caller.calls)
        found, citing = outcome.answer
        found = session.mind.weights.on_challenge(found.model_copy(update={"model": session.mind.model.name}), leading)
        return _challenged(done, found, evidence=tuple(citing.taken.values()), calls=session.caller.calls)

    def write(self, mind: Mind | None, snapshot: Snapshot, claim: Claim, report: Report, cancelled: threading.Event) -> Report:
        """The writer's dialogue: the report with the outcome in its words, or as it is.

        Args:
            mind: None where there is no language model.
            snapshot: of the investigation.
            claim: of the task.
            report: what is to be written about.
            cancelled: set when the task is somebody else's.
        """
        work = report.models or ModelWork()
        session = self._session(mind, snapshot, claim, WRITER, Purpose.WRITE)
        if isinstance(session, str):
            return self.unwritten(report, session)
        services = session.digest.services
        keys = {name: key for key, name in services.items()}
        named = " and ".join(f"[{keys[cause.service]}]" for cause in report.causes if cause.service in keys)
        told = session.added + claims_told(work.reasoning, session.digest, session.show)
        instruction = writing_instruction(_outcome(report, named), named, told)

        def accept(answer: object) -> Prose:
            return written(parsed(Written, answer), report, services, session.mind.mark)

        outcome = replace(session, tools=None).hold(WRITTEN, instruction, accept, cancelled)
        work = work.model_copy(update={"calls": (*work.calls, *session.caller.calls)})
        report = report.model_copy(update={"models": work})
        if outcome.answer is None:
            return self.unwritten(report, outcome.problem)
        prose = {"sentence": outcome.answer.sentence, "prose": outcome.answer.prose}
        return report.model_copy(update={"models": work.model_copy(update=prose)})

    def unreasoned(self, claim: Claim, problem: str) -> Completion:
        """What an agent's task hands in whose model did nothing."""
        agent = AgentName(str(claim.task.arguments["agent"]))
        return _reasoned(Accepted(AgentReasoning(agent=agent, problem=problem)), ())

    def unchallenged(self, done: Completion, problem: str) -> Completion:
        """What the challenger's task hands in whose model did nothing."""
        return _challenged(done, None, problem=problem)

    def unwritten(self, report: Report, problem: str) -> Report:
        """The report in the rules' words."""
        told = with_problem(report.models or ModelWork(), problem)
        return report.model_copy(update={"models": told, "missing": (*report.missing, told.problems[-1])})

    def _session(self, mind: Mind | None, snapshot: Snapshot, claim: Claim, agent: str, purpose: Purpose) -> _Session | str:
        """What a dialogue needs, or why there is none."""
        if mind is None or snapshot.preliminary is None:
            return NOT_THERE
        if claim.attempt > MOST_ATTEMPTS:
            return DIED
        left = self.pace.until(claim.task.kind) - self._gone(snapshot)
        if left <= 0:
            return late(self.pace.seconds)
        show = Showing(mind.veil)
        rules, most = snapshot.preliminary, self.bounds.prompt_tokens
        digest, added = digest_of(rules, mind.veil, min(MOST_TOKENS, int(most * DIGEST_SHARE))), ""
        if purpose is not Purpose.REASON:  # agents' models work at the same time, and see nothing of each other
            models = added_by_models(snapshot)
            facts = [fact for fact in snapshot.evidence if fact.id in models]
            digest, added = with_added(digest, facts, len(rules.evidence) + 1, show, int(most * ADDED_SHARE))
        caller = Caller(mind.model, claim, agent, purpose, mind.account, mind.price, mind.kept, self.clock, mind.reach)
        finds = Finds(claim.task, round_of(claim.task), digest, show)
        bounds = replace(self.bounds, seconds=min(self.bounds.seconds, left), of_all=self.pace.seconds)
        return _Session(mind, digest, show, caller, finds, bounds, mind.tools, added)

    def _gone(self, snapshot: Snapshot) -> float:
        """Seconds since the preliminary report, by the clock of whoever asks; never less than none, whatever the clocks."""
        answered = snapshot.answered_at
        return max(0.0, (self.clock() - answered).total_seconds()) if answered else 0.0


@dataclass(frozen=True, slots=True)
class _Session:
    """What one dialogue has."""

    mind: Mind
    digest: Digest
    show: Showing
    caller: Caller
    finds: Finds
    bounds: Bounds
    tools: Tools | None
    added: str
    """What is told of the evidence that models added before."""

    def citing(self) -> Citing:
        return Citing(self.digest, self.finds.facts)

    def hold(self, answer: AnswerSpec, instruction: str, accept: Callable[[object], A], cancelled: threading.Event) -> Outcome[A]:
        opening = Opening(SYSTEM, self.digest.text, instruction, answer, accept)
        return Dialogue(self.caller, opening, self.bounds, cancelled, self.tools, self.finds, self.mind.veil).hold()


def _is_behind(snapshot: Snapshot, agent: AgentName) -> bool:
    """Whether the first agent, whose task is enqueued before the others', is at work still."""
    first = min(snapshot.investigation.agents)
    reasoning = [s for s in snapshot.tasks if s.task.kind is TaskKind.REASON and s.task.arguments.get("agent") == first.value]
    return agent is not first and any(status.finished_at is None for status in reasoning)


def _reasoned(accepted: Accepted, calls: Sequence[ModelCall]) -> Completion:
    result: dict[str, JsonValue] = {REASONING: accepted.reasoning.model_dump(mode="json")}
    return Completion(
        result=result | _work(accepted.evidence, calls),
        evidence=accepted.evidence,
        hypotheses=accepted.hypotheses,
        votes=accepted.votes,
    )


def _challenged(
    done: Completion,
    challenge: Challenge | None,
    *,
    problem: str = "",
    evidence: Sequence[Evidence] = (),
    calls: Sequence[ModelCall] = (),
) -> Completion:
    """The phase's completion with what the challenger came to."""
    result: dict[str, JsonValue] = {CHALLENGE: challenge.model_dump(mode="json") if challenge else None, PROBLEM: problem}
    return done.model_copy(update={"result": result | _work(evidence, calls), "evidence": tuple(evidence)})


def _work(evidence: Sequence[Evidence], calls: Sequence[ModelCall]) -> dict[str, JsonValue]:
    return {ADDED: [fact.id for fact in evidence], CALLS: [call.model_dump(mode="json") for call in calls]}


def _outcome(report: Report, named: str) -> str:
    """The outcome in words of ours."""
    if not report.causes:
        return "inconclusive: nothing stands out enough"
    challenge = report.models.challenge if report.models else None
    tried = f"; the attempt to refute it ended: {challenge.verdict}" if challenge else ""
    return f"the cause is {named or 'a service that is not listed'}, confidence {number(report.confidence)}{tried}"
