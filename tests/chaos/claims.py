"""Kills workers and Redis by the hundred while they work, and counts what was lost or done twice.

Run it as ``python tests/chaos/claims.py --workers 8 --tasks 5000 --worker-kills 500 --redis-kills 20 --stall 0.1``. It prints
its counts as JSON and exits with 0 when nothing was lost and nothing was finished twice. With ``--without-fence`` the check of
the fencing token is cut out of FINISH (here, not in the product), and the same run must report double finishes: so it can fail.

A stalled task sleeps past its lease between its last look and its FINISH, without a renewal, as a process does that the
operating system suspends: the worst moment there is.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from redis import Redis

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from middlewatch.context_store import scripts
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.redis_server import RedisServer, connect
from middlewatch.context_store.store import EVENTS_AT_ONCE, ContextStore
from middlewatch.context_store.worker import Lease, Worker
from middlewatch.records import Claim, Completion, Event, FanOut, Investigation, InvestigationState, TaskKind, TaskState
from middlewatch.records.errors import LeaseLost, MiddlewatchError
from tests.store_data import make_evidence, make_investigation, make_report, make_task

LEASE_SECONDS = 0.5
"""Short, so that a run sees many leases end; a worker's task takes a tenth of it."""

WORK_SECONDS = 0.05
TASKS_EACH = 50
"""Of one investigation: a plan, a fan-out, and a conclusion."""

MAX_ATTEMPTS = 100
"""No task may die here by being unlucky; poison tasks have their own tests."""

TENANT = "chaos"
FENCE = "not holds(task, owner, token_epoch, token_counter)"
LINE = 80
"""Bytes of one acknowledgement, so that the size of the file tells their number."""


@dataclass(frozen=True, slots=True)
class Attack:
    """What is done to the store."""

    workers: int
    tasks: int
    worker_kills: int
    redis_kills: int
    stall: float
    without_fence: bool
    seed: int


class SleepyStore(ContextStore):
    """A store whose process falls asleep just before some of its FINISH reach it, and notes what was acknowledged."""

    def __init__(self, url: str, stall: float, acknowledged: Path) -> None:
        super().__init__(connect_patiently(url), epoch=Epoch(), lease_seconds=LEASE_SECONDS, max_attempts=MAX_ATTEMPTS)
        self._stall = stall
        self._asleep: set[tuple[str, int]] = set()
        self._acknowledged = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def renew(self, claim: Claim) -> None:
        if _name(claim) not in self._asleep:
            super().renew(claim)

    def finish(self, claim: Claim, completion: Completion) -> bool:
        if claim.attempt == 1 and random.Random(f"{claim.task.investigation} {claim.task.id}").random() < self._stall:
            self._asleep.add(_name(claim))
            time.sleep(2.5 * LEASE_SECONDS)
        try:
            first = super().finish(claim, completion)
        except LeaseLost:
            self._note("stale", claim)
            raise
        self._note("done" if first else "replayed", claim)
        return first

    def _note(self, word: str, claim: Claim) -> None:
        line = f"{word} {claim.task.investigation} {claim.task.id} {claim.token.epoch}.{claim.token.counter}"
        os.write(self._acknowledged, f"{line:<{LINE - 1}}\n".encode())


def _name(claim: Claim) -> tuple[str, int]:
    return claim.task.investigation, claim.token.counter


def connect_patiently(url: str) -> Redis:
    """Connect, also while Redis is down for a moment."""
    while True:
        try:
            return connect(url)
        except MiddlewatchError:
            time.sleep(0.02)


def plan(claim: Claim, _: Lease) -> Completion:
    """Fans out to every other task of the investigation."""
    of = make_investigation(TENANT, claim.task.investigation)
    tasks = tuple(make_task(f"look-{n}", investigation=of) for n in range(TASKS_EACH - 2))
    return Completion(fan_out=FanOut(tasks=tasks, then=make_task("conclude", investigation=of, kind=TaskKind.CONCLUDE)))


def look(claim: Claim, lease: Lease) -> Completion:
    """Takes its time and finds one thing."""
    time.sleep(random.uniform(0.5, 1.5) * WORK_SECONDS)
    lease.check()
    of = make_investigation(TENANT, claim.task.investigation)
    return Completion(result={"attempt": claim.attempt}, evidence=(make_evidence(claim.task.id, investigation=of),))


def conclude(claim: Claim, _: Lease) -> Completion:
    """Reports."""
    return Completion(report=make_report(make_investigation(TENANT, claim.task.investigation)))


def work(url: str, attack: Attack, acknowledged: Path) -> None:
    """One worker process, until it is killed."""
    cut_fence(attack)
    store = SleepyStore(url, attack.stall, acknowledged)
    handlers = {TaskKind.PLAN: plan, TaskKind.INVESTIGATE: look, TaskKind.CONCLUDE: conclude}
    Worker(store, handlers, name=f"worker-{os.getpid()}").run(threading.Event())


def cut_fence(attack: Attack) -> None:
    if attack.without_fence:
        text = scripts.finish.text.replace(FENCE, "false")
        if text == scripts.finish.text:
            raise SystemExit("the fence was not found in finish.lua")
        scripts.finish.text = text


class Chaos:
    """One run."""

    def __init__(self, attack: Attack, folder: Path) -> None:
        self.attack = attack
        self.acknowledged = folder / "acknowledged"
        self.acknowledged.touch()
        self.server = RedisServer(folder / "redis")
        self.context: ForkServerContext = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["tests.chaos.claims"])
        self.workers: list[ForkServerProcess] = []
        self.random = random.Random(attack.seed)

    def run(self) -> dict[str, object]:
        """Open investigations, attack while they run, count."""
        began = time.monotonic()
        count = self.attack.tasks // TASKS_EACH
        investigations = [make_investigation(TENANT, f"inv-{n:04}", f"alert-{n}") for n in range(count)]
        with self.server:
            store = ContextStore(self.server.client(), epoch=Epoch(), lease_seconds=LEASE_SECONDS, max_attempts=MAX_ATTEMPTS)
            for investigation in investigations:
                store.open(investigation, make_task("plan", investigation=investigation, kind=TaskKind.PLAN))
            try:
                self.workers = [self._started() for _ in range(self.attack.workers)]
                self._attack(store, investigations)
            finally:
                for worker in self.workers:
                    worker.kill()
                    worker.join()
            counts = self._counts(store, investigations)
        return {**asdict(self.attack), **counts, "seconds": round(time.monotonic() - began, 1)}

    def _attack(self, store: ContextStore, investigations: Sequence[Investigation]) -> None:
        """Kill in step with the progress, so that every kill meets work; then wait for the end."""
        kills = ["worker"] * self.attack.worker_kills + ["redis"] * self.attack.redis_kills
        self.random.shuffle(kills)
        for n, kind in enumerate(kills, start=1):
            while self._progress() < 0.95 * n / len(kills):
                time.sleep(0.002)
            if kind == "redis":
                os.kill(self.server.pid, signal.SIGKILL)
            else:
                victim = self.random.randrange(len(self.workers))
                self.workers[victim].kill()
                self.workers[victim].join()
                self.workers[victim] = self._started()
        while any(store.investigation(TENANT, i.id).state is InvestigationState.OPEN for i in investigations):
            time.sleep(0.1)

    def _progress(self) -> float:
        return self.acknowledged.stat().st_size / LINE / self.attack.tasks

    def _started(self) -> ForkServerProcess:
        process = self.context.Process(target=work, args=(self.server.url, self.attack, self.acknowledged), daemon=True)
        process.start()
        return process

    def _counts(self, store: ContextStore, investigations: Sequence[Investigation]) -> dict[str, object]:
        """What the store recorded, against what was asked for and what workers were told."""
        happened: Counter[str] = Counter()
        finished: Counter[tuple[str, str]] = Counter()
        done: set[tuple[str, str]] = set()
        evidence = 0
        for investigation in investigations:
            for event in all_events(store, investigation):
                happened[event.kind] += 1
                if event.kind == "task.finished":
                    finished[investigation.id, str(event.data["task"])] += 1
            snapshot = store.snapshot(TENANT, investigation.id)
            done |= {(investigation.id, status.task.id) for status in snapshot.tasks if status.state is TaskState.DONE}
            evidence += len(snapshot.evidence)
        words = [line.split() for line in self.acknowledged.read_text().splitlines()]
        acknowledged = Counter((of, task) for word, of, task, _ in words if word == "done")
        expected = len(investigations) * TASKS_EACH
        return {
            "lost": expected - len(done) + len(set(acknowledged) - done),
            "finished_twice": sum(n > 1 for n in finished.values()) + sum(n > 1 for n in acknowledged.values()),
            "done": len(done),
            "evidence": evidence,
            "evidence_expected": len(investigations) * (TASKS_EACH - 2),
            "reports": happened["investigation.closed"],
            "claims": happened["task.claimed"],
            "reaped": happened["task.reaped"],
            "stale_refused": sum(word == "stale" for word, *_ in words),
            "dead": happened["task.dead"],
        }


def all_events(store: ContextStore, investigation: Investigation) -> list[Event]:
    found: list[Event] = []
    while more := store.events(TENANT, investigation.id, after=found[-1].id if found else ""):
        found += more
        if len(more) < EVENTS_AT_ONCE:
            break
    return found


def main() -> int:
    """Run the attack that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--worker-kills", type=int, default=500)
    parser.add_argument("--redis-kills", type=int, default=20)
    parser.add_argument("--stall", type=float, default=0.1, help="share of the tasks that sleep past their lease")
    parser.add_argument("--without-fence", action="store_true", help="cut the fence check out of FINISH")
    parser.add_argument("--seed", type=int, default=1)
    attack = Attack(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory(prefix="mw-chaos-") as folder:
        counts = Chaos(attack, Path(folder)).run()
    sys.stdout.write(json.dumps(counts, indent=1) + "\n")
    return 0 if counts["lost"] == 0 and counts["finished_twice"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
