"""Dialogues that were recorded from a real model, said again: an evaluation that costs nothing and comes out the same.

Placeholders of secrets have other letters in each investigation, so they are kept by their numbers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from middlewatch.agents.language_model.seam import LanguageModel, ModelFailure, Replied, Reply, Request, ToolCall
from middlewatch.context_store.placeholders import Placeholders
from middlewatch.records import CallOutcome, Tokens
from middlewatch.records.base import digest_of
from middlewatch.records.errors import BadInput

FORMAT: Final = "middlewatch.dialogues/v1"
_NUMBERED: Final = "[redacted:#{}]"
"""In the place of a placeholder."""


def _said(request: Request) -> str:
    """All that a request says."""
    turns = [
        [turn.text, [[call.name, dict(call.arguments)] for call in turn.calls]]
        if isinstance(turn, Replied)
        else [turn.text, [[result.text, result.failed] for result in turn.results]]
        for turn in request.turns
    ]
    tools = [[tool.name, tool.description, dict(tool.schema)] for tool in request.tools]
    answer = None if request.answer is None else [request.answer.name, dict(request.answer.schema)]
    return json.dumps([request.system, turns, tools, answer], sort_keys=True)


def _numbered(text: str, placeholders: Sequence[str]) -> str:
    for number, placeholder in enumerate(placeholders):
        text = text.replace(placeholder, _NUMBERED.format(number))
    return text


def _lettered(text: str, placeholders: Sequence[str]) -> str:
    for number, placeholder in enumerate(placeholders):
        text = text.replace(_NUMBERED.format(number), placeholder)
    return text


def question(request: Request) -> str:
    """The digest of a request; equal requests are answered the same, whichever provider is behind them."""
    said = _said(request)
    return digest_of(_numbered(said, Placeholders.found_in(said)))


class RecordingModel:
    """Asks another model, and keeps what was said in a file that only its owner can read. Failures are not kept."""

    def __init__(self, model: LanguageModel, path: Path) -> None:
        self._model = model
        self._path = path
        self._lock = threading.Lock()
        self.provider, self.name, self.host = model.provider, model.name, model.host
        if not path.exists():
            path.touch(mode=0o600)
            self._keep({"format": FORMAT, "provider": self.provider, "model": self.name})

    def respond(self, request: Request, *, seconds: float, cancelled: threading.Event) -> Reply:
        """Ask it.

        Raises:
            ModelFailure: as it does.
        """
        reply = self._model.respond(request, seconds=seconds, cancelled=cancelled)
        self._keep(
            {
                "question": question(request),
                "text": reply.turn.text,
                "calls": [[call.id, call.name, dict(call.arguments)] for call in reply.turn.calls],
                "answer": None if reply.answer is None else dict(reply.answer),
                "tokens": reply.tokens.model_dump(),
            },
            Placeholders.found_in(_said(request)),
        )
        return reply

    def close(self) -> None:
        """Close the model behind it."""
        self._model.close()

    def _keep(self, line: dict[str, Any], placeholders: Sequence[str] = ()) -> None:
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(_numbered(json.dumps(line, ensure_ascii=True), placeholders) + "\n")


class RecordedModel:
    """Says what was recorded; whatever was never asked fails, as a server would."""

    host = "recorded.invalid"

    def __init__(self, path: Path) -> None:
        """Read a recording.

        Raises:
            BadInput: it is none.
        """
        try:
            head, *lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            known = head["format"] == FORMAT
            self.provider, self.name = str(head["provider"]), str(head["model"])
            self._replies = {line["question"]: json.dumps(line) for line in lines if _reply(line)}
        except (OSError, ValueError, KeyError, TypeError):
            known = False
        if not known:
            raise BadInput(f"{path} holds no recorded dialogues.", remedy="Record them again from a real model.")

    def respond(self, request: Request, *, seconds: float, cancelled: threading.Event) -> Reply:
        """What was said to this request.

        Raises:
            ModelFailure: nothing was, there is no time, or it was cancelled.
        """
        if cancelled.is_set():
            raise ModelFailure("The call was cancelled.", CallOutcome.CANCELLED, attempts=0)
        if seconds <= 0:
            raise ModelFailure("There was no time left for the call.", CallOutcome.TIMED_OUT, attempts=0)
        line = self._replies.get(question(request))
        if line is None:
            raise ModelFailure("Nothing was recorded for this request.", CallOutcome.FAILED)
        return _reply(json.loads(_lettered(line, Placeholders.found_in(_said(request)))))

    def close(self) -> None:
        """There is nothing to let go of."""


def _reply(line: dict[str, Any]) -> Reply:
    calls = tuple(ToolCall(str(identifier), str(name), _object(arguments)) for identifier, name, arguments in line["calls"])
    answer = None if line["answer"] is None else _object(line["answer"])
    return Reply(Replied(str(line["text"]), calls), Tokens.model_validate(line["tokens"]), answer, "recorded")


def _object(value: object) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise TypeError
    return value
