"""Invariant: that the policy changed, broke or was mended is in the log once, whoever and however many saw it, without its text."""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import JsonValue

from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.desks import POLICY_NOTE, LivePolicy
from middlewatch.records.errors import MiddlewatchError, Misconfigured, Refused
from tests.approval_data import POLICY_TEXT, TENANT, Office

BAD = "the_password_is = swordfish"
OTHER = POLICY_TEXT + "# more\n"

Said = tuple[str, str, dict[str, JsonValue]]


def process(office: Office) -> LivePolicy:
    """The policy as another process has it: it shares nothing but the file and the store."""
    return LivePolicy(office.policy.path, office.desk.store, TENANT)


def write(office: Office, text: str) -> None:
    """As an editor does: a whole new file in the place of the old one."""
    new = office.policy.path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.rename(office.policy.path)


def look(*processes: LivePolicy) -> None:
    for policy in processes:
        with suppress(Misconfigured, Refused):
            policy()


def said(office: Office) -> list[Said]:
    rows = [row.event for row in office.audit.store.read(TENANT)]
    assert {(row.actor, row.obj) for row in rows} <= {("system:policy", "policy.toml")}
    return [(row.event, row.digest, row.data) for row in rows]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def changed(text: str, *, before: str = "", mended: bool = False) -> Said:
    return ("policy.changed", sha256(text), {"before": before and sha256(before), "mended": mended})


def broken(text: str, *, before: str) -> Said:
    return ("policy.broken", text and sha256(text), {"before": sha256(before)})


def test_each_other_policy_is_an_event_with_the_one_before(office: Office) -> None:
    one, two = process(office), process(office)
    look(one, two, one)
    write(office, OTHER)
    look(two, one, process(office))
    assert said(office) == [changed(POLICY_TEXT), changed(OTHER, before=POLICY_TEXT)]


def test_a_policy_that_breaks_and_is_mended_is_two_events_with_no_word_of_it(office: Office) -> None:
    one, two = process(office), process(office)
    look(one, two)
    write(office, BAD)
    for policy in (one, two, one):
        with pytest.raises(Misconfigured):
            policy()
    write(office, BAD + " still")  # it is as unusable as it was
    look(one, process(office))
    write(office, POLICY_TEXT)
    look(two, one)
    assert said(office) == [
        changed(POLICY_TEXT),
        broken(BAD, before=POLICY_TEXT),
        changed(POLICY_TEXT, before=POLICY_TEXT, mended=True),
    ]
    assert "swordfish" not in str(list(office.audit.store.read(TENANT)))


def test_a_policy_that_is_gone_has_no_digest_and_another_may_follow(office: Office) -> None:
    one = process(office)
    look(one)
    office.policy.path.unlink()
    for policy in (one, process(office)):
        with pytest.raises(Refused):
            policy()
    write(office, OTHER)
    look(one)
    assert said(office) == [changed(POLICY_TEXT), broken("", before=POLICY_TEXT), changed(OTHER, before=POLICY_TEXT, mended=True)]


def test_where_there_never_was_a_policy_nothing_broke(office: Office) -> None:
    write(office, BAD)
    look(process(office))
    office.policy.path.unlink()
    look(process(office))
    assert said(office) == []


def test_what_only_another_process_saw_hides_nothing_that_follows(office: Office) -> None:
    """A command that looks once and ends saw it broken; whoever goes on sees it good, and broken again."""
    lasting = process(office)
    look(lasting)
    write(office, BAD)
    look(process(office))
    write(office, POLICY_TEXT)
    look(lasting)
    write(office, BAD)
    look(lasting)
    write(office, POLICY_TEXT)
    look(process(office))
    write(office, BAD)
    look(lasting)
    names = [name for name, _, _ in said(office)]
    assert names == ["policy.changed", *["policy.broken", "policy.changed"] * 2, "policy.broken"]


@pytest.mark.parametrize("text", [OTHER, BAD])
def test_who_see_it_at_the_same_moment_write_it_once(office: Office, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    look(process(office))
    write(office, text)
    read, both = ApprovalStore.note, threading.Barrier(2)
    first = threading.local()

    def together(store: ApprovalStore, tenant: str, name: str) -> str:
        found = read(store, tenant, name)
        if name == POLICY_NOTE and not getattr(first, "done", False):
            first.done = True
            both.wait(timeout=10)  # both have read what stood there before either writes
        return found

    monkeypatch.setattr(ApprovalStore, "note", together)
    threads = [threading.Thread(target=look, args=(process(office),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said(office)[1:] == [broken(BAD, before=POLICY_TEXT) if text == BAD else changed(OTHER, before=POLICY_TEXT)]


def test_what_cannot_be_written_down_is_written_at_the_next_look(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = process(office)
    with monkeypatch.context() as patched:

        def away(*_args: object, **_kwargs: object) -> bool:
            raise MiddlewatchError("The store does not answer.")

        patched.setattr(ApprovalStore, "set_note", away)
        with pytest.raises(MiddlewatchError, match="does not answer"):
            policy()
    look(policy)
    assert said(office) == [changed(POLICY_TEXT)]


def test_a_file_that_everybody_may_write_now_is_not_used_any_more(office: Office) -> None:
    policy = process(office)
    policy()
    path: Path = office.policy.path
    path.chmod(0o646)
    with pytest.raises(Misconfigured, match="everybody on this machine"):
        policy()
    assert said(office) == [changed(POLICY_TEXT), broken(POLICY_TEXT, before=POLICY_TEXT)]
