"""Invariants: whoever follows an investigation is told when it ends, also when it cannot go on; an owner waits for its users."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from middlewatch.app import App
from middlewatch.data_directory import DataDirectory
from middlewatch.records import Event, InvestigationState, Snapshot, Task, TaskKind, TaskState, TaskStatus
from middlewatch.records.errors import Stalled, Unavailable
from middlewatch.settings import Settings
from tests.unit.agents.shared_context import investigation


class StalledStore:
    """A store whose one investigation lost its planning task."""

    def investigation(self, _tenant: str, _id: str) -> Any:
        return investigation()

    def events(self, _tenant: str, _id: str, *, after: str, block_seconds: float) -> tuple[Event, ...]:
        del block_seconds
        return () if after else (Event(id="1-0", at=datetime.now(UTC), kind="investigation.stalled"),)

    def snapshot(self, _tenant: str, _id: str) -> Snapshot:
        task = Task(tenant="default", investigation="inv-1", id="r1-plan", kind=TaskKind.PLAN)
        return Snapshot(
            investigation=investigation(),
            tasks=(TaskStatus(task=task, state=TaskState.DEAD, attempts=5, error="ValueError: boom"),),
        )


def test_following_a_stalled_investigation_ends_and_names_the_task(tmp_path: Path) -> None:
    app = App(Settings(data_dir=tmp_path), cast("Any", None), cast("Any", StalledStore()), archive_folder=tmp_path, owner=True)
    events = app.follow("inv-1")
    assert next(events).kind == "investigation.stalled"
    with pytest.raises(Stalled, match=r"r1-plan after 5 attempts: ValueError: boom"):
        next(events)


class ClosedStore:
    """A store whose one investigation is over, and who waited there for more."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def investigation(self, _tenant: str, _id: str) -> Any:
        return investigation().model_copy(update={"state": InvestigationState.CLOSED})

    def events(self, _tenant: str, _id: str, *, after: str, block_seconds: float) -> tuple[Event, ...]:
        self.waited.append(block_seconds)
        return () if after else (Event(id="1-0", at=datetime.now(UTC), kind="investigation.closed"),)


def test_following_what_is_over_does_not_wait(tmp_path: Path) -> None:
    store = ClosedStore()
    app = App(Settings(data_dir=tmp_path), cast("Any", None), cast("Any", store), archive_folder=tmp_path, owner=True)
    assert [event.kind for event in app.follow("inv-1")] == ["investigation.closed"]
    assert set(store.waited) == {0.0}


class OpenStore(ClosedStore):
    """A store whose one investigation nobody works on."""

    def investigation(self, _tenant: str, _id: str) -> Any:
        return investigation()

    def events(self, _tenant: str, _id: str, *, after: str, block_seconds: float) -> tuple[Event, ...]:
        self.waited.append(block_seconds)
        return () if after else (Event(id="1-0", at=datetime.now(UTC), kind="investigation.opened"),)


def test_following_ends_when_nobody_works_on_it_any_more(tmp_path: Path) -> None:
    store = OpenStore()
    app = App(Settings(data_dir=tmp_path), cast("Any", None), cast("Any", store), archive_folder=tmp_path, owner=True)
    events = app.follow("inv-1", stopped=lambda: len(store.waited) > 2)
    assert next(events).kind == "investigation.opened", "what happened is told first"
    with pytest.raises(Unavailable, match="Nobody here works on the investigation inv-1 any more"):
        next(events)
    assert len(store.waited) == 3


def test_one_process_owns_a_directory(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as first, DataDirectory(tmp_path) as second:
        assert first.own()
        assert not second.own()
    with DataDirectory(tmp_path) as third:
        assert third.own()


def test_an_owner_waits_for_its_users(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with DataDirectory(tmp_path) as owner:
        assert owner.own()
        with DataDirectory(tmp_path) as user:
            user.use()
            waiting = threading.Thread(target=owner.await_users)
            waiting.start()
            time.sleep(0.1)
            assert waiting.is_alive()
        waiting.join(10)
        assert not waiting.is_alive()
    assert "waiting for them" in caplog.text
