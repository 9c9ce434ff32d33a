"""Invariants: whoever seals, the checkpoints are of one history that covers everything; and nobody who can write to the store gets
our signature under another one.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from middlewatch.approval.audit.checkpoint import Checkpoint
from middlewatch.approval.audit.copies import Copies, CopyFailed, FolderCopy
from middlewatch.approval.audit.keys import AuditKey
from middlewatch.approval.audit.log import SEAL_SECONDS, AuditLog
from middlewatch.auditing import entries, verify_files
from middlewatch.context_store.audit import AuditStore, Private
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.script import Server
from middlewatch.records import AuditEvent
from middlewatch.records.errors import AuditBroken, BadInput
from tests.store_fixtures import redis

__all__ = ["redis"]

_tenants = itertools.count(1)


@pytest.fixture
def tenant() -> str:
    return f"audit-{next(_tenants)}"


@pytest.fixture
def server(redis: Redis) -> Server:
    return Server(redis, Epoch())


@pytest.fixture
def store(server: Server) -> AuditStore:
    return AuditStore(server)


@pytest.fixture
def key(tmp_path: Path) -> AuditKey:
    return AuditKey.open(tmp_path / "audit" / "key")


@pytest.fixture
def log(store: AuditStore, key: AuditKey) -> AuditLog:
    return AuditLog(store, key)


def event(tenant: str, number: int = 0, **fields: object) -> AuditEvent:
    content = {"tenant": tenant, "actor": "alice", "event": "request.viewed", "obj": f"req-{number}", "data": {"number": number}}
    return AuditEvent.model_validate(content | fields)


def sizes(store: AuditStore, tenant: str) -> list[int]:
    return [Checkpoint.parse(note.partition("\n\n")[0] + "\n").size for note in store.checkpoints(tenant)]


def place(tenant: str, name: str) -> str:
    return f"middlewatch:approvals:{{{tenant}}}:{name}"


class Memory:
    """A place for copies."""

    place = "memory"

    def __init__(self) -> None:
        self.down = False
        self.got: list[int] = []

    def put(self, checkpoint: Checkpoint, note: str) -> None:
        if self.down:
            raise CopyFailed("down")
        assert f"\n{checkpoint.size}\n" in note
        self.got.append(checkpoint.size)


def test_what_was_appended_is_exported_and_verifies(log: AuditLog, tenant: str, tmp_path: Path) -> None:
    for number in range(7):
        log.append(tenant, [event(tenant, number)] * (number % 3 + 1))
    file = tmp_path / "log.jsonl"
    written = log.export(tenant, file)
    assert (written.events, written.checkpoints) == (13, 7)
    verdict = verify_files(file, [written.public_key_file], [written.checkpoints_file])
    assert verdict.good
    assert (verdict.events, verdict.covered, verdict.uncovered) == (13, 13, 0)
    assert verify_files(file, [tmp_path / "audit" / f"{tenant}.pub"], [written.checkpoints_file]).good
    assert [json.loads(line)["seq"] for line in file.read_bytes().splitlines()] == list(range(13))


def test_an_export_replaces_nothing_unasked(log: AuditLog, tenant: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="empty"):
        log.export(tenant, tmp_path / "log")
    log.append(tenant, [event(tenant)])
    (tmp_path / "log.pub").write_text("mine")
    with pytest.raises(BadInput, match=r"log\.pub exists"):
        log.export(tenant, tmp_path / "log")
    assert not (tmp_path / "log").exists()
    log.export(tenant, tmp_path / "log", force=True)
    assert (tmp_path / "log.pub").read_text().startswith("middlewatch/")
    with pytest.raises(BadInput, match="no folder"):
        log.export(tenant, tmp_path / "nowhere" / "log")


def test_any_number_of_processes_seal_one_history(store: AuditStore, key: AuditKey, tenant: str, tmp_path: Path) -> None:
    """Each thread is a process of its own: it shares nothing with the others but the store and the key."""

    def work(number: int) -> None:
        mine = AuditLog(store, key)
        for n in range(20):
            mine.append(tenant, [event(tenant, number * 100 + n)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.sealed(tenant).size == 120
    assert sizes(store, tenant) == sorted(set(sizes(store, tenant)))
    written = AuditLog(store, key).export(tenant, tmp_path / "log")
    verdict = verify_files(written.file, [written.public_key_file], [written.checkpoints_file])
    assert verdict.good
    assert verdict.covered == 120


def test_another_process_goes_on_where_one_stopped(store: AuditStore, key: AuditKey, tenant: str) -> None:
    together, apart = AuditLog(store, key), f"{tenant}-b"
    for number in range(9):
        store.append(tenant, [event(tenant, number)])
        AuditLog(store, key).seal(tenant)
        store.append(apart, [event(apart, number)])
    together.seal(apart)
    assert sizes(store, tenant) == list(range(1, 10))
    assert sizes(store, apart) == [9]
    assert store.sealed(tenant).tree.count('"roots"') == 1


def test_nothing_new_makes_no_checkpoint(log: AuditLog, store: AuditStore, tenant: str) -> None:
    log.seal(tenant)
    log.append(tenant, [event(tenant)])
    for _ in range(3):
        log.seal_due(tenant)
    assert sizes(store, tenant) == [1]


def test_what_others_write_is_sealed_while_something_runs(log: AuditLog, store: AuditStore, tenant: str) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=log.seal_until, args=(stop, [tenant]))
    thread.start()
    try:
        store.append(tenant, [event(tenant)])
        pause = threading.Event()
        for _ in range(100):
            if store.sealed(tenant).size == 1:
                break
            pause.wait(SEAL_SECONDS / 5)
        assert store.sealed(tenant).size == 1
    finally:
        store.append(tenant, [event(tenant)])
        stop.set()
        thread.join()
    assert store.sealed(tenant).size == 2, "the last look comes after the stop"


def test_what_fails_while_something_runs_is_said_once_and_tried_again(
    log: AuditLog, store: AuditStore, redis: Redis, tenant: str, caplog: pytest.LogCaptureFixture
) -> None:
    log.append(tenant, [event(tenant)])
    audit = place(tenant, "audit")
    row = str(redis.lpop(audit))
    stop, pause = threading.Event(), threading.Event()
    thread = threading.Thread(target=log.seal_until, args=(stop, [tenant]))
    thread.start()
    pause.wait(SEAL_SECONDS * 3)
    redis.rpush(audit, row)
    store.append(tenant, [event(tenant)])
    stop.set()
    thread.join()
    assert caplog.text.count("is not sealed") == 1
    assert store.sealed(tenant).size == 2


def test_every_checkpoint_is_copied_and_a_failure_is_in_the_log(store: AuditStore, key: AuditKey, tenant: str) -> None:
    memory = Memory()
    log = AuditLog(store, key, Copies([memory], clock=itertools.count(0, 100).__next__))
    log.append(tenant, [event(tenant)])
    memory.down = True
    log.append(tenant, [event(tenant)])
    log.append(tenant, [event(tenant)])
    assert memory.got == [1]
    assert [trouble.place for trouble in log.troubles] == ["memory"]
    memory.down = False
    log.seal_due(tenant)
    assert memory.got == [1, 2, 4]
    log.seal_due(tenant)
    assert memory.got == [1, 2, 4, 5]
    assert [row.event.event for row in store.read(tenant) if row.event.actor == "system:audit"] == [
        "audit.copy_failed",
        "audit.copy_resumed",
    ]
    assert log.troubles == ()


def test_a_checkpoint_is_not_lost_with_the_process_that_made_it(store: AuditStore, key: AuditKey, tenant: str) -> None:
    AuditLog(store, key).append(tenant, [event(tenant)])  # it dies before it copies anything
    memory = Memory()
    survivor = AuditLog(store, key, Copies([memory]))
    survivor.seal_due(tenant)
    AuditLog(store, key).append(tenant, [event(tenant)])
    survivor.seal_due(tenant)
    survivor.seal_due(tenant)
    assert memory.got == [1, 2]


def test_a_copied_checkpoint_shows_what_the_store_lost(
    store: AuditStore, key: AuditKey, redis: Redis, tenant: str, tmp_path: Path
) -> None:
    """Who owns the store and the key takes back a decision and seals anew; the copy elsewhere remembers."""
    copies = tmp_path / "copies"
    copies.mkdir()
    log = AuditLog(store, key, Copies([FolderCopy(copies)]))
    for number in range(5):
        log.append(tenant, [event(tenant, number)])
    rows = redis.lrange(place(tenant, "audit"), 0, -1)
    redis.delete(*(place(tenant, name) for name in ("audit", "sealed", "checkpoints")))
    redis.rpush(place(tenant, "audit"), *rows[:3])
    written = AuditLog(store, key).export(tenant, tmp_path / "log")
    assert verify_files(written.file, [written.public_key_file], [written.checkpoints_file]).good
    (copied,) = copies.iterdir()
    verdict = verify_files(written.file, [written.public_key_file], [copied])
    assert [finding.what for finding in verdict.problems.kept] == ["a checkpoint covers 5 lines and the file has 3: 2 are missing"]


def edits(redis: Redis, tenant: str) -> Iterator[str]:
    """What somebody may do who can write to the store and has no key."""
    audit, sealed = place(tenant, "audit"), place(tenant, "sealed")
    tree = str(redis.hget(sealed, "tree"))
    redis.hset(sealed, "tree", tree.replace('"prev":"', '"prev":"0'))
    yield "another end of the chain"
    redis.hset(sealed, "tree", "")
    yield "no tree"
    redis.hset(sealed, mapping={"tree": tree, "size": 4})
    yield "another size"
    redis.hset(sealed, "size", 5)
    redis.ltrim(audit, 0, 3)
    yield "fewer events"


def test_a_store_that_was_changed_gets_no_signature(store: AuditStore, key: AuditKey, redis: Redis, tenant: str) -> None:
    log = AuditLog(store, key)
    for number in range(5):
        log.append(tenant, [event(tenant, number)])
    for what in edits(redis, tenant):
        for one in (log, AuditLog(store, key)):
            with pytest.raises(AuditBroken):
                one.seal(tenant)
        assert sizes(store, tenant) == [1, 2, 3, 4, 5], what


def test_a_store_that_was_put_back_gets_no_signature_from_who_saw_more(
    log: AuditLog, store: AuditStore, redis: Redis, tenant: str
) -> None:
    log.append(tenant, [event(tenant)])
    names = [place(tenant, name) for name in ("audit", "sealed")]
    before = [redis.dump(name) for name in names]
    log.append(tenant, [event(tenant)])
    for name, content in zip(names, before, strict=True):
        assert isinstance(content, bytes | str)
        redis.restore(name, 0, content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"), replace=True)
    store.append(tenant, [event(tenant, 7)])
    with pytest.raises(AuditBroken, match="shorter, or goes on elsewhere"):
        log.seal(tenant)


def test_another_key_does_not_go_on_with_a_log(log: AuditLog, store: AuditStore, tenant: str, tmp_path: Path) -> None:
    log.append(tenant, [event(tenant)])
    other = AuditLog(store, AuditKey.open(tmp_path / "other" / "key"))
    with pytest.raises(AuditBroken, match="MIDDLEWATCH_AUDIT_KEY_FILE"):
        other.append(tenant, [event(tenant)])
    # The log can still be exported, under the name it had, and checked as far as it was signed.
    written = other.export(tenant, tmp_path / "log")
    assert verify_files(written.file, [tmp_path / "audit" / f"{tenant}.pub"], [written.checkpoints_file]).good


def test_a_log_whose_key_is_lost_goes_on_with_another(log: AuditLog, store: AuditStore, tenant: str, tmp_path: Path) -> None:
    log.append(tenant, [event(tenant)])
    with pytest.raises(BadInput, match="already"):
        log.rekey(tenant)
    other = AuditLog(store, AuditKey.open(tmp_path / "other" / "key"))
    store.append(tenant, [event(tenant)])
    other.rekey(tenant)
    other.append(tenant, [event(tenant)])
    with pytest.raises(AuditBroken):
        log.append(tenant, [event(tenant)])
    AuditLog(store, AuditKey.open(tmp_path / "other" / "key")).seal(tenant)
    written = other.export(tenant, tmp_path / "log")
    keys = [tmp_path / name / f"{tenant}.pub" for name in ("audit", "other")]
    verdict = verify_files(written.file, keys, [written.checkpoints_file])
    assert (verdict.good, verdict.covered) == (True, 5)
    assert not verify_files(written.file, keys[:1], [written.checkpoints_file]).good, "a new key has to be accepted by a person"
    assert [row.event.event for row in store.read(tenant)].count("audit.key_replaced") == 1


def test_an_export_has_the_keys_that_were_replaced(log: AuditLog, store: AuditStore, tenant: str, tmp_path: Path) -> None:
    log.append(tenant, [event(tenant)])
    file = tmp_path / "audit" / "key"
    file.unlink()
    again = AuditLog(store, AuditKey.open(file))
    with pytest.raises(AuditBroken, match="audit rekey"):
        again.seal(tenant)
    again.rekey(tenant)
    written = again.export(tenant, tmp_path / "log")
    assert len(written.public_key_file.read_text().splitlines()) == 2
    assert verify_files(written.file, [written.public_key_file], [written.checkpoints_file]).good


def test_no_other_key_goes_on_with_a_log_that_was_changed(
    log: AuditLog, store: AuditStore, redis: Redis, tenant: str, tmp_path: Path
) -> None:
    other = AuditLog(store, AuditKey.open(tmp_path / "other" / "key"))
    with pytest.raises(BadInput, match="no checkpoint"):
        other.rekey(tenant)
    log.append(tenant, [event(tenant)])
    audit = place(tenant, "audit")
    redis.lset(audit, 0, str(redis.lindex(audit, 0)).replace("alice", "mallory"))
    with pytest.raises(AuditBroken):
        other.rekey(tenant)
    assert sizes(store, tenant) == [1]


def test_a_changed_event_is_found_in_the_next_export(log: AuditLog, redis: Redis, tenant: str, tmp_path: Path) -> None:
    for number in range(4):
        log.append(tenant, [event(tenant, number)])
    audit = place(tenant, "audit")
    redis.lset(audit, 2, str(redis.lindex(audit, 2)).replace("alice", "mallory"))
    written = log.export(tenant, tmp_path / "log")
    verdict = verify_files(written.file, [written.public_key_file], [written.checkpoints_file])
    assert [(finding.line, finding.what) for finding in verdict.problems.kept] == [
        (3, "the checkpoint of 3 lines has another root: line 3 is not what was signed")
    ]


def test_a_text_is_deleted_and_the_log_verifies_as_before(
    log: AuditLog, store: AuditStore, server: Server, tenant: str, tmp_path: Path
) -> None:
    private = Private.of("Bob is on leave, his number is 555-0100")
    log.append(tenant, [event(tenant, data={"reason": private.digest, "more": [{"inner": private.digest}]})], [private])
    log.append(tenant, [event(tenant)])
    assert entries(server, tenant, limit=5)[0].texts == {private.digest: private.text}
    before = list(log.lines(tenant))
    assert log.forget(tenant, private.digest, event(tenant))
    assert not log.forget(tenant, private.digest, event(tenant))
    assert entries(server, tenant, limit=5)[0].texts == {}
    assert list(log.lines(tenant))[:-1] == before
    assert store.sealed(tenant).size == len(before) + 1
    written = log.export(tenant, tmp_path / "log")
    assert private.text not in written.file.read_text()
    assert verify_files(written.file, [written.public_key_file], [written.checkpoints_file]).good


def test_entries_are_the_newest_and_those_of_a_request(log: AuditLog, server: Server, tenant: str) -> None:
    log.append(tenant, [event(tenant, number % 5) for number in range(50)])
    assert [entry.seq for entry in entries(server, tenant, limit=3)] == [47, 48, 49]
    assert [entry.seq for entry in entries(server, tenant, limit=100)] == list(range(50))
    assert [entry.seq for entry in entries(server, tenant, limit=3, request="req-2")] == [37, 42, 47]
    assert entries(server, tenant, limit=3, request="req-9") == ()
