"""What the agents are doing, while they do it: a small table that updates itself on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from middlewatch.frontends import quantity
from middlewatch.frontends.cli.page import Column, Page, Span, Tone
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.steps import ORCHESTRATOR, WHOLE, Happened, Step, counted
from middlewatch.records import AgentName

if TYPE_CHECKING:
    from middlewatch.app import App

_FRAMES_PER_SECOND = 8
_TONES = {
    "task.claimed": Tone.WORK,
    "task.finished": Tone.PLAIN,
    "task.failed": Tone.WAIT,
    "task.reaped": Tone.WAIT,
    "task.dead": Tone.FAULT,
}


@dataclass(slots=True)
class _Line:
    """Where one agent stands."""

    words: str = "waiting"
    facts: int = 0
    since: float = 0.0
    began_at: datetime | None = None
    took: float | None = 0.0
    """Seconds of its last task by the events' times, so that it is right of what happened before; None while it works on one."""
    tone: Tone = Tone.SOFT


@dataclass(slots=True)
class _Board:
    """The table's contents."""

    clock: Callable[[], float]
    started: float
    headline: str = "starting"
    facts: int = 0
    lines: dict[str, _Line] = field(default_factory=lambda: {agent.value: _Line() for agent in AgentName})

    def apply(self, step: Step) -> None:
        self.facts += step.facts
        who, words = step.who, step.words
        if who == ORCHESTRATOR or step.event.kind in WHOLE:
            self.headline = words or self.headline
        if who in {"", ORCHESTRATOR}:
            return
        line = self.lines.setdefault(who, _Line())
        line.facts += step.facts
        if step.event.kind == "task.claimed":
            self.headline = f"agents {words}"
            line.words, line.since, line.began_at, line.took = words, self.clock(), step.event.at, None
        elif words and step.event.kind != "evidence.appended":
            if line.took is None and line.began_at is not None:
                line.took = max(0.0, (step.event.at - line.began_at).total_seconds())
            line.words = words
        line.tone = _TONES.get(step.event.kind, line.tone)

    def page(self, width: int, say: Quotation) -> Page:
        page = Page(width, say)
        parts = [self.headline, counted(self.facts, "fact", "facts"), quantity.duration(self.clock() - self.started)]
        page.heading("Investigating", Span(", ".join(parts)))
        rows = []
        for name, line in self.lines.items():
            seconds = self.clock() - line.since if line.took is None else line.took
            facts = counted(line.facts, "fact", "facts") if line.facts else ""
            rows.append(
                (
                    Span(name),
                    Span(line.words, line.tone),
                    Span(facts),
                    Span(quantity.duration(seconds) if seconds else "", Tone.SOFT),
                )
            )
        page.table((Column(), Column(elastic=True), Column(right=True), Column(right=True)), rows)
        return page


def rules_answer(app: App, investigation: str) -> str:
    """What the rules answer while language models look at it; empty where they do not any more."""
    found = app.snapshot(investigation).preliminary
    return f"The rules answer, {quantity.percent(found.confidence)} sure: {found.answer}" if found is not None else ""


class Progress:
    """Shows an investigation's events as they come. Use it as a context manager.

    On a terminal the table is wiped when the investigation ends or is interrupted; nothing of it stays behind.
    """

    def __init__(
        self, *, color: bool, ascii_only: bool = False, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is written before the context is entered.

        Args:
            color: whether to use the sixteen standard colours.
            ascii_only: for terminals that cannot show UTF-8.
            stream: where to write; standard error where absent, so that a report can be piped on.
            clock: seconds that only rise.
        """
        self._stream = stream or sys.stderr
        self._say = Quotation(ascii_only=ascii_only)
        self._color = color
        self._lock = threading.Lock()
        self._board = _Board(clock, clock())
        self._console = Console(
            file=self._stream,
            force_terminal=self._stream.isatty(),
            color_system="standard" if color else None,
            no_color=not color,
            highlight=False,
            markup=False,
            emoji=False,
        )
        moving = self._console.is_terminal and not self._console.is_dumb_terminal
        self._live = (
            Live(
                console=self._console,
                get_renderable=self.frame,
                refresh_per_second=_FRAMES_PER_SECOND,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            if moving
            else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, event: Happened) -> None:
        """Take note of one event. Kinds that are not known are shown by their name."""
        step = Step(event)
        with self._lock:
            self._board.apply(step)
        if self._live is None and step.words:
            said = f"{step.who}: {step.words}" if step.who else step.words
            self.say(f"{event.at:%H:%M:%S} {said}")

    def say(self, line: str) -> None:
        """A line that stays; above the table where there is one."""
        clean = self._say.clean(line)
        if self._live is None:
            self._stream.write(clean + "\n")
            self._stream.flush()
        else:
            self._live.console.print(clean, markup=False, highlight=False, soft_wrap=True)

    def frame(self) -> Text:
        """What a terminal shows now."""
        with self._lock:
            page = self._board.page(self._console.width - 1, self._say)
        frame = Text.from_ansi(page.text(color=self._color), no_wrap=True, overflow="crop")
        frame.rstrip()
        return frame
