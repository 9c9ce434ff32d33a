"""Cuts the power while results are written, and counts what was acknowledged and is gone.

Run it as ``python tests/chaos/power_loss.py --rounds 20``. Every round starts an embedded Redis in an owner of its own, writes
results as fast as it can, freezes and kills everything at one moment, cuts Redis' log back to what the last completed sync had
made durable (strace says how far that was), starts Redis again and compares. It prints its counts as JSON and exits with 0 when
nothing that was acknowledged is lost. With ``--everysec`` Redis syncs once a second, as its own default
is, and the same run must report losses: so it can fail.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from middlewatch.context_store.connection import client_of
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.redis_server import RedisServer
from middlewatch.context_store.store import ContextStore
from middlewatch.records import Completion, FanOut, TaskKind, TaskState
from middlewatch.records.errors import MiddlewatchError
from tests.store_data import make_evidence, make_investigation, make_task

WRITERS = 8
TASKS = 4000
"""More than are finished in one round."""

UNAVAILABLE = 69
"""sysexits.h"""

INVESTIGATION = make_investigation()
_CALL = re.compile(r"^(\d+)\s+(write|fdatasync|fsync)\(\d+<([^>]*)>(?:.*=\s+(-?\d+)|.*<unfinished)")
_RESUMED = re.compile(r"^(\d+)\s+<\.\.\. (write|fdatasync|fsync) resumed>.*=\s+(-?\d+)")


def own(folder: Path, pipe: Connection) -> None:
    """The owner of the server, in a process of its own."""
    server = RedisServer(folder)
    server.start()
    pipe.send(server.pid)
    threading.Event().wait()


def power_loss(folder: Path, *, seconds: float, everysec: bool) -> tuple[int, int]:
    """One round.

    Returns:
        How many results were acknowledged, and how many of them are gone.
    """
    ours, theirs = multiprocessing.Pipe()
    owner = multiprocessing.get_context("spawn").Process(target=own, args=(folder, theirs), daemon=True)
    owner.start()
    redis_pid = int(ours.recv())
    store = ContextStore(client_of(RedisServer(folder).url), epoch=Epoch())
    store.open(INVESTIGATION, make_task("plan", kind=TaskKind.PLAN))
    claim = store.claim("planner")
    assert claim is not None
    store.finish(claim, Completion(fan_out=FanOut(tasks=tuple(make_task(f"look-{n}") for n in range(TASKS)))))
    if everysec:
        client_of(RedisServer(folder).url).config_set("appendfsync", "everysec")
    sizes = {file: file.stat().st_size for file in logs(folder)}
    trace = folder.parent / "trace"
    watcher = watch(redis_pid, trace)

    acknowledged: list[str] = []
    writers = [threading.Thread(target=write, args=(store, f"writer-{n}", acknowledged), daemon=True) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    time.sleep(seconds)
    os.kill(redis_pid, signal.SIGSTOP)
    owner.kill()
    os.kill(redis_pid, signal.SIGKILL)
    owner.join()
    watcher.wait()
    told = acknowledged.copy()
    cut(trace, sizes)
    # The disk goes on in another machine: the writers, which still wait for the old socket, shall not find it again.
    elsewhere = folder.rename(folder.with_name("elsewhere"))
    return len(told), lost(elsewhere, told)


def watch(pid: int, trace: Path) -> subprocess.Popen[str]:
    """Note every write and sync of a process, from now on."""
    command = ["strace", "-f", "-y", "-s", "0", "-e", "trace=write,fdatasync,fsync", "-o", str(trace), "-p", str(pid)]
    watcher = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert watcher.stderr is not None
    assert "attached" in watcher.stderr.readline()
    threading.Thread(target=watcher.stderr.read, daemon=True).start()
    return watcher


def write(store: ContextStore, name: str, acknowledged: list[str]) -> None:
    """Finish tasks, and note what was acknowledged, until the power is off."""
    try:
        while claim := store.claim(name):
            evidence = make_evidence(claim.task.id)
            if store.finish(claim, Completion(result={"by": name}, evidence=(evidence,))):
                acknowledged.append(claim.task.id)
    except MiddlewatchError:
        return


def logs(folder: Path) -> list[Path]:
    """Redis' log: one file in version 6, several in a folder since."""
    return [file for file in (folder / "appendonly.aof", *(folder / "appendonlydir").glob("*.aof")) if file.exists()]


def cut(trace: Path, sizes: dict[Path, int]) -> None:
    """Cut every log back to the size that it had when the last sync began that was completed.

    Args:
        trace: what strace noted.
        sizes: of the logs, in bytes, when it began; they were synced then.
    """
    written = dict(sizes)
    durable = dict(sizes)
    begun: dict[str, tuple[Path, int]] = {}
    for line in trace.read_text(errors="replace").splitlines():
        call, resumed = _CALL.match(line), _RESUMED.match(line)
        if call and Path(call[3]) in sizes:
            begun[call[1]] = (Path(call[3]), written[Path(call[3])])
            name, result = call[2], call[4]
        elif resumed and resumed[1] in begun:
            name, result = resumed[2], resumed[3]
        else:
            continue
        if result is None:
            continue
        file, size = begun.pop((call or resumed)[1])  # type: ignore[index]  # one of them matched
        if name == "write":
            written[file] += max(0, int(result))
        elif int(result) == 0:
            durable[file] = max(durable[file], size)
    for file, size in durable.items():
        os.truncate(file, size)


def can_trace() -> bool:
    """Whether strace is here and the system lets it work."""
    strace = shutil.which("strace")
    return strace is not None and subprocess.run([strace, "-o", os.devnull, "/bin/true"], check=False).returncode == 0


def lost(folder: Path, acknowledged: list[str]) -> int:
    """Start Redis again on what is left, and compare."""
    with RedisServer(folder) as server:
        store = ContextStore(server.client(), epoch=Epoch())
        snapshot = store.snapshot(INVESTIGATION.tenant, INVESTIGATION.id)
    done = {status.task.id for status in snapshot.tasks if status.state is TaskState.DONE}
    written = {item.anomaly.subject for item in snapshot.evidence}
    return len(set(acknowledged) - (done & written))


def main() -> int:
    """Run as many rounds as the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--everysec", action="store_true", help="let Redis sync once a second")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if not can_trace():
        sys.stderr.write("strace is needed, and must be allowed to trace; on Debian: apt-get install strace\n")
        return UNAVAILABLE
    chance = random.Random(asked.seed)
    began = time.monotonic()
    totals = {"acknowledged": 0, "lost": 0, "rounds_with_loss": 0}
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory(prefix="mw-power-") as folder:
            known, gone = power_loss(Path(folder) / "redis", seconds=chance.uniform(0.1, 1.5), everysec=asked.everysec)
        totals["acknowledged"] += known
        totals["lost"] += gone
        totals["rounds_with_loss"] += gone > 0
    sys.stdout.write(json.dumps({**vars(asked), **totals, "seconds": round(time.monotonic() - began, 1)}, indent=1) + "\n")
    return 0 if totals["lost"] == 0 and totals["acknowledged"] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
