"""Has a hundred people click approve on the same request at once, a thousand times, while executors race for what was approved.

Run it as ``python tests/chaos/clicks.py --approvals 1000 --clicks 100``. Several gateway processes, each with many threads, wait
for one another before each request and then approve it together; several executors take up what they can, and their hands write
to a journal that is never deduplicated. It prints its counts as JSON and exits with 0 when every request was approved by one
person, executed once, and every click got the same answer.

With ``--without-guard`` the check of the revision is cut out of TRANSITION (here, not in the product), and the same run must report
what was approved or executed twice: so it can fail.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from middlewatch.approval.audit.keys import AuditKey
from middlewatch.approval.executor import Executor
from middlewatch.approval.gateway import Gateway
from middlewatch.context_store.audit import AuditStore
from middlewatch.context_store.connection import client_of
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.redis_server import RedisServer
from middlewatch.context_store.script import Server
from middlewatch.records import Decision, RequestState
from middlewatch.records.errors import MiddlewatchError
from tests.approval_data import remediation
from tests.chaos.executions import cut_guard, hasten, open_desk
from tests.chaos.traps import KILL, Blow, Trap, World, lines

TENANTS = 10
DECIDERS = ("leo", "lea", "mara", "max")
REST_SECONDS = 60.0
"""Until the executors must be done with what was approved."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that people are shown."""

    tenant: str
    request: str
    digest: str


@dataclass(frozen=True, slots=True)
class Attack:
    """What is done to the gateway."""

    approvals: int
    clicks: int
    gateways: int
    executors: int
    without_guard: bool


def click(url: str, folder: Path, number: int, attack: Attack, everything: Sequence[Asked], together: Barrier) -> None:
    """One gateway: its share of the clicks on every request."""
    logging.disable(logging.WARNING)
    if attack.without_guard:
        cut_guard()
    gateway = Gateway(open_desk(Server(client_of(url), Epoch()), own_folder(folder, f"gateway-{number}")))
    share = range(number, attack.clicks, attack.gateways)
    threads = [threading.Thread(target=click_all, args=(gateway, folder, who, everything, together)) for who in share]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def click_all(gateway: Gateway, folder: Path, who: int, everything: Sequence[Asked], together: Barrier) -> None:
    """One person, who clicks on every request when everybody else does.

    What is kept of each click: the request, the decision as it was answered, or the error, and who it was if they were told that
    their click decided it. One person who clicks twice in the same millisecond may be told so twice: both clicks say the same.
    """
    person = gateway.desk.policy().identify(f"local:{DECIDERS[who % len(DECIDERS)]}")
    answers = []
    for asked in everything:
        together.wait()
        try:
            answer = gateway.resolve(asked.tenant, asked.request, Decision.APPROVE, person, digest=asked.digest, face="cli")
        except MiddlewatchError as error:
            answers.append([asked.request, "", f"{type(error).__name__}: {error}", ""])
            continue
        said = [approval.model_dump_json() for approval in answer.request.approvals]
        answers.append([asked.request, "|".join(said), "", person.id if answer.changed and person else ""])
    (folder / f"answers-{who}").write_text(json.dumps(answers))


def execute(url: str, folder: Path, number: int, attack: Attack) -> None:
    """One executor, until it is killed."""
    logging.disable(logging.WARNING)
    hasten()
    if attack.without_guard:
        cut_guard()
    name = f"executor-{number}"
    desk = open_desk(Server(client_of(url), Epoch()), own_folder(folder, name))
    hands = World(folder / "world", Trap(folder, name, Blow(name, 0, KILL)), blind=False)
    Executor(desk, hands, name=f"executor:{number}", acting_seconds=lambda _order: 0.0).run(threading.Event())


def own_folder(folder: Path, name: str) -> Path:
    """A folder of one process, with the one key of all."""
    own = folder / name
    own.mkdir()
    (own / "audit").symlink_to(folder / "audit")
    return own


def propose(redis: Server, folder: Path, count: int) -> list[Asked]:
    """Requests that wait for a decision."""
    desk = open_desk(redis, own_folder(folder, "proposer"))
    gateway = Gateway(desk)
    for n in range(count):
        gateway.submit(remediation(tenant=f"acme-{n % TENANTS}", investigation=f"inv-{n}"))
    while True:
        found = [kept.request for tenant in desk.store.tenants() for kept in desk.store.list(tenant)]
        if all(request.state is RequestState.PENDING for request in found):
            assert len(found) == count
            return [Asked(request.tenant, request.id, request.digest) for request in found]
        time.sleep(0.1)


def attack_at(attack: Attack, folder: Path) -> dict[str, Any]:
    """Propose, click, wait until the executors are done, count."""
    (folder / "audit").mkdir()
    AuditKey.open(folder / "audit" / "key")
    context: ForkServerContext = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.chaos.clicks"])
    with RedisServer(folder / "redis") as server:
        redis = Server(client_of(server.url), Epoch())
        executors = [
            context.Process(target=execute, args=(server.url, folder, n, attack), daemon=True) for n in range(attack.executors)
        ]
        started(executors)
        try:
            everything = propose(redis, folder, attack.approvals)
            began = time.monotonic()
            together = context.Barrier(attack.clicks)
            gateways = [
                context.Process(target=click, args=(server.url, folder, n, attack, everything, together), daemon=True)
                for n in range(attack.gateways)
            ]
            started(gateways)
            for gateway in gateways:
                gateway.join()
            clicking = time.monotonic() - began
            await_end(redis, folder, everything, seconds=5.0 if attack.without_guard else REST_SECONDS)
        finally:
            for executor in executors:
                executor.kill()
                executor.join()
        return {**counted(redis, folder, everything), "clicking_seconds": round(clicking, 1)}


def started(processes: Sequence[ForkServerProcess]) -> None:
    for process in processes:
        process.start()


def await_end(redis: Server, folder: Path, everything: Sequence[Asked], *, seconds: float) -> None:
    """Wait until nothing is left to be executed, or too long."""
    desk = open_desk(redis, folder / "proposer")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if all(desk.store.look(asked.tenant, asked.request).request.state.terminal for asked in everything):
            break
        time.sleep(0.1)
    time.sleep(1.0)  # whoever would do it once more has had the time


def counted(redis: Server, folder: Path, everything: Sequence[Asked]) -> dict[str, int]:
    """What people were told, what the log has, and what happened."""
    answers: dict[str, set[str]] = defaultdict(set)
    changed: dict[str, set[str]] = defaultdict(set)
    clicks, errors = 0, 0
    for file in folder.glob("answers-*"):
        for request, said, error, person in json.loads(file.read_text()):
            clicks += 1
            errors += bool(error)
            answers[request].add(said or error)
            changed[request].update([person] if person else [])
    done = Counter(str(line["request"]) for line in lines(folder / "world"))
    audit = AuditStore(redis)
    tenants = sorted({asked.tenant for asked in everything})
    events = Counter((row.event.event, row.event.obj) for tenant in tenants for row in audit.read(tenant))

    def other_than_once(event: str) -> int:
        return sum(events[event, asked.request] != 1 for asked in everything)

    return {
        "answers": clicks,
        "errors": errors,
        "requests_with_more_than_one_answer": sum(len(said) > 1 for said in answers.values()),
        "requests_with_other_than_one_first": sum(len(changed[asked.request]) != 1 for asked in everything),
        "not_approved_once": other_than_once("request.approved"),
        "not_begun_once": other_than_once("execution.began"),
        "not_succeeded_once": other_than_once("execution.succeeded"),
        "done": sum(done.values()),
        "not_done_once": sum(done[asked.request] != 1 for asked in everything),
    }


def main() -> int:
    """Run the attack that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--approvals", type=int, default=1000)
    parser.add_argument("--clicks", type=int, default=100, help="at once, on each of them")
    parser.add_argument("--gateways", type=int, default=4, help="processes that share the clicks")
    parser.add_argument("--executors", type=int, default=3)
    parser.add_argument("--without-guard", action="store_true", help="cut the check of the revision out of TRANSITION")
    attack = Attack(**vars(parser.parse_args()))
    logging.disable(logging.WARNING)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mw-clicks-") as folder:
        counts = attack_at(attack, Path(folder))
    answer = {**asdict(attack), **counts, "seconds": round(time.monotonic() - began, 1)}
    sys.stdout.write(json.dumps(answer, indent=1) + "\n")
    wrong = [name for name in counts if name.startswith(("not_", "errors", "requests_with_"))]
    return 1 if any(counts[name] for name in wrong) else 0


if __name__ == "__main__":
    sys.exit(main())
