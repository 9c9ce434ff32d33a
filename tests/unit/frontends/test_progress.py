"""Invariant: watching never gets in the way. Whatever the events say, nothing is left on the terminal afterwards, also when the
watcher is interrupted, and no event can break the display or the investigation.
"""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from middlewatch.frontends.cli.progress import Progress
from middlewatch.frontends.steps import Step
from middlewatch.records import AgentName, Event

AT = datetime(2026, 11, 21, 1, 56, 2, tzinfo=UTC)


def event(kind: str, **data: JsonValue) -> Event:
    return Event(id="1-0", at=AT, kind=kind, data=data)


def task(kind: str, agent: str, task_kind: str = "investigate", number: int = 1, **data: JsonValue) -> Event:
    return event(kind, task=f"r{number}-{task_kind}-{agent}", task_kind=task_kind, agent=agent, **data)


INVESTIGATION = [
    event("investigation.opened"),
    event("task.claimed", task="r1-plan", task_kind="plan", owner="w", attempt=1),
    event("task.finished", task="r1-plan", task_kind="plan", written=0),
    *(task("task.ready", name) for name in AgentName),
    *(task("task.claimed", name, owner="w", attempt=1) for name in AgentName),
    task("task.failed", "logs", error="the source \x1b[2J refused"),
    task("task.reaped", "traces", owner="w"),
    task("task.claimed", "traces", owner="v", attempt=2),
    task("evidence.appended", "metrics", written=3, known=0),
    task("evidence.appended", "traces", written=1, known=2),
    *(task("task.finished", name, written=0) for name in AgentName if name is not AgentName.LOGS),
    task("task.dead", "logs", error="the source refused"),
    event("task.claimed", task="r1-hypothesise", task_kind="hypothesise", attempt=1),
    event("task.finished", task="r1-hypothesise", task_kind="hypothesise", written=2),
    task("task.claimed", "metrics", "vote", attempt=1),
    task("task.finished", "metrics", "vote", written=2),
    event("epoch.raised", epoch=2),
    task("task.claimed", "metrics", "investigate", 2, attempt=1),
    event("investigation.closed"),
]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Screen:
    """As much of a terminal as it takes to see what stays on it."""

    def __init__(self, written: str) -> None:
        self.lines: list[str] = [""]
        self.row = 0
        self.cursor_shown = True
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\n\r]|[^\x1b\n\r]+", written):
            self._take(part)

    def _take(self, part: str) -> None:
        if part == "\n":
            self.row += 1
            self.lines += [""] * (self.row + 1 - len(self.lines))
        elif part == "\x1b[2K":
            self.lines[self.row] = ""
        elif up := re.fullmatch(r"\x1b\[(\d+)A", part):
            self.row -= int(up[1])
        elif part in {"\x1b[?25l", "\x1b[?25h"}:
            self.cursor_shown = part.endswith("h")
        elif part == "\r" or re.fullmatch(r"\x1b\[[0-9;]*m", part):
            pass
        else:
            assert part.isprintable(), part
            self.lines[self.row] += part


def test_elsewhere_than_on_a_terminal_each_event_is_one_plain_line() -> None:
    stream = io.StringIO()
    with Progress(color=True, stream=stream) as progress:
        for one in INVESTIGATION:
            progress.show(one)
    assert stream.getvalue().splitlines() == [
        "01:56:02 opened",
        "01:56:02 orchestrator: planning",
        "01:56:02 metrics: looking",
        "01:56:02 logs: looking",
        "01:56:02 traces: looking",
        "01:56:02 deploys: looking",
        r"01:56:02 logs: failed, will be tried again: the source \x1b[2J refused",
        "01:56:02 traces: its worker is gone, another one takes over",
        "01:56:02 traces: looking, attempt 2",
        "01:56:02 metrics: 3 facts",
        "01:56:02 traces: 1 fact",
        "01:56:02 metrics: done",
        "01:56:02 traces: done",
        "01:56:02 deploys: done",
        "01:56:02 logs: gave up: the source refused",
        "01:56:02 orchestrator: forming hypotheses",
        "01:56:02 orchestrator: 2 hypotheses",
        "01:56:02 metrics: voting",
        "01:56:02 metrics: 2 votes",
        "01:56:02 epoch.raised",
        "01:56:02 metrics: looking, round 2",
        "01:56:02 done",
    ]


def _last_frame(events: list[Event], *, color: bool = False) -> tuple[list[str], Terminal]:
    stream = Terminal()
    ticks = iter(range(1000))
    progress = Progress(color=color, stream=stream, clock=lambda: float(next(ticks)))
    with progress:
        for one in events:
            progress.show(one)
        frame = progress.frame().plain.splitlines()
    return frame, stream


def test_on_a_terminal_there_is_a_line_for_each_agent() -> None:
    frame, _ = _last_frame(INVESTIGATION[:-2])
    assert [line.split()[0] for line in frame] == ["Investigating", *AgentName]
    assert "4 facts" in frame[0]
    assert "2 votes" in frame[1]
    assert "3 facts" in frame[1]
    assert "gave up: the source refused" in frame[2]
    assert "done" in frame[3]


def test_a_second_round_is_said() -> None:
    frame, _ = _last_frame(INVESTIGATION[:-1])
    assert "round 2" in frame[0]


@pytest.mark.parametrize("color", [True, False])
def test_nothing_stays_on_the_terminal(*, color: bool) -> None:
    _, stream = _last_frame(INVESTIGATION, color=color)
    screen = Screen(stream.getvalue())
    assert "Investigating" in stream.getvalue()
    assert "".join(screen.lines).strip() == ""
    assert screen.cursor_shown
    assert color == bool(re.search(r"\x1b\[[0-9;]+m", stream.getvalue()))


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_nothing_stays_when_it_is_interrupted(interruption: type[BaseException]) -> None:
    stream = Terminal()

    def watch() -> None:
        with Progress(color=True, stream=stream) as progress:
            progress.show(INVESTIGATION[0])
            raise interruption

    with pytest.raises(interruption):
        watch()
    screen = Screen(stream.getvalue())
    assert "".join(screen.lines).strip() == ""
    assert screen.cursor_shown


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)
DATA = st.dictionaries(st.sampled_from(["agent", "task", "task_kind", "written", "attempt", "error", "round", "summary"]), JSON)
KINDS = st.sampled_from([one.kind for one in INVESTIGATION]) | st.text(max_size=20)


@given(st.lists(st.tuples(KINDS, DATA), max_size=6))
def test_any_event_can_be_shown(events: list[tuple[str, dict[str, JsonValue]]]) -> None:
    stream = io.StringIO()
    with Progress(color=False, stream=stream) as progress:
        for kind, data in events:
            progress.show(Event(id="1-0", at=AT, kind=kind, data=data))
        frame = progress.frame().plain
    assert all(line.isprintable() for line in [*frame.splitlines(), *stream.getvalue().split("\n")])
    assert len(stream.getvalue().splitlines()) <= len(events)


@pytest.mark.parametrize("kind", ["reason", "challenge"])
def test_what_models_do_is_told_as_what_somebody_is_doing(kind: str) -> None:
    """It stands behind names, and behind 'agents'."""
    words = Step(task("task.claimed", "metrics", kind, attempt=1)).words
    assert re.match(r"(reasoning|trying) .*with a language model$", words)
