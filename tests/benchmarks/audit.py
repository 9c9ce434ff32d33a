"""How long a large audit log takes to verify, and an event to append. Run by hand; docs/measurements/audit.md has the figures.

.venv/bin/python -m tests.benchmarks.audit --events 1000000 --appends 1000
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from middlewatch.approval.audit.copies import Copies, FolderCopy
from middlewatch.approval.audit.keys import AuditKey
from middlewatch.approval.audit.log import AuditLog
from middlewatch.approval.audit.tip import Tip
from middlewatch.auditing import verify_files
from middlewatch.context_store.audit import AuditStore, Private
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.redis_server import RedisServer
from middlewatch.context_store.script import Server
from middlewatch.records import AuditEvent
from tests.unit.approval.audit.logs import LOG, make_logged, make_signer

MIB = 1024**2


def write(folder: Path, events: int, every: int) -> tuple[Path, Path, Path]:
    """A log with a checkpoint after every so many events."""
    log, notes, key = (folder / name for name in ("log.jsonl", "log.jsonl.checkpoints", "log.jsonl.pub"))
    tip, signer = Tip(LOG), make_signer()
    with log.open("wb") as lines, notes.open("w") as checkpoints:
        for seq in range(events):
            lines.write(tip.line(make_logged(seq)) + b"\n")
            if tip.size % every == 0 or tip.size == events:
                checkpoints.write(tip.checkpoint().signed(signer))
    key.write_text(f"{signer.verifier}\n")
    return log, key, notes


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MIB if sys.platform == "darwin" else 1024)


def time_verification(folder: Path, events: int, every: int) -> None:
    log, key, notes = write(folder, events, every)
    before = peak_mib()
    begun, processor = time.perf_counter(), time.process_time()
    verdict = verify_files(log, [key], [notes])
    wall, processor = time.perf_counter() - begun, time.process_time() - processor
    assert verdict.good, asdict(verdict)
    assert verdict.covered == verdict.events == events
    click.echo(
        f"verify {events:,} events ({log.stat().st_size / MIB:.0f} MiB), {verdict.checkpoints:,} checkpoints: "
        f"{wall:.1f} s ({processor:.1f} s of processor time), peak memory {before:.0f} -> {peak_mib():.0f} MiB"
    )


def said(name: str, seconds: Sequence[float]) -> None:
    quantiles = statistics.quantiles(seconds, n=100)
    click.echo(f"{name}: median {statistics.median(seconds) * 1000:.2f} ms, 99 % under {quantiles[98] * 1000:.2f} ms")


def time_appends(folder: Path, appends: int) -> None:
    """Each kind by turns, so that whatever else the disk does hits all of them."""
    copies = folder / "copies"
    copies.mkdir()
    with RedisServer(folder / "redis") as redis, redis.client() as client, (folder / "bare").open("wb", buffering=0) as bare:
        store = AuditStore(Server(client, Epoch()))
        key = AuditKey.open(folder / "audit" / "key")
        log, copied = AuditLog(store, key), AuditLog(store, key, Copies([FolderCopy(copies)]))
        times: dict[str, list[float]] = {"bare": [], "append": [], "sealed": [], "copied": []}
        for n in range(appends):
            private = Private.of("because the graphs say so")
            event = AuditEvent(
                tenant="acme",
                actor="alice",
                event="request.approved",
                obj=f"req-{n:012x}",
                digest=f"{n:064x}",
                data={"reason": private.digest, "face": "cli", "role": "lead", "state": "approved"},
            )
            content = Tip(LOG).line(make_logged(n, **event.model_dump())) + b"\n"

            begun = time.perf_counter()
            bare.write(content)
            os.fsync(bare.fileno())
            times["bare"].append(time.perf_counter() - begun)

            begun = time.perf_counter()
            store.append("acme", [event], [private])
            times["append"].append(time.perf_counter() - begun)

            begun = time.perf_counter()
            log.append("acme", [event], [private])
            times["sealed"].append(time.perf_counter() - begun)

            begun = time.perf_counter()
            copied.append("acme", [event], [private])
            times["copied"].append(time.perf_counter() - begun)
    said("a bare write of the same bytes with fsync", times["bare"])
    said("an event in the store, durable", times["append"])
    said("an event in the store, under a checkpoint", times["sealed"])
    said("the same, with the checkpoint copied to a folder", times["copied"])
    base = statistics.median(times["bare"])
    ratios = ", ".join(f"{name} {statistics.median(times[name]) / base:.1f}" for name in ("append", "sealed", "copied"))
    click.echo(f"ratios of the medians to the bare write: {ratios}")


@click.command()
@click.option("--events", default=1_000_000, show_default=True, help="Of the log that is verified.")
@click.option("--every", default=100, show_default=True, help="Events between two checkpoints of it.")
@click.option("--appends", default=1000, show_default=True)
def main(events: int, every: int, appends: int) -> None:
    """Time appends on an embedded Redis, then the verification of a log."""
    with tempfile.TemporaryDirectory() as place:
        time_appends(Path(place), appends)
    with tempfile.TemporaryDirectory() as place:
        time_verification(Path(place), events, every)


if __name__ == "__main__":
    main()
