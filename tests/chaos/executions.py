"""Kills whoever takes part in an execution, at every step of it, and counts what was done twice, unannounced, or forgotten.

Run it as ``python tests/chaos/executions.py``. Each run has a Redis, a worker (proposes, approves, tends what is due) and an
executor whose hands write to a journal that is never deduplicated. First a run without harm shows every moment at which one of
them touches anything outside itself; then there is one run for each moment and each kind of blow: SIGKILL to the process, to
Redis, to all three, or a pause longer than every lease. What died is started again, everything is driven to rest, Redis is killed
once more, and what its disk kept is compared with the journal. It prints its counts as JSON and exits with 0 when nothing is wrong.

With ``--without-guard`` the check of the revision is cut out of TRANSITION (here, not in the product) and executors are paused
between taking a request up and beginning it: the same counts must then report double executions, so the test can fail.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from middlewatch.approval import executor as executor_module
from middlewatch.approval import outcomes, stages, timers
from middlewatch.approval.audit.keys import AuditKey
from middlewatch.approval.audit.log import AuditLog
from middlewatch.approval.desk import Desk
from middlewatch.approval.executor import Executor
from middlewatch.approval.gateway import Gateway
from middlewatch.approval.timers import Sight, tend
from middlewatch.auditing import verify_files
from middlewatch.context_store import scripts
from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.context_store.audit import AuditStore
from middlewatch.context_store.connection import client_of
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.processes import pid_in
from middlewatch.context_store.redis_server import RedisServer
from middlewatch.context_store.script import Server
from middlewatch.records import ApprovalRequest, Decision, Recovery, RequestState
from middlewatch.records.errors import MiddlewatchError, UnknownRequest
from tests.approval_data import TENANT, FakeCatalogue, PolicyText, remediation
from tests.chaos.traps import ALL, KILL, PAUSE, REDIS, Blow, Trap, World, lines

LEASE_SECONDS = 0.5
"""Of everything that is leased here: short, so that what is lost is soon noticed."""
PAUSE_SECONDS = 3 * LEASE_SECONDS
REST_SECONDS = 30.0
"""Until a run must have come to rest; it takes one or two."""
BLIND_EACH = 7
"""Every so many runs no probe can tell what became of an execution, and a person has to."""
GUARD = "found[3] ~= revision"
ROLES = ("executor", "worker")
WRONG = ("done_twice", "began_twice", "without_intent", "forgotten", "untrue", "not_verified", "events_twice")


@dataclass(frozen=True, slots=True)
class Run:
    """What is done to one request."""

    blows: tuple[Blow, ...] = ()
    blind: bool = False
    without_guard: bool = False

    def blow(self, role: str) -> Blow | None:
        return next((blow for blow in self.blows if blow.role == role), None)


def open_desk(redis: Server, folder: Path) -> Desk:
    """As the product's, with a catalogue of the tests."""
    audit = AuditLog(AuditStore(redis), AuditKey.open(folder / "audit" / "key"))
    policy = PolicyText(folder)
    return Desk(store=ApprovalStore(redis), audit=audit, catalogue=FakeCatalogue(), policy=policy, evidence=lambda *_: ())


def hasten() -> None:
    """Everything that waits, waits less."""
    timers.ABSENT_SECONDS = timers._LEASE_SECONDS = LEASE_SECONDS
    outcomes.FIRST_LOOK_SECONDS = 0.0
    for module in (executor_module, stages, outcomes):
        for name in ("RECONCILE_SECONDS", "RETRY_SECONDS"):
            if hasattr(module, name):
                setattr(module, name, LEASE_SECONDS)
    executor_module.IDLE_SECONDS = executor_module.PAUSE_SECONDS = 0.02
    stages.EFFECT_SECONDS, stages.PROBE_SECONDS = 0.1, 0.05


def cut_guard() -> None:
    text = scripts.transition.text.replace(GUARD, "false")
    if text == scripts.transition.text:
        raise SystemExit("the guard was not found in transition.lua")
    scripts.transition.text = text


def prepared(url: str, folder: Path, role: str, run: Run, blow: Blow | None) -> tuple[Desk, Trap]:
    """What every process begins with."""
    logging.disable(logging.WARNING)
    hasten()
    if run.without_guard:
        cut_guard()
    trap = Trap(folder, role, blow)
    desk = open_desk(Server(client_of(url), Epoch()), folder / role)
    trap.install()
    return desk, trap


def work(url: str, folder: Path, run: Run, blow: Blow | None) -> None:
    """A worker: proposes, approves, tends what is due; until it is killed. All of it bears being done again."""
    desk, trap = prepared(url, folder, "worker", run, blow)
    gateway = Gateway(desk)
    mia = desk.policy().identify("local:mia")
    while True:
        try:
            asked = gateway.submit(remediation("nudge"))
            with trap.off():
                while asked.state is RequestState.PREPARING:
                    time.sleep(0.01)
                    asked = desk.store.look(TENANT, asked.id).request
            gateway.resolve(TENANT, asked.id, Decision.APPROVE, mia, digest=asked.digest, reason="it helps", face="cli")
            while True:
                if not tend(desk, TENANT, lambda *_: Sight(Recovery.RECOVERED, "it went away")):
                    time.sleep(0.02)
        except MiddlewatchError as error:
            sys.stderr.write(f"worker: {error}\n")
            trap._off = False


def execute(url: str, folder: Path, run: Run, blow: Blow | None) -> None:
    """An executor, until it is killed."""
    desk, trap = prepared(url, folder, "executor", run, blow)
    hands = World(folder / "world", trap, blind=run.blind)
    Executor(desk, hands, name=f"executor:{os.getpid()}", lease_seconds=LEASE_SECONDS, acting_seconds=lambda _order: 0.0).run(
        threading.Event()
    )


MAIN: dict[str, Callable[[str, Path, Run, Blow | None], None]] = {"executor": execute, "worker": work}


@dataclass
class Stage:
    """Where one run plays: its processes, which are started again when they die, and its Redis."""

    context: ForkServerContext
    folder: Path
    run: Run
    server: RedisServer
    processes: dict[str, ForkServerProcess] = field(default_factory=dict)
    paused_at: float = 0.0
    asleep: ForkServerProcess | None = None
    resumed_at: float = 0.0

    def start(self, role: str, blow: Blow | None) -> None:
        process = self.context.Process(target=MAIN[role], args=(self.server.url, self.folder, self.run, blow), daemon=True)
        process.start()
        self.processes[role] = process

    def keep_up(self) -> None:
        """Start again what died; put another in the place of what sleeps, and wake that up when its lease is long over."""
        (self.folder / "redis.pid").write_text(str(self.server.pid))
        for role in ROLES:
            if not self.processes[role].is_alive():
                self.start(role, None)
        sleeper = pid_in(self.folder / "paused")
        if sleeper and self.asleep is None:
            role = next(role for role in ROLES if self.processes[role].pid == sleeper)
            self.asleep, self.paused_at = self.processes[role], time.monotonic()
            self.start(role, None)
        if self.asleep and not self.resumed_at and time.monotonic() > self.paused_at + PAUSE_SECONDS:
            os.kill(sleeper, signal.SIGCONT)
            self.resumed_at = time.monotonic()

    @property
    def restless(self) -> bool:
        """Whether somebody sleeps still, or may not have done yet what it slept over."""
        return self.asleep is not None and (not self.resumed_at or time.monotonic() < self.resumed_at + LEASE_SECONDS)

    def end(self) -> None:
        for process in [*self.processes.values(), *([self.asleep] if self.asleep else [])]:
            process.kill()
            process.join()


class Chaos:
    """All runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.context: ForkServerContext = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["tests.chaos.executions"])

    def play(self, name: str, run: Run) -> Counter[str]:
        """One run from the first proposal to rest, and what was wrong with it."""
        folder = self.folder / name
        for role in ROLES:
            (folder / role).mkdir(parents=True)
        (folder / "worker" / "audit").mkdir()
        AuditKey.open(folder / "worker" / "audit" / "key")
        (folder / "executor" / "audit").symlink_to(folder / "worker" / "audit")
        with RedisServer(folder / "redis") as server:
            stage = Stage(self.context, folder, run, server)
            redis = Server(client_of(server.url), Epoch())
            try:
                (folder / "redis.pid").write_text(str(server.pid))
                for role in ROLES:
                    stage.start(role, run.blow(role) or (Blow(role, 0, KILL) if run.blows else None))
                rested = self._drive(stage, redis)
            finally:
                stage.end()
            with suppress(ProcessLookupError):  # it may be between two lives
                os.kill(server.pid, signal.SIGKILL)  # what is counted is what its disk kept
            return examined(open_desk(redis, folder / "worker"), redis, folder, run, rested=rested)

    def _drive(self, stage: Stage, redis: Server) -> bool:
        """Wait until nothing happens any more; False where it does not come to that."""
        desk = open_desk(redis, stage.folder / "worker")
        deadline = time.monotonic() + REST_SECONDS
        while time.monotonic() < deadline:
            stage.keep_up()
            with suppress(UnknownRequest, MiddlewatchError):
                request = only_request(desk)
                if request.state is RequestState.UNKNOWN and stage.run.blind and not stage.restless:
                    happened = bool(lines(stage.folder / "world"))
                    mia = desk.policy().identify("local:mia")
                    Gateway(desk).reconcile(TENANT, request.id, mia, happened=happened, reason="I looked", face="cli")
                if is_at_rest(request) and not stage.restless:
                    return True
            time.sleep(0.01)
        return False

    def moments(self) -> dict[str, list[str]]:
        """Every moment of a run without harm, by role."""
        found = self.play("rehearsal", Run())
        if any(found[wrong] for wrong in WRONG):
            raise SystemExit(f"a run without harm went wrong: {dict(found)}")
        return {role: [line["label"] for line in lines(self.folder / "rehearsal" / f"{role}.moments")] for role in ROLES}


def only_request(desk: Desk) -> ApprovalRequest:
    found = desk.store.list(TENANT)
    if not found:
        raise UnknownRequest
    return found[0].request


def is_at_rest(request: ApprovalRequest) -> bool:
    watched = request.execution is not None and request.execution.recovery is Recovery.WATCHING
    return request.state.terminal and not watched


def examined(desk: Desk, redis: Server, folder: Path, run: Run, *, rested: bool) -> Counter[str]:
    """What the journal and the log have, against one another."""
    audit = AuditStore(redis)
    log = [(row.time_ms, row.event) for row in audit.read(TENANT)]
    events = Counter(event.event for _, event in log)
    request = only_request(desk)
    done = [line for line in lines(folder / "world") if line["request"] == request.id]
    intents = [time_ms for time_ms, event in log if event.event == "execution.began" and event.digest == request.digest]
    struck = lines(folder / "struck")
    late = bool(done) and any(line["kind"] == PAUSE and line["label"] in {"after hold", "before the effect"} for line in struck)
    untrue = (request.state is RequestState.SUCCEEDED) != bool(done) or request.state is RequestState.UNKNOWN
    exported = AuditLog(audit, AuditKey.open(folder / "worker" / "audit" / "key")).export(TENANT, folder / "audit.jsonl")
    verdict = verify_files(exported.file, [exported.public_key_file], [exported.checkpoints_file])
    once = ("request.proposed", "request.asked", "request.approved", "outcome.recovered")
    return Counter(
        runs=1,
        done=bool(done),
        done_twice=len(done) > 1,
        began_twice=len(intents) > 1,
        without_intent=any(not any(at <= line["at_ms"] for at in intents) for line in done),
        forgotten=not rested,
        untrue=untrue and not late,
        late=untrue and late,
        not_verified=not verdict.good,
        events_twice=any(events[name] > 1 for name in once),
        succeeded=request.state is RequestState.SUCCEEDED,
        failed=request.state is RequestState.FAILED,
        lost=events["execution.lost"] > 0,
        reconciled_by_probe=request.execution is not None and request.execution.reconciled_by == "probe",
        reconciled_by_person=request.execution is not None and request.execution.reconciled_by == "mia",
        missed=len(struck) < len(run.blows),
        **{f"struck_{line['kind']}_{line['role']}": 1 for line in struck},
    )


def planned(moments: dict[str, list[str]], asked: argparse.Namespace) -> list[Run]:
    """One run for each moment and kind of blow, or a share of them; then some with a blow to each role."""
    if asked.without_guard:
        labels = moments["executor"]
        begin = [n for n, label in enumerate(labels, start=1) if label == "before transition"][1]
        taken = max(n for n, label in enumerate(labels[:begin], start=1) if label == "after take_due")
        return [Run((Blow("executor", n, PAUSE),), without_guard=True) for n in range(taken, begin + 1)]
    single = [
        (Blow(role, n, kind),)
        for role in ROLES
        for kind in (KILL, REDIS, ALL, *([PAUSE] if role == "executor" else []))
        for n in range(1, len(moments[role]) + 1)
    ]
    chance = random.Random(asked.seed)
    pairs = [
        tuple(Blow(role, chance.randint(1, len(moments[role])), chance.choice([KILL, REDIS])) for role in ROLES)
        for _ in range(asked.pairs)
    ]
    every = [*single, *pairs]
    if asked.runs:
        every = chance.sample(every, min(asked.runs, len(every)))
    return [Run(blows, blind=n % BLIND_EACH == 0) for n, blows in enumerate(every, start=1)]


def main() -> int:
    """Do the runs that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=0, help="a random share of all runs; 0 for all of them")
    parser.add_argument("--pairs", type=int, default=40, help="runs with a blow to the executor and one to the worker")
    parser.add_argument("--lanes", type=int, default=4, help="runs at a time; they mostly wait")
    parser.add_argument("--without-guard", action="store_true", help="cut the check of the revision out of TRANSITION")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    logging.disable(logging.WARNING)  # that Redis ended and runs again is what this is about
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mw-exec-") as name:
        chaos = Chaos(Path(name))
        moments = chaos.moments()
        runs = planned(moments, asked)
        total = play_all(chaos, runs, asked.lanes)
    seconds = round(time.monotonic() - began, 1)
    counted = {wrong: total[wrong] for wrong in WRONG} | dict(sorted(total.items()))
    answer = {**vars(asked), "moments": {role: len(labels) for role, labels in moments.items()}, **counted, "seconds": seconds}
    sys.stdout.write(json.dumps(answer, indent=1) + "\n")
    return 1 if any(total[wrong] for wrong in WRONG) else 0


def play_all(chaos: Chaos, runs: Sequence[Run], lanes: int) -> Counter[str]:
    """Several at a time; what goes wrong is named on standard error, so that it can be played alone."""
    total: Counter[str] = Counter()
    with ThreadPoolExecutor(lanes) as pool:
        for run, found in zip(runs, pool.map(lambda n: chaos.play(f"run-{n}", runs[n]), range(len(runs))), strict=True):
            total += found
            if wrong := [name for name in WRONG if found[name]]:
                sys.stderr.write(f"{', '.join(wrong)}: {run}\n")
    return total


if __name__ == "__main__":
    sys.exit(main())
