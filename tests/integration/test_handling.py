"""Who has an investigation and what people found it worth, over the real store."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from middlewatch.approval import controls
from middlewatch.context_store import scripts
from middlewatch.context_store.archive import FileArchive
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.context_store.stored import text_of
from middlewatch.desks import LivePolicy
from middlewatch.handling import MOST_HANDOVERS, Handlings
from middlewatch.kept import Kept
from middlewatch.records import Completion, InvestigationState, Principal, Role, Verdict
from middlewatch.records.errors import BadInput, MiddlewatchError, Refused, UnknownInvestigation
from tests.approval_data import TENANT, Office
from tests.store_data import make_investigation, make_report, make_task
from tests.store_fixtures import redis

__all__ = ["redis"]

NOTE = "the pool of checkout is mine, ask ana for the rest"


class Desk:
    """An office with one closed investigation, and one that runs."""

    def __init__(self, redis: Redis, folder: Path) -> None:
        redis.flushall()
        self.office = Office.open(redis, folder)
        self.store = ContextStore(redis, epoch=Epoch(1))
        self.archive = FileArchive(folder / "archive")
        self.store.open(make_investigation(), make_task("conclude"))
        claim = self.store.claim("ann")
        assert claim is not None
        self.store.finish(claim, Completion(report=make_report()))
        running = make_investigation(identifier="inv-2", source_id="alert-2")
        self.store.open(running, make_task("plan", investigation=running))
        kept = Kept(TENANT, self.store, self.archive)
        self.handlings = Handlings(self.office.desk, TENANT, kept.investigation, kept.cancel)

    def person(self, name: str) -> Principal:
        found = self.office.policy.person(name)
        assert found is not None
        return found

    @property
    def logged(self) -> list[tuple[str, str, str]]:
        return [(row.event.event, row.event.actor, row.event.obj) for row in self.office.audit.store.read(TENANT)]


@pytest.fixture
def desk(redis: Redis, tmp_path: Path) -> Desk:
    return Desk(redis, tmp_path)


def test_who_acknowledges_first_has_it_and_a_second_time_changes_nothing(desk: Desk) -> None:
    first = desk.handlings.acknowledge("inv-1", desk.person("leo"), face="web")
    assert (first.acknowledged_by, first.assignee) == ("leo", "leo")
    assert desk.handlings.acknowledge("inv-1", desk.person("leo"), face="cli") == first
    assert desk.handlings.acknowledge("inv-1", desk.person("mia"), face="slack") == first
    assert desk.handlings.of("inv-1") == first
    assert desk.logged == [("investigation.acknowledged", "leo", "inv-1")]


def test_who_has_it_already_keeps_it_when_somebody_acknowledges(desk: Desk) -> None:
    desk.handlings.assign("inv-1", "mara", desk.person("leo"), face="web")
    after = desk.handlings.acknowledge("inv-1", desk.person("leo"), face="web")
    assert (after.acknowledged_by, after.assignee) == ("leo", "mara")


def test_of_a_note_the_log_holds_only_a_digest(desk: Desk) -> None:
    after = desk.handlings.assign("inv-1", "mia", desk.person("leo"), note=NOTE, face="web")
    assert (after.assignee, after.handovers[-1].note, after.handovers[-1].by) == ("mia", NOTE, "leo")
    (row,) = desk.office.audit.store.read(TENANT)
    assert NOTE not in row.event.model_dump_json()
    assert set(row.event.data) == {"to", "reason", "face"}
    assert row.event.data["reason"] != NOTE


def digests(desk: Desk) -> list[str]:
    """Of what was typed, in the order of the log."""
    reasons = [row.event.data.get("reason") for row in desk.office.audit.store.read(TENANT)]
    return [str(reason["sha256"]) for reason in reasons if isinstance(reason, dict)]


def forget(desk: Desk, digest: str) -> None:
    assert controls.forget_text(desk.office.desk, TENANT, desk.person("mara"), digest, face="test")


@pytest.mark.parametrize("text", [NOTE, "right", 'a "quote", a \\ and "note":"x"', "zwei\nZeilen, \u2028 \x00 / <b>", "%d (.-)"])
def test_a_text_that_is_deleted_leaves_the_investigation_with_the_log_and_no_other_does(desk: Desk, text: str) -> None:
    leo, mia = desk.person("leo"), desk.person("mia")
    desk.handlings.assign("inv-1", "mia", leo, note=text, face="web")
    desk.handlings.assign("inv-1", "leo", leo, note=f"{text}!", face="web")
    desk.handlings.give_feedback("inv-1", Verdict.RIGHT, leo, cause=text, face="web")
    before = desk.handlings.give_feedback("inv-1", Verdict.RIGHT, mia, cause=text, face="web")
    typed = digests(desk)
    assert [*(one.digest for one in before.handovers), *(one.digest for one in before.feedback)] == typed
    assert len(set(typed)) == 4
    forget(desk, typed[2])
    own, others = before.feedback
    left = before.model_copy(update={"feedback": (own.model_copy(update={"cause": ""}), others)})
    assert desk.handlings.of("inv-1") == left
    forget(desk, typed[0])
    first, second = before.handovers
    assert desk.handlings.of("inv-1") == left.model_copy(update={"handovers": (first.model_copy(update={"note": ""}), second)})


def test_of_what_an_older_version_kept_the_authors_text_in_that_investigation_is_deleted(desk: Desk) -> None:
    for name in ("leo", "mia"):
        desk.handlings.give_feedback("inv-1", Verdict.RIGHT, desk.person(name), cause="the database", face="web")
    store, note = desk.office.desk.store, "handling:inv-1"
    now, before = desk.handlings.of("inv-1"), store.note(TENANT, "handling:inv-1")
    older = now.model_copy(update={"feedback": tuple(one.model_copy(update={"digest": ""}) for one in now.feedback)})
    assert store.set_note(TENANT, note, text_of(older), before=before, events=[])
    assert store.set_note(TENANT, "handling:inv-2", text_of(older), before="", events=[])
    forget(desk, digests(desk)[0])
    assert [(one.by, one.cause) for one in desk.handlings.of("inv-1").feedback] == [("leo", ""), ("mia", "the database")]
    assert desk.handlings.of("inv-2") == older


def test_a_text_is_deleted_also_where_somebody_changes_the_investigation_meanwhile(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.handlings.assign("inv-1", "mia", desk.person("leo"), note=NOTE, face="web")
    (digest,) = digests(desk)
    made = scripts.forget_text

    def late(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.undo()
        desk.handlings.assign("inv-1", "leo", desk.person("mia"), note="meanwhile", face="web")
        return made(*args, **kwargs)

    monkeypatch.setattr(scripts, "forget_text", late)
    forget(desk, digest)
    assert [one.note for one in desk.handlings.of("inv-1").handovers] == ["", "meanwhile"]


def test_to_whom_it_belongs_already_it_is_given_again_only_with_a_note(desk: Desk) -> None:
    once = desk.handlings.assign("inv-1", "mia", desk.person("leo"), face="web")
    assert desk.handlings.assign("inv-1", "mia", desk.person("leo"), face="web") == once
    assert len(desk.handlings.assign("inv-1", "mia", desk.person("leo"), note="still yours", face="web").handovers) == 2


def test_nobody_gets_it_whom_policy_does_not_have(desk: Desk) -> None:
    with pytest.raises(BadInput, match="no active principal"):
        desk.handlings.assign("inv-1", "nobody", desk.person("leo"), face="web")
    assert desk.logged == []


def test_a_note_that_is_too_long_is_refused_with_what_to_do(desk: Desk) -> None:
    with pytest.raises(BadInput, match="Say it shorter"):
        desk.handlings.assign("inv-1", "mia", desk.person("leo"), note="x" * 4001, face="web")


def test_the_latest_handovers_are_kept(desk: Desk) -> None:
    for number in range(MOST_HANDOVERS + 3):
        after = desk.handlings.assign("inv-1", "mia", desk.person("leo"), note=str(number), face="web")
    assert [one.note for one in after.handovers] == [str(number) for number in range(3, MOST_HANDOVERS + 3)]


ACTS: list[Callable[[Handlings, Principal | None], object]] = [
    lambda handlings, who: handlings.acknowledge("inv-1", who, face="web"),
    lambda handlings, who: handlings.assign("inv-1", "mia", who, face="web"),
    lambda handlings, who: handlings.give_feedback("inv-1", Verdict.RIGHT, who, face="web"),
]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("who", [None, Principal(id="eve", name="Eve", role="manager")])
def test_whom_policy_does_not_know_is_refused_and_that_is_logged(
    desk: Desk, act: Callable[[Handlings, Principal | None], object], who: Principal | None
) -> None:
    with pytest.raises(Refused, match="does not know"):
        act(desk.handlings, who)
    assert [(event.rpartition(".")[2], obj) for event, _, obj in desk.logged] == [("refused", "inv-1")]
    assert desk.handlings.of("inv-1").assignee is None


@pytest.mark.parametrize("act", ACTS)
def test_without_a_policy_everything_is_refused_and_reading_works(
    desk: Desk, tmp_path: Path, act: Callable[[Handlings, Principal | None], object]
) -> None:
    live = LivePolicy(tmp_path / "no-policy.toml", desk.office.desk.store, TENANT)
    closed = Handlings(replace(desk.office.desk, policy=live), TENANT, *[lambda _: desk.store.investigation(TENANT, "inv-1")] * 2)
    with pytest.raises(MiddlewatchError) as refused:
        act(closed, desk.person("leo"))
    assert refused.value.remedy
    assert closed.of("inv-1").assignee is None


def test_an_investigation_that_there_is_not_is_handled_by_nobody(desk: Desk) -> None:
    with pytest.raises(UnknownInvestigation):
        desk.handlings.acknowledge("inv-9", desk.person("leo"), face="web")
    assert desk.logged == []


def test_feedback_comes_after_the_answer(desk: Desk) -> None:
    with pytest.raises(BadInput, match="no answer yet"):
        desk.handlings.give_feedback("inv-2", Verdict.RIGHT, desk.person("leo"), face="web")
    desk.store.cancel(TENANT, "inv-2")
    with pytest.raises(BadInput, match="was cancelled"):
        desk.handlings.give_feedback("inv-2", Verdict.RIGHT, desk.person("leo"), face="web")


def test_whoever_policy_names_cancels_what_runs_and_the_log_says_who(desk: Desk) -> None:
    for nobody in (None, Principal(id="eve", name="Eve", role=Role.MANAGER)):
        with pytest.raises(Refused, match="does not know"):
            desk.handlings.cancel("inv-2", nobody, face="web")
    assert desk.store.investigation(TENANT, "inv-2").state is InvestigationState.OPEN
    for _ in range(2):
        assert desk.handlings.cancel("inv-2", desk.person("mia"), face="web").state is InvestigationState.CANCELLED
    with pytest.raises(BadInput, match="closed already"):
        desk.handlings.cancel("inv-1", desk.person("mia"), face="web")
    refused = [("cancellation.refused", who, "inv-2") for who in ("system:unknown", "eve")]
    assert desk.logged == [*refused, ("cancellation.asked", "mia", "inv-2")]


def test_of_each_person_the_last_word_counts(desk: Desk) -> None:
    desk.handlings.give_feedback("inv-1", Verdict.WRONG, desk.person("leo"), cause="the cache", face="web")
    desk.handlings.give_feedback("inv-1", Verdict.RIGHT, desk.person("mia"), face="cli")
    after = desk.handlings.give_feedback("inv-1", Verdict.PARTLY, desk.person("leo"), cause="the pool", face="web")
    assert [(one.by, one.verdict, one.cause) for one in after.feedback] == [("mia", "right", ""), ("leo", "partly", "the pool")]
    assert desk.handlings.give_feedback("inv-1", Verdict.PARTLY, desk.person("leo"), cause="the pool", face="slack") == after
    assert [event for event, _, _ in desk.logged] == ["feedback.given"] * 3


def test_of_those_who_act_at_once_nobody_is_lost(desk: Desk) -> None:
    people = ["mia", "leo", "lea", "mara", "max"]

    def act(name: str) -> None:
        desk.handlings.acknowledge("inv-1", desk.person(name), face="web")
        desk.handlings.give_feedback("inv-1", Verdict.RIGHT, desk.person(name), cause=name, face="web")
        desk.handlings.assign("inv-1", name, desk.person(name), note=f"of {name}", face="web")

    with ThreadPoolExecutor(len(people)) as pool:
        list(pool.map(act, people))
    after = desk.handlings.of("inv-1")
    assert sorted(one.by for one in after.feedback) == sorted(people)
    assert {one.note for one in after.handovers} >= {f"of {name}" for name in people}
    assert [event for event, _, _ in desk.logged].count("investigation.acknowledged") == 1


def test_an_archived_investigation_is_handled_like_any(desk: Desk) -> None:
    desk.handlings.assign("inv-1", "mia", desk.person("leo"), note=NOTE, face="web")
    assert desk.store.archive_closed(desk.archive, older_than_seconds=0) == 1
    after = desk.handlings.acknowledge("inv-1", desk.person("leo"), face="web")
    assert after.handovers[0].note == NOTE
    assert desk.handlings.give_feedback("inv-1", Verdict.RIGHT, desk.person("leo"), face="web").feedback


def test_several_are_read_in_one_piece(desk: Desk) -> None:
    mine = desk.handlings.acknowledge("inv-1", desk.person("leo"), face="web")
    found = desk.handlings.of_all(["inv-2", "inv-1"])
    assert (found["inv-1"], found["inv-2"].assignee) == (mine, None)
    assert desk.handlings.of_all([]) == {}


def test_notes_of_the_store_come_in_the_order_of_their_names(desk: Desk) -> None:
    store = desk.office.desk.store
    assert store.set_note(TENANT, "one", "1", before="", events=[])
    assert not store.set_note(TENANT, "one", "2", before="", events=[]), "somebody was first"
    assert store.notes(TENANT, ["two", "one", "two"]) == ("", "1", "")
    assert store.set_note(TENANT, "one", "", before="1", events=[])
    assert store.notes(TENANT, ["one"]) == ("",)
    assert store.notes("other", ["one"]) == ("",)


def test_the_store_of_another_tenant_is_another(desk: Desk) -> None:
    desk.handlings.acknowledge("inv-1", desk.person("leo"), face="web")
    assert Handlings(desk.office.desk, "other", *[lambda _: make_investigation("other")] * 2).of("inv-1").assignee is None
