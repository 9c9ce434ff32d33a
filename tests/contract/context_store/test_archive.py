"""An investigation leaves Redis only after it is durably elsewhere; killed in between, it is in both places or in the archive."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis

from middlewatch.context_store import scripts
from middlewatch.context_store.archive import Archive, FileArchive
from middlewatch.context_store.keys import investigation_keys
from middlewatch.context_store.store import ContextStore
from middlewatch.records import AgentName, Completion, FanOut, Headline, InvestigationState, Snapshot
from middlewatch.records.errors import BadInput, StoreUnavailable, UnknownInvestigation
from middlewatch.telemetry.archive import ClickHouseArchive
from middlewatch.telemetry.clickhouse import ClickHouse
from tests.store_data import NOW, make_evidence, make_hypothesis, make_investigation, make_report, make_task, make_vote
from tests.store_fixtures import MemoryArchive, keys


@pytest.fixture(params=["files", "memory", "clickhouse"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    """An empty archive of each kind."""
    if request.param == "clickhouse":
        return empty_clickhouse_archive(request.getfixturevalue("clickhouse"))
    return FileArchive(tmp_path / "archive") if request.param == "files" else MemoryArchive()


def empty_clickhouse_archive(database: ClickHouse) -> ClickHouseArchive:
    with database._pool.client() as client:
        client.command("TRUNCATE TABLE middlewatch.archived_investigations", parameters={})
    return ClickHouseArchive(database)


@pytest.fixture
def closed(store: ContextStore) -> Snapshot:
    """An investigation with something of everything."""
    store.open(make_investigation(), make_task("plan"))
    finish(store, Completion(evidence=(make_evidence(),), fan_out=FanOut(tasks=(make_task("a"),), then=make_task("b"))))
    finish(store, Completion(hypotheses=(make_hypothesis(),), votes=(make_vote(AgentName.LOGS),)))
    finish(store, Completion(report=make_report()))
    return store.snapshot("acme", "inv-1")


def finish(store: ContextStore, completion: Completion) -> None:
    claim = store.claim("ann")
    assert claim is not None
    store.finish(claim, completion)


def test_it_is_moved_whole(store: ContextStore, archive: Archive, closed: Snapshot) -> None:
    happened = store.events("acme", "inv-1")
    assert store.archive_closed(archive, older_than_seconds=0) == 1
    assert archive.get("acme", "inv-1") == (closed, happened)
    assert archive.list("acme") == ("inv-1",)
    with pytest.raises(UnknownInvestigation):
        store.snapshot("acme", "inv-1")
    assert store.investigations("acme") == ()
    assert store.archive_closed(archive, older_than_seconds=0) == 0


@pytest.mark.usefixtures("closed")
def test_what_is_open_or_fresh_stays(store: ContextStore, archive: Archive) -> None:
    other = make_investigation(identifier="inv-2", source_id="alert-2")
    store.open(other, make_task("plan", investigation=other))
    assert store.archive_closed(archive, older_than_seconds=3600) == 0
    assert store.archive_closed(archive, older_than_seconds=0) == 1
    assert [investigation.id for investigation in store.investigations("acme")] == ["inv-2"]


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("step", ["remove", "forget"])
def test_killed_in_between_it_is_nowhere_missing_and_the_rest_is_done_next_time(
    store: ContextStore, archive: Archive, closed: Snapshot, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(scripts, step, die)
        with pytest.raises(Killed):
            store.archive_closed(archive, older_than_seconds=0)
    assert archive.get("acme", "inv-1")[0] == closed
    store.archive_closed(archive, older_than_seconds=0)
    assert archive.get("acme", "inv-1")[0] == closed
    assert store.investigations("acme") == ()


def test_an_archive_that_cannot_write_loses_nothing(store: ContextStore, closed: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StoreUnavailable("The disk is full.")

    full = MemoryArchive()
    monkeypatch.setattr(full, "put", refuse)
    with pytest.raises(StoreUnavailable):
        store.archive_closed(full, older_than_seconds=0)
    assert store.snapshot("acme", "inv-1") == closed


def test_what_is_not_there_has_its_error(archive: Archive) -> None:
    assert archive.list("acme") == ()
    with pytest.raises(UnknownInvestigation):
        archive.get("acme", "inv-1")


def test_it_can_be_put_again_and_belongs_to_its_tenant(archive: Archive, store: ContextStore, closed: Snapshot) -> None:
    events = store.events("acme", "inv-1")
    other = closed.model_copy(update={"investigation": closed.investigation.model_copy(update={"id": "inv-0"})})
    for snapshot in (closed, other, closed):
        archive.put(snapshot, events)
    assert archive.list("acme") == ("inv-0", "inv-1")
    assert archive.get("acme", "inv-1") == (closed, events)
    assert archive.list("another") == ()
    with pytest.raises(UnknownInvestigation):
        archive.get("another", "inv-1")


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    archive = FileArchive(tmp_path / "archive")
    for tenant, identifier in (("..", "x"), ("acme", "../x"), ("acme", "/etc/passwd"), ("a/b", "x")):
        with pytest.raises(BadInput):
            archive.get(tenant, identifier)


@pytest.mark.usefixtures("closed")
def test_nothing_is_left_in_redis_but_a_mark_that_goes_away(store: ContextStore, redis: Redis) -> None:
    store.archive_closed(MemoryArchive(), older_than_seconds=0)
    left = [key for key in keys(redis, "middlewatch:investigation:*") if redis.ttl(key) < 0]
    assert left == []


def test_what_is_open_is_never_removed(store: ContextStore) -> None:
    store.open(make_investigation(), make_task("plan"))
    assert scripts.remove(store.server, investigation_keys("acme", "inv-1"), keep_ms=1000) == ["OPEN"]
    assert store.claim("ann") is not None


def ended(number: int) -> Snapshot:
    """Closed, without the headline that investigations had not always; the higher the number the later."""
    opened = NOW + timedelta(hours=number)
    report = make_report()
    investigation = make_investigation(identifier=f"inv-{number}").model_copy(
        update={"state": InvestigationState.CLOSED, "opened_at": opened, "closed_at": opened + timedelta(minutes=1)}
    )
    return Snapshot(investigation=investigation, evidence=(make_evidence(),), report=report)


def test_heads_come_newest_first_and_no_more_than_asked_for(archive: Archive) -> None:
    for number in (2, 1, 3):
        archive.put(ended(number), ())
    assert [head.id for head in archive.heads("acme", limit=2)] == ["inv-3", "inv-2"]
    assert archive.heads("acme", limit=0) == ()
    assert archive.heads("other", limit=2) == ()


def test_the_headline_of_one_from_before_there_were_any_is_its_reports(archive: Archive) -> None:
    archive.put(ended(1), ())
    expected = ended(1).investigation.model_copy(update={"headline": Headline.of(make_report())})
    assert archive.heads("acme", limit=5) == (expected,)
    assert archive.heads("acme", limit=5) == (expected,)
    assert archive.list("acme") == ("inv-1",)


def test_a_cancelled_one_has_no_headline(archive: Archive) -> None:
    cancelled = ended(1).investigation.model_copy(update={"state": InvestigationState.CANCELLED})
    archive.put(Snapshot(investigation=cancelled), ())
    assert archive.heads("acme", limit=5) == (cancelled,)


def test_the_headline_moves_with_the_investigation(store: ContextStore, archive: Archive, closed: Snapshot) -> None:
    assert closed.investigation.headline == Headline.of(make_report())
    store.archive_closed(archive, older_than_seconds=0)
    assert archive.heads("acme", limit=5) == (closed.investigation,)
