"""A backup holds everything or does not exist; a restore changes nothing unless the whole backup is sound."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from middlewatch.context_store.approvals import ApprovalStore, Update
from middlewatch.context_store.archive import FileArchive
from middlewatch.context_store.audit import AuditStore
from middlewatch.context_store.backup import backup, restore
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.occurrences import Change, OccurrenceStore, Plan
from middlewatch.context_store.store import ContextStore
from middlewatch.occurrences import Occurrences
from middlewatch.records import AgentName, AuditEvent, Claim, Completion, FanOut, Halt
from middlewatch.records.errors import BadInput, LeaseLost, StaleEpoch, StoreUnavailable
from tests.alert_data import make_message
from tests.store_data import (
    NOW,
    make_alert,
    make_evidence,
    make_hypothesis,
    make_investigation,
    make_report,
    make_request,
    make_task,
    make_vote,
)
from tests.store_fixtures import keys

OTHER = make_investigation("zeta", "inv:2", "alert-2")


@pytest.fixture
def claim(store: ContextStore, tmp_path: Path) -> Claim:
    """A store with one archived investigation and two open ones, a group half done, and a claim that runs."""
    old = make_investigation(identifier="inv-0", source_id="alert-0")
    store.open(old, make_task("plan", investigation=old))
    store.finish(claimed(store), Completion(report=make_report(old)))
    store.archive_closed(FileArchive(tmp_path / "archive"), older_than_seconds=0)
    store.open(OTHER, make_task("plan", investigation=OTHER))
    store.open(make_investigation(), make_task("plan"))
    fan_out = FanOut(tasks=(make_task("a"), make_task("b")), then=make_task("then"))
    claims = {one.task.investigation: one for one in (claimed(store), claimed(store))}
    evidence = make_evidence(summary='quotes " and \\ and ü and \x00')
    store.finish(claims["inv-1"], Completion(evidence=(evidence,), votes=(make_vote(AgentName.LOGS),), fan_out=fan_out))
    claim = claimed(store)
    store.finish(claim, Completion(hypotheses=(make_hypothesis(),)))
    return claimed(store)


def claimed(store: ContextStore) -> Claim:
    claim = store.claim("ann")
    assert claim is not None
    return claim


def everything(store: ContextStore) -> list[object]:
    found: list[object] = []
    for tenant in ("acme", "zeta"):
        for investigation in store.investigations(tenant):
            found += [store.snapshot(tenant, investigation.id), store.events(tenant, investigation.id)]
    return found


def test_approvals_and_their_log_come_back_and_what_was_open_is_due_at_once(
    store: ContextStore, redis: Redis, tmp_path: Path
) -> None:
    approvals, log = ApprovalStore(store.server), AuditStore(store.server)
    request = make_request()
    event = AuditEvent(tenant="acme", actor="system:gateway", event="request.proposed", obj=request.id)
    approvals.propose(Update(request, [event], due_in_seconds=3600.0))
    approvals.halt("acme", Halt(by="mara", reason="stop", at=NOW), [])
    log.seal("acme", size=1, checkpoint="signed", tree="{}")
    before = approvals.look("acme", request.id), list(log.read("acme"))
    epoch_path = tmp_path / "epoch"
    backup(store, tmp_path / "archive", tmp_path / "b.tar")
    with pytest.raises(BadInput, match="not empty"):
        restore(store, tmp_path / "archive", tmp_path / "b.tar", epoch_path=epoch_path)
    restore(store, tmp_path / "archive", tmp_path / "b.tar", epoch_path=epoch_path, force=True)

    server = restored(redis, epoch_path).server
    after = ApprovalStore(server)
    found = after.take("acme", [request.state], lease_seconds=1.0)
    assert found is not None
    assert (found.request, found.revision, found.halt) == (before[0].request, before[0].revision, before[0].halt)
    assert (list(AuditStore(server).read("acme")), AuditStore(server).checkpoints("acme")) == (before[1], ("signed",))
    with pytest.raises(StaleEpoch):
        approvals.look("acme", request.id)


def test_alerts_come_back_with_what_was_not_opened_yet(store: ContextStore, redis: Redis, tmp_path: Path) -> None:
    alerts = OccurrenceStore(store.server, "default")
    (one,) = Occurrences(store.server, "default").receive([make_message()])
    decided = one.model_copy(update={"investigation": "inv-1"})
    token = next(row.token for row in alerts.list().rows)
    alerts.write([Change(decided, token)], investigation="inv-1", plan=Plan(alert=make_alert(), name="n"))
    backup(store, tmp_path / "archive", tmp_path / "b.tar")
    redis.flushall()
    restore(store, tmp_path / "archive", tmp_path / "b.tar", epoch_path=tmp_path / "epoch")
    again = OccurrenceStore(restored(redis, tmp_path / "epoch").server, "default")
    assert [row.occurrence for row in again.of("inv-1").rows] == [decided]
    assert list(again.due().plans) == ["inv-1"]
    assert Occurrences(again.server, "default").receive([make_message()])[0].messages == 2


def restored(redis: Redis, epoch_path: Path) -> ContextStore:
    return ContextStore(redis, epoch=Epoch.read(epoch_path), max_attempts=3)


def test_what_is_restored_is_what_was_there(store: ContextStore, redis: Redis, claim: Claim, tmp_path: Path) -> None:
    before = everything(store)
    told: list[tuple[str, int]] = []
    counts = backup(store, tmp_path / "archive", tmp_path / "b.tar", on_progress=lambda what, done: told.append((what, done)))
    assert counts == {"investigations": 2, "archived": 1}
    assert ("investigations", 2) in told
    redis.flushall()
    assert restore(store, tmp_path / "elsewhere", tmp_path / "b.tar", epoch_path=tmp_path / "epoch") == counts
    again = restored(redis, tmp_path / "epoch")
    assert everything(again) == before
    assert FileArchive(tmp_path / "elsewhere").get("acme", "inv-0") == FileArchive(tmp_path / "archive").get("acme", "inv-0")
    assert (
        again.open(make_investigation(identifier="inv-9"), make_task("plan", investigation=make_investigation(identifier="inv-9")))[
            1
        ]
        is False
    )

    # and the work goes on
    with pytest.raises(LeaseLost):
        again.finish(claim, Completion())
    assert len(again.reap()) == 2
    assert {claimed(again).task.id, claimed(again).task.id} == {"plan", claim.task.id}


def test_a_restore_raises_the_epoch_above_every_one_that_was_used(redis: Redis, claim: Claim, tmp_path: Path) -> None:
    used = ContextStore(redis, epoch=Epoch(7))
    backup(used, tmp_path / "archive", tmp_path / "b.tar")
    redis.flushall()
    restore(used, tmp_path / "elsewhere", tmp_path / "b.tar", epoch_path=tmp_path / "epoch")
    assert Epoch.read(tmp_path / "epoch") == Epoch(8)
    with pytest.raises(StaleEpoch):
        used.finish(claim, Completion())


def test_a_store_that_is_not_empty_is_left_alone_without_force(
    store: ContextStore, redis: Redis, claim: Claim, tmp_path: Path
) -> None:
    backup(store, tmp_path / "archive", tmp_path / "b.tar")
    store.finish(claim, Completion())
    before = everything(store)
    with pytest.raises(BadInput, match="not empty"):
        restore(store, tmp_path / "elsewhere", tmp_path / "b.tar", epoch_path=tmp_path / "epoch")
    assert everything(store) == before
    assert not (tmp_path / "epoch").exists()
    restore(store, tmp_path / "elsewhere", tmp_path / "b.tar", epoch_path=tmp_path / "epoch", force=True)
    assert everything(restored(redis, tmp_path / "epoch")) != before


def cut(file: Path) -> None:
    os.truncate(file, file.read_bytes().index(b'"members"'))


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[content.index(b'"hash"') + 20] ^= 0x01
    file.write_bytes(content)


def rewrite(change: Callable[[dict[str, bytes]], None]) -> Callable[[Path], None]:
    def rewritten(file: Path) -> None:
        members: dict[str, bytes] = {}
        with tarfile.open(file) as tar:
            for member in tar.getmembers():
                content = tar.extractfile(member)
                assert content is not None
                members[member.name] = content.read()
        change(members)
        with tarfile.open(file, "w") as tar:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))

    return rewritten


def without_manifest(members: dict[str, bytes]) -> None:
    del members["manifest.json"]


def another_format(members: dict[str, bytes]) -> None:
    members["manifest.json"] = b'{"format": "middlewatch.backup/v9"}'


def strange_manifest(members: dict[str, bytes]) -> None:
    members["manifest.json"] = b'{"format": "middlewatch.backup/v1", "members": []}'


def missing_member(members: dict[str, bytes]) -> None:
    del members["investigations/acme/inv-1.json"]


def renamed(name: str) -> Callable[[dict[str, bytes]], None]:
    def rename(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["manifest.json"])
        manifest["members"][name] = manifest["members"].pop("archive/acme/inv-0.json.gz")
        members["manifest.json"] = json.dumps(manifest).encode()
        members[name] = members.pop("archive/acme/inv-0.json.gz")

    return rename


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        flip,
        rewrite(without_manifest),
        rewrite(another_format),
        rewrite(strange_manifest),
        rewrite(missing_member),
        rewrite(renamed("archive/../../evil.json.gz")),
        rewrite(renamed("archive/acme/..json.gz")),
        rewrite(renamed("archive/acme/.hidden.json.gz")),
        rewrite(renamed("/etc/evil")),
        rewrite(renamed("investigations/acme/a}b.json")),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"no tar at all" * 1000),
        lambda file: file.unlink(),
    ],
)
def test_a_backup_that_is_not_sound_changes_nothing(
    store: ContextStore, claim: Claim, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    assert claim
    backup(store, tmp_path / "archive", tmp_path / "b.tar")
    damage(tmp_path / "b.tar")
    before = everything(store)
    with pytest.raises(BadInput):
        restore(store, tmp_path / "elsewhere", tmp_path / "b.tar", epoch_path=tmp_path / "epoch", force=True)
    assert everything(store) == before
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "epoch").exists()


def test_a_backup_that_cannot_be_written_leaves_nothing(store: ContextStore, claim: Claim, tmp_path: Path) -> None:
    assert claim
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable):
        backup(store, tmp_path / "archive", tmp_path / "file" / "b.tar")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "b.tar").write_text("an older one")
    with pytest.raises(KeyboardInterrupt):
        backup(store, tmp_path / "archive", tmp_path / "b.tar", on_progress=die)
    assert (tmp_path / "b.tar").read_text() == "an older one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "b.tar", "file"]


def test_an_empty_store_has_a_backup_too(store: ContextStore, redis: Redis, tmp_path: Path) -> None:
    nothing = {"investigations": 0, "archived": 0}
    assert backup(store, tmp_path / "archive", tmp_path / "b.tar") == nothing
    assert restore(store, tmp_path / "archive", tmp_path / "b.tar", epoch_path=tmp_path / "epoch") == nothing
    assert keys(redis, "middlewatch:investigation:*") == []
