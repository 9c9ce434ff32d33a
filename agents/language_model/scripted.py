"""A language model that says what a script says: for tests, and for evaluations that need no network.

It implements the seam like any other, waits and fails by request, and keeps what it was asked.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from middlewatch.agents.language_model.seam import ModelFailure, Replied, Reply, Request, ToolCall
from middlewatch.records import CallOutcome, Tokens

_CHARACTERS_OF_A_TOKEN = 4
"""Of English prose, roughly; providers' own counts differ by language and model."""


@dataclass(frozen=True, slots=True)
class Line:
    """One reply of a script: calls of tools, or an answer, or text, or a failure."""

    text: str = ""
    calls: tuple[tuple[str, Mapping[str, JsonValue]], ...] = ()
    """Name and arguments of each tool that it asks for."""
    answer: Mapping[str, JsonValue] | None = None
    failure: CallOutcome | None = None
    seconds: float = 0.0
    """That it takes; a wait that the caller's time and a cancellation cut short."""
    tokens: Tokens | None = None
    """None for what the texts would take at four characters a token."""


Script = Callable[[Request], Line]
"""What is said to a request. It is called from several threads at a time."""


def spoken(request: Request) -> int:
    """How often the model has spoken in this dialogue."""
    return sum(isinstance(turn, Replied) for turn in request.turns)


def dialogues(lines: Mapping[str, Iterable[Line]], *, key: Callable[[Request], str] | None = None) -> Script:
    """A script of several dialogues that may run side by side: which line is due follows from the request alone.

    Args:
        lines: of each dialogue, in order; '' is the dialogue of all that are not named. The last line is said again for ever.
        key: names the dialogue that a request belongs to; by default the name of the answer that it asks for.

    Returns:
        A script that fails, as a server would, where nothing is written for a dialogue.
    """
    written = {name: tuple(said) for name, said in lines.items()}

    def say(request: Request) -> Line:
        name = key(request) if key is not None else request.answer.name if request.answer is not None else ""
        said = written.get(name) or written.get("") or (Line(failure=CallOutcome.FAILED),)
        return said[min(spoken(request), len(said) - 1)]

    return say


@dataclass(slots=True)
class ScriptedModel:
    """A model that follows a script."""

    script: Script
    provider: str = "scripted"
    name: str = "scripted-1"
    host: str = "scripted.invalid"
    requests: list[Request] = field(default_factory=list)
    """All that it was asked, in the order of arrival."""

    def respond(self, request: Request, *, seconds: float, cancelled: threading.Event) -> Reply:
        """What the script says to it.

        Raises:
            ModelFailure: it says so, the time is over, or it was cancelled.
        """
        if cancelled.is_set():
            raise ModelFailure("The call was cancelled.", CallOutcome.CANCELLED, attempts=0)
        if seconds <= 0:
            raise ModelFailure("There was no time left for the call.", CallOutcome.TIMED_OUT, attempts=0)
        self.requests.append(request)
        line = self.script(request)
        if cancelled.wait(min(line.seconds, seconds)):
            raise ModelFailure("The call was cancelled.", CallOutcome.CANCELLED)
        if line.seconds > seconds:
            raise ModelFailure("The model did not answer in time.", CallOutcome.TIMED_OUT)
        if line.failure is not None:
            raise ModelFailure(f"The script ends this call: {line.failure.value}.", line.failure)
        return _reply(request, line)

    def close(self) -> None:
        """There is nothing to let go of."""


def _reply(request: Request, line: Line) -> Reply:
    turn = spoken(request)
    calls = tuple(ToolCall(f"call-{turn}-{index}", name, arguments) for index, (name, arguments) in enumerate(line.calls))
    answer = line.answer if request.answer is not None and not calls else None
    text = json.dumps(dict(answer)) if answer is not None else line.text
    return Reply(Replied(text, calls), line.tokens or _counted(request, text, line), answer, f"scripted-{turn}")


def _counted(request: Request, text: str, line: Line) -> Tokens:
    asked = [request.system, *(tool.description + str(tool.schema) for tool in request.tools)]
    for turn in request.turns:
        asked += [turn.text]
        if not isinstance(turn, Replied):
            asked += [result.text for result in turn.results]
    said = len(text) + sum(len(name) + len(str(arguments)) for name, arguments in line.calls)
    return Tokens(input=_tokens(sum(map(len, asked))), output=_tokens(said))


def _tokens(characters: int) -> int:
    return -(-characters // _CHARACTERS_OF_A_TOKEN)
