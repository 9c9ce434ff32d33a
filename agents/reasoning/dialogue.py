"""One agent's dialogue with a language model: calls, tool calls and an answer, all of it bounded, and any failure an outcome.

The model may ask for tools a few times, and then has to answer in the form that is asked for. The same tool call is answered from
before the second time, and the third time it ends the dialogue. An answer that does not fit is asked for once more.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeVar

from middlewatch.agents.language_model.seam import (
    AnswerSpec,
    Asked,
    Effort,
    ModelFailure,
    Reply,
    Request,
    ToolCall,
    ToolResult,
    Turn,
)
from middlewatch.agents.language_model.veiled import veiled
from middlewatch.agents.reasoning.bounded import bounded
from middlewatch.agents.reasoning.calling import Caller
from middlewatch.agents.reasoning.size import OVERHEAD, cut_to, request_tokens, tokens_at_most
from middlewatch.agents.reasoning.tools import RESULT_TOKENS, Finds, Tools
from middlewatch.records import CallOutcome
from middlewatch.records.errors import MiddlewatchError

A = TypeVar("A")

PROMPT_TOKENS: Final = 12_000
"""That a model reads in one call, at most."""
SAME_CALL: Final = 3
"""How often the same tool call may be asked for, the last time in vain."""
MOST_AT_ONCE: Final = 16
"""Tool calls of one reply; whoever asks for more is not reasoning (chosen)."""
LEAST_SECONDS: Final = 1.0
"""With less left, no call is begun (chosen: no model answers sooner)."""
_LONGEST_MISFIT: Final = 400
"""Characters of what was wrong with an answer that its model is told."""

WORDS: Final = {
    CallOutcome.REFUSED: "refused to answer",
    CallOutcome.CUT: "was cut off before the end",
    CallOutcome.TIMED_OUT: "did not answer in time",
    CallOutcome.OVERLOADED: "was overloaded",
    CallOutcome.FAILED: "gave no answer",
    CallOutcome.MALFORMED: "answered in a form that cannot be read",
    CallOutcome.OVER_BUDGET: "had no budget left",
    CallOutcome.CANCELLED: "was interrupted",
}
"""What became of a model that failed, as it is told after its name."""
LOOPED: Final = "asked for the same again and again"
INSATIABLE: Final = "went on asking for tools instead of answering"
UNFIT: Final = "answered in another form than was asked for"


class Misfit(Exception):
    """An answer that does not fit. Its words are ours: nothing of what the model wrote is in them."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one dialogue may take."""

    calls: int = 3
    tools: int = 6
    prompt_tokens: int = PROMPT_TOKENS
    output_tokens: int = 1_500
    seconds: float = 30.0
    of_all: float = 60.0
    """Seconds that all dialogues of the investigation have; whoever is late is told to have had no more."""


def late(seconds: float) -> str:
    """What became of a model that did not answer in time.

    Args:
        seconds: that all models of an investigation have.
    """
    return f"{WORDS[CallOutcome.TIMED_OUT]}: one investigation's models have {seconds:g} s (`seconds` in models.toml)"


@dataclass(frozen=True, slots=True)
class Opening(Generic[A]):
    """How a dialogue begins, and what it has to come to."""

    system: str
    digest: str
    """What all agents are shown."""
    instruction: str
    """What this one is asked."""
    answer: AnswerSpec
    accept: Callable[[object], A]
    """Takes the structured answer, or raises `Misfit`."""
    effort: Effort = Effort.LOW


@dataclass(frozen=True, slots=True)
class Outcome(Generic[A]):
    """What a dialogue came to."""

    answer: A | None
    problem: str = ""
    """Why there is no answer, as it is told after 'the model'."""
    tools: int = 0
    """Tool calls that were run."""


class _Given(Exception):
    """It ends here."""


@dataclass(slots=True)
class Dialogue(Generic[A]):
    """One dialogue. It is held once."""

    caller: Caller
    opening: Opening[A]
    bounds: Bounds
    cancelled: threading.Event
    tools: Tools | None = None
    finds: Finds | None = None
    veil: Callable[[str], str] = lambda text: text
    """Takes out of a text what must not leave the process. What is counted is what leaves."""
    clock: Callable[[], float] = time.monotonic
    _turns: list[Turn] = field(default_factory=list)
    _asked: Counter[str] = field(default_factory=Counter)
    _before: dict[str, ToolResult] = field(default_factory=dict)
    _run: int = 0
    _deadline: float = 0.0
    _scale: float = 1.0
    """By how much a provider counts more tokens than we do."""

    def hold(self) -> Outcome[A]:
        """Hold it to its end. It never takes longer than its bounds, and nothing that a model or its server does is raised."""
        self._deadline = self.clock() + self.bounds.seconds
        self._turns = [Asked(self.opening.digest, cached=True), Asked(self.opening.instruction)]
        try:
            return Outcome(self._answer(), tools=self._run)
        except ModelFailure as failure:
            return Outcome(None, self._told(failure), self._run)
        except _Given as given:
            return Outcome(None, str(given), self._run)

    def _told(self, failure: ModelFailure) -> str:
        """What became of the model, with what whoever mends it has to know."""
        words = WORDS.get(failure.outcome, failure.outcome.value)
        match failure.outcome:
            case CallOutcome.OVER_BUDGET:
                return f"{words} for another call: {failure.message.rstrip('.')}"
            case CallOutcome.FAILED:
                return f"{words}: {failure.message.rstrip('.')}"
            case CallOutcome.TIMED_OUT:
                return late(self.bounds.of_all)
            case _:
                return words

    def _answer(self) -> A:
        misfits = 0
        for left in range(self.bounds.calls - 1, -1, -1):
            reply = self._call()
            self._turns.append(reply.turn)
            if reply.turn.calls:
                self._count(reply.turn.calls)
                if self.tools is None or not left or len(reply.turn.calls) > MOST_AT_ONCE:
                    raise _Given(INSATIABLE)
                self._turns.append(self._results(reply.turn.calls, last=left == 1))
                continue
            try:
                return self.opening.accept(reply.answer)
            except Misfit as misfit:
                misfits += 1
                if misfits > 1:
                    break
                self._turns.append(
                    Asked(f"That does not fit: {str(misfit)[:_LONGEST_MISFIT]} Answer once more, in the form asked for.")
                )
        raise _Given(UNFIT)

    def _call(self) -> Reply:
        left = self._deadline - self.clock()
        if left < LEAST_SECONDS:
            raise ModelFailure("There was no time left for another call.", CallOutcome.TIMED_OUT, attempts=0)
        request = self._request()
        counted = request_tokens(request)
        if counted * self._scale > self.bounds.prompt_tokens:
            raise ModelFailure("it would be too long", CallOutcome.OVER_BUDGET, attempts=0)
        reply = self.caller.ask(request, seconds=left, cancelled=self.cancelled)
        self._scale = max(self._scale, reply.tokens.prompt / counted)
        return reply

    def _request(self) -> Request:
        opening = self.opening
        request = Request(
            system=opening.system,
            turns=tuple(self._turns),
            tools=self.tools.specs if self.tools is not None else (),
            answer=opening.answer,
            most_tokens=self.bounds.output_tokens,
            effort=opening.effort,
        )
        return veiled(request, self.veil)

    def _results(self, calls: tuple[ToolCall, ...], *, last: bool) -> Asked:
        """What the tools answer; with the last of it the model has to answer itself."""
        results: list[ToolResult] = []
        for call in calls:
            results.append(self._result(call, results))
        over = last or self._run >= self.bounds.tools or not self._room(results)
        return Asked(_ANSWER_NOW if over else "", tuple(results))

    def _room(self, pending: Sequence[ToolResult]) -> bool:
        """Whether one more answer of a tool fits into the next call, beside those that are there, and that it is the last."""
        taken = sum(tokens_at_most(result.text) + OVERHEAD for result in pending) + RESULT_TOKENS + OVERHEAD + _CLOSING_TOKENS
        return (request_tokens(self._request()) + taken) * self._scale <= self.bounds.prompt_tokens

    def _count(self, calls: tuple[ToolCall, ...]) -> None:
        self._asked.update(map(_key, calls[: MOST_AT_ONCE + 1]))
        if max(self._asked.values()) >= SAME_CALL:
            raise _Given(LOOPED)

    def _result(self, call: ToolCall, pending: Sequence[ToolResult]) -> ToolResult:
        """What a tool answers, or why it does not."""
        key = _key(call)
        if not self._room(pending) or (key not in self._before and self._run >= self.bounds.tools):
            return ToolResult(call, "No tool may be called any more.", failed=True)
        if key not in self._before:
            self._run += 1
            self._before[key] = self._looked(call)
        return replace(self._before[key], call=call)

    def _looked(self, call: ToolCall) -> ToolResult:
        tools, finds = self.tools, self.finds
        assert tools is not None and finds is not None  # noqa: S101, PT018  whoever gives tools gives both
        try:
            looked = bounded(
                lambda: tools.look(call.name, call.arguments), self._deadline - self.clock() - LEAST_SECONDS, self.cancelled
            )
        except TimeoutError:
            return ToolResult(call, "It took too long.", failed=True)
        except MiddlewatchError as error:
            return ToolResult(call, finds.show.said(f"{error.message} {error.remedy}".strip(), "problem"), failed=True)
        return ToolResult(call, cut_to(finds.told(self._run, looked), RESULT_TOKENS))


def _key(call: ToolCall) -> str:
    """The same for the same call, however its arguments are ordered."""
    return f"{call.name} {json.dumps(dict(call.arguments), sort_keys=True, default=str)}"


_ANSWER_NOW: Final = "No tool may be called any more. Answer now, in the form asked for."
_CLOSING_TOKENS: Final = tokens_at_most(_ANSWER_NOW) + OVERHEAD
