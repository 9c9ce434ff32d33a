"""Strikes a process at the n-th moment at which it touches anything outside itself: just before or just after a call.

What lies between two such moments nobody can tell apart from outside, so these are all the moments there are.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from middlewatch.context_store.processes import pid_in
from middlewatch.context_store.script import Script
from middlewatch.records import ActionResult, Inspection, Order, Result, Scalar, Undo

KILL, REDIS, ALL, PAUSE = "kill", "redis", "all", "pause"
"""What a blow does: SIGKILL to the process, to Redis, to both and the other process; or SIGSTOP, and SIGCONT when its lease is long
over."""

IDLE = frozenset({"tenants", "take_due"})
"""Scripts that a process calls again and again while there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Blow:
    """What happens to whom, and when."""

    role: str
    moment: int
    """1 is the first; 0 is never."""
    kind: str


class Trap:
    """Counts the moments of a process, and strikes at one of them."""

    def __init__(self, folder: Path, role: str, blow: Blow | None) -> None:
        self._folder = folder
        self._role = role
        self._blow = blow
        self._count = 0
        self._off = False
        (folder / f"{role}.pid").write_text(str(os.getpid()))

    def moment(self, label: str) -> None:
        """Something outside is about to be touched, or just was. Only the main thread's moments count."""
        if self._off or threading.current_thread() is not threading.main_thread():
            return
        self._count += 1
        if self._blow is None:
            append(self._folder / f"{self._role}.moments", {"label": label})
        elif self._blow.moment == self._count:
            append(self._folder / "struck", {"role": self._role, "kind": self._blow.kind, "label": label})
            self._strike(self._blow.kind)

    @contextmanager
    def off(self) -> Iterator[None]:
        """Moments in the block do not count: waiting takes as many as it takes."""
        self._off = True
        yield
        self._off = False

    def install(self) -> None:
        """Count every call of a script."""
        original = Script.__call__

        def watched(script: Any, *args: Any, **kwargs: Any) -> Any:
            if script.name not in IDLE:
                self.moment(f"before {script.name}")
            reply = original(script, *args, **kwargs)
            if script.name not in IDLE or (script.name == "take_due" and reply[1] is not None):
                self.moment(f"after {script.name}")
            return reply

        Script.__call__ = watched  # type: ignore[method-assign, assignment]

    def _strike(self, kind: str) -> None:
        victims = {
            KILL: (self._role,),
            REDIS: ("redis",),
            ALL: ("redis", "worker" if self._role == "executor" else "executor", self._role),
        }
        for name in victims.get(kind, ()):
            if pid := pid_in(self._folder / f"{name}.pid"):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        if kind == PAUSE:
            (self._folder / "paused").write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGSTOP)


def append(file: Path, line: dict[str, Any]) -> None:
    """One JSON line, durable when this returns."""
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, json.dumps(line).encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


class World:
    """The hands of the executor, and a journal that outlives everybody. It does everything that it is told, also twice."""

    def __init__(self, journal: Path, trap: Trap, *, blind: bool) -> None:
        self._journal = journal
        self._trap = trap
        self._blind = blind

    def inspect(self, action: str, target: str, parameters: dict[str, Scalar]) -> Inspection:
        del action, target, parameters
        self._trap.moment("before the inspection")
        self._trap.moment("after the inspection")
        return Inspection(version={"revision": 7})

    def run(self, order: Order) -> ActionResult:
        self._trap.moment("before the effect")
        append(self._journal, {"digest": order.digest, "request": order.request, "at_ms": int(time.time() * 1000)})
        self._trap.moment("after the effect")
        return ActionResult(result=Result.DONE)

    def probe(self, order: Order) -> ActionResult:
        """The truth, or nothing at all where nobody can look."""
        self._trap.moment("before the probe")
        done = any(line["digest"] == order.digest for line in lines(self._journal))
        self._trap.moment("after the probe")
        truth = Result.DONE if done else Result.NOT_DONE
        return ActionResult(result=Result.UNKNOWN if self._blind else truth)

    def undo(self, order: Order) -> Undo | None:
        del order
        return Undo(action="nudge")
