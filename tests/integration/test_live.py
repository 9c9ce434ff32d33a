"""One stream of an investigation: nothing is lost and nothing comes twice, wherever a reader was cut off."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from middlewatch import live
from middlewatch.context_store.archive import FileArchive
from middlewatch.context_store.audit import Logged
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.kept import Kept
from middlewatch.live import Cursor, Live, Update, _merged
from middlewatch.records import REQUEST_PREFIX, AuditEvent, Completion, Event
from middlewatch.records.errors import BadInput, UnknownInvestigation
from tests.approval_data import TENANT, Office, remediation
from tests.store_data import make_evidence, make_investigation, make_report, make_task
from tests.store_fixtures import redis

__all__ = ["redis"]


class Site:
    """Two investigations that run, with requests of both."""

    def __init__(self, redis: Redis, folder: Path) -> None:
        redis.flushall()
        self.office = Office.open(redis, folder)
        self.store = ContextStore(redis, epoch=Epoch(1))
        self.archive = FileArchive(folder / "archive")
        kept = Kept(TENANT, self.store, self.archive)
        self.live = Live(TENANT, kept.events, self.office.audit.store, self.office.desk.store)
        for identifier in ("inv-1", "inv-2"):
            made = make_investigation(identifier=identifier, source_id=identifier)
            self.store.open(made, make_task("conclude", investigation=made))

    def log(self, event: str, obj: str) -> None:
        self.office.audit.store.append(TENANT, [AuditEvent(tenant=TENANT, actor="leo", event=event, obj=obj)])

    def conclude(self) -> None:
        for _ in range(2):
            claim = self.store.claim("ann")
            assert claim is not None
            of = make_investigation(identifier=claim.task.investigation)
            self.store.append(claim, [make_evidence(investigation=of)])
            self.store.finish(claim, Completion(report=make_report(of)))

    def request(self, investigation: str) -> str:
        return self.office.gateway.propose(
            remediation("annotate", investigation=investigation), self.office.policy.person("leo")
        ).id

    def happen(self) -> None:
        """A little of everything, in both."""
        self.log("investigation.acknowledged", "inv-1")
        self.request("inv-1")
        self.request("inv-2")
        self.log("investigation.assigned", "inv-2")
        self.conclude()
        self.log("halt.set", "acme")
        self.log("policy.changed", "policy")
        self.log("feedback.given", "inv-1")

    def all(self, investigation: str = "inv-1") -> tuple[Update, ...]:
        return self.read(investigation, Cursor())

    def read(self, investigation: str, cursor: Cursor) -> tuple[Update, ...]:
        found: list[Update] = []
        while True:
            updates, cursor = self.live.since(investigation, cursor)
            if not updates:
                return tuple(found)
            found += updates


@pytest.fixture
def site(redis: Redis, tmp_path: Path) -> Site:
    return Site(redis, tmp_path)


def test_it_holds_what_concerns_the_investigation_and_nothing_else(site: Site) -> None:
    site.happen()
    kinds = [update.kind for update in site.all()]
    for kind in ("investigation.opened", "investigation.acknowledged", "halt.set", "feedback.given", "investigation.closed"):
        assert kinds.count(kind) == 1
    assert "policy.changed" not in kinds
    assert "investigation.assigned" not in kinds, "that is the other's"
    own = {row.event.obj for row in site.office.audit.store.read(TENANT) if row.event.obj.startswith(REQUEST_PREFIX)}
    shown = {update.obj for update in site.all() if update.obj.startswith(REQUEST_PREFIX)}
    others = {update.obj for update in site.all("inv-2") if update.obj.startswith(REQUEST_PREFIX)}
    assert len(shown) == len(others) == 1
    assert shown | others == own


def test_a_reader_that_was_cut_off_anywhere_goes_on_where_it_was(site: Site) -> None:
    site.happen()
    whole = site.all()
    for place, update in enumerate(whole):
        assert site.read("inv-1", Cursor.parse(update.cursor)) == whole[place + 1 :]


def test_what_happens_between_two_readings_comes_with_the_second(site: Site) -> None:
    choose = random.Random(5)
    cursor, found = Cursor(), list[Update]()
    acts: list[Callable[[], object]] = [
        lambda: site.log("investigation.acknowledged", "inv-1"),
        lambda: site.request("inv-1"),
        lambda: site.request("inv-2"),
    ]
    for turn in range(24):
        if turn == 12:
            site.conclude()
        choose.choice(acts)()
        if choose.random() < 0.5:
            updates, cursor = site.live.since("inv-1", cursor)
            found += updates
    found += site.read("inv-1", cursor)
    assert sorted(update.model_dump_json(exclude={"cursor"}) for update in found) == sorted(
        update.model_dump_json(exclude={"cursor"}) for update in site.all()
    )


def test_of_ever_so_many_requests_no_more_than_some_are_remembered(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "REQUESTS_KNOWN", 2)
    reader = Live(TENANT, lambda *_: (), site.office.audit.store, site.office.desk.store)
    ids = [site.request("inv-1") for _ in range(4)]
    assert {update.obj for update in reader.since("inv-1", Cursor())[0]} >= set(ids)
    assert reader._asked.cache_info().currsize == 2


def test_the_end_is_after_everything_and_before_what_comes(site: Site) -> None:
    site.happen()
    end = site.live.end("inv-1")
    assert site.read("inv-1", end) == ()
    site.log("feedback.given", "inv-1")
    assert [update.kind for update in site.read("inv-1", end)] == ["feedback.given"]


def test_an_archived_investigation_has_the_same_stream(site: Site) -> None:
    site.happen()
    whole = site.all()
    middle = Cursor.parse(whole[len(whole) // 2].cursor)
    assert site.store.archive_closed(site.archive, older_than_seconds=0) == 2
    assert site.all() == whole
    assert site.read("inv-1", middle) == whole[len(whole) // 2 + 1 :]
    site.log("feedback.given", "inv-1")
    assert [update.kind for update in site.read("inv-1", Cursor.parse(whole[-1].cursor))] == ["feedback.given"]


def test_a_place_that_the_log_has_not_reached_stands_for_its_end(site: Site) -> None:
    _, cursor = site.live.since("inv-1", Cursor(site.live.end("inv-1").event, 10**11))
    site.log("feedback.given", "inv-1")
    assert [update.kind for update in site.read("inv-1", cursor)] == ["feedback.given"]


def test_whoever_waits_is_told_when_something_happens(site: Site) -> None:
    end = site.live.end("inv-1")
    assert site.live.since("inv-1", end, wait_seconds=0.01) == ((), end)
    site.log("feedback.given", "inv-1")
    updates, _ = site.live.since("inv-1", end, wait_seconds=5)
    assert [update.kind for update in updates] == ["feedback.given"]


def test_there_is_no_stream_of_what_there_is_not(site: Site) -> None:
    with pytest.raises(UnknownInvestigation):
        site.live.since("inv-9", Cursor())


@given(st.lists(st.integers(1, 9), max_size=6), st.lists(st.integers(1, 9), max_size=6))
def test_within_each_source_the_order_is_kept_whatever_the_clocks_say(events: list[int], logged: list[int]) -> None:
    at = make_investigation().alert.detected_at
    happened = tuple(Event(id=f"{ms}-{place}", at=at, kind="task.claimed") for place, ms in enumerate(sorted(events)))
    row = AuditEvent(tenant=TENANT, actor="leo", event="feedback.given", obj="inv-1")
    rows = [Logged(seq=seq, time_ms=ms, event=row) for seq, ms in enumerate(logged)]
    updates, cursor = _merged(happened, rows, Cursor())
    places = [Cursor.parse(update.cursor) for update in updates]
    assert [place.event for place in places if place.event] == sorted((place.event for place in places if place.event), key=_number)
    assert [place.seq for place in places] == sorted(place.seq for place in places)
    assert len(set(places)) == len(updates) == len(events) + len(logged)
    assert cursor == Cursor(happened[-1].id if happened else "", len(logged))


def _number(event: str) -> tuple[int, ...]:
    return tuple(int(part) for part in event.split("-"))


@pytest.mark.parametrize(
    "text",
    ["", ".", "1.2.3", "-1.0", "1-1", "1-1.", "1-1.-5", "x.0", "1-1.9999999999999", "1.0", "1-1.0\n", "\u0663-\u0661.\u0660"],
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="not a place"):
        Cursor.parse(text)


@given(st.builds(Cursor, st.sampled_from(["", "0-0", "1764000000000-12"]), st.integers(0, 10**12 - 1)))
def test_a_place_is_read_as_it_was_written(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor
