"""The work on an investigation in words: one step for each event, as live views tell it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import JsonValue

from middlewatch.records import TaskKind

PRELIMINARY = "report.preliminary"
"""The event of the rules' answer."""
ORCHESTRATOR = "orchestrator"
"""Whose the tasks are that no agent does."""
_DOING = {
    TaskKind.PLAN: "planning",
    TaskKind.INVESTIGATE: "looking",
    TaskKind.HYPOTHESISE: "forming hypotheses",
    TaskKind.VOTE: "voting",
    TaskKind.CONCLUDE: "concluding",
    TaskKind.REASON: "reasoning with a language model",
    TaskKind.CHALLENGE: "trying to refute the answer with a language model",
    TaskKind.WRITE: "writing the report",
}
_MADE = {TaskKind.HYPOTHESISE: ("hypothesis", "hypotheses"), TaskKind.VOTE: ("vote", "votes")}
WHOLE = {
    "investigation.opened": "opened",
    PRELIMINARY: "the rules have answered; language models look at it",
    "investigation.closed": "done",
    "investigation.cancelled": "cancelled",
    "investigation.stalled": "stalled: no task is left that could go on, a person must look",
}


class Happened(Protocol):
    """An event of an investigation, from whichever stream."""

    @property
    def at(self) -> datetime: ...
    @property
    def kind(self) -> str: ...
    @property
    def data(self) -> dict[str, JsonValue]: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One event, read. Its data come from a store that others write to: whatever is not there, or not of the right kind, is
    left out.
    """

    event: Happened

    @property
    def who(self) -> str:
        return self._text("agent") or (ORCHESTRATOR if self._text("task_kind") else "")

    @property
    def round(self) -> int:
        found = re.match(r"r(\d{1,4})-", self._text("task"))
        return self._count("round") or (int(found[1]) if found else 0)

    @property
    def facts(self) -> int:
        """Facts that this event added to the shared context."""
        looking = self._text("task_kind") == TaskKind.INVESTIGATE
        return self._count("written") if looking and self.event.kind in {"evidence.appended", "task.finished"} else 0

    @property
    def words(self) -> str:  # noqa: PLR0911  one line for each kind of event
        """What happened, in words; empty where it is of no interest to a reader."""
        kind, error = self.event.kind, self._text("error")
        if kind == "task.ready":
            return ""
        if kind == "task.claimed":
            counts = (("round", self.round), ("attempt", self._count("attempt")))
            return ", ".join([self._doing, *(f"{name} {count}" for name, count in counts if count > 1)])
        if kind == "evidence.appended":
            return counted(self._count("written"), "fact", "facts")
        if kind == "task.finished":
            return self._finished
        if kind in {"task.failed", "task.dead"}:
            return f"{'failed, will be tried again' if kind == 'task.failed' else 'gave up'}{': ' if error else ''}{error}"
        if kind == "task.given_back":
            return "handed back"
        if kind == "task.reaped":
            return "its worker is gone, another one takes over"
        return WHOLE.get(kind) or " ".join(part for part in (kind, self._text("summary")) if part)

    @property
    def _doing(self) -> str:
        kind = self._text("task_kind")
        return next((words for known, words in _DOING.items() if known == kind), kind or "working")

    @property
    def _finished(self) -> str:
        made = next((names for known, names in _MADE.items() if known == self._text("task_kind")), None)
        if made:
            return counted(self._count("written"), *made)
        return "" if self.who == ORCHESTRATOR else "done"  # what it brought about shows in what follows

    def _text(self, key: str) -> str:
        value = self.event.data.get(key)
        return value if isinstance(value, str) else ""

    def _count(self, key: str) -> int:
        value = self.event.data.get(key)
        return value if isinstance(value, int) else 0


def counted(number: int, one: str, many: str) -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else many}"
