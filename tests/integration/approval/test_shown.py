"""Invariant: whoever learns from a command what they would approve is in the log as having seen it, and nobody else is."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result

from middlewatch.approval.desk import Desk
from middlewatch.frontends.cli import approval_desk
from middlewatch.frontends.cli import approvals as command
from middlewatch.records import ApprovalRequest
from middlewatch.records import RequestState as S
from middlewatch.records.errors import Refused, Unavailable
from tests.approval_data import TENANT, Office, remediation
from tests.integration.approval.working import approved, asked, executed, look, resolve, rewrite, step

Run = Callable[..., Result]
LINE = {"id", "state", "tier", "action", "target", "why", "ends_at", "asked"}


def views(office: Office) -> list[tuple[str, str]]:
    rows = [row.event for row in office.audit.store.read(TENANT)]
    return [(row.actor, row.obj) for row in rows if row.event == "request.viewed"]


def tells_nothing(printed: str, request: ApprovalRequest) -> bool:
    """Whether nobody could approve from this: the steps, the digest and what is bound are not in it."""
    assert request.bound is not None
    return not any(secret in printed for secret in (request.digest, request.bound.nonce, *request.plan))


def test_the_list_tells_nobody_enough_to_approve(office: Office, run: Run) -> None:
    request = rewrite(office, asked(office), notes=("a word of it",))
    printed = run("list", "--json").output
    (row,) = json.loads(printed)
    assert set(row) == LINE
    assert (row["id"], row["state"], row["tier"], row["action"], row["target"]) == (
        request.id,
        "pending",
        "medium",
        "roll_back",
        "checkout",
    )
    assert (row["asked"], bool(row["ends_at"]), bool(row["why"])) == ("lead", True, True)
    assert tells_nothing(printed, request)
    assert views(office) == []


def test_what_is_watched_tells_nobody_enough_to_approve(office: Office, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    request = asked(office)

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "time", SimpleNamespace(sleep=interrupted))  # nobody else's: the store's threads sleep too
    printed = run("watch", "--json").output
    row = json.loads(printed.splitlines()[0])
    assert (set(row), row["id"]) == (LINE, request.id)
    assert tells_nothing(printed, request)
    assert views(office) == []


def test_who_is_shown_it_is_in_the_log(office: Office, run: Run) -> None:
    request = asked(office)
    assert request.digest in run("show", request.id, "--json").output
    assert views(office) == [("leo", request.id)]


def test_who_approves_a_digest_from_elsewhere_was_not_shown_it_here(office: Office, run: Run) -> None:
    request = asked(office)
    done = run("approve", request.id, "--yes", "--digest", request.digest, "--no-wait")
    assert (done.exit_code, look(office, request).state) == (0, S.APPROVED)
    assert views(office) == []


def test_what_is_approved_already_is_shown_to_nobody_again(office: Office, run: Run) -> None:
    request = approved(office)
    assert "is approved already" in run("approve", request.id, "--yes", "--digest", request.digest, "--no-wait").output
    assert views(office) == []


@pytest.mark.parametrize("right", [True, False])
def test_who_is_asked_is_shown_it_and_what_they_were_shown_is_what_they_approve(
    office: Office,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    right: bool,  # noqa: FBT001
) -> None:
    request = asked(office)
    # A terminal, as far as the command can tell; the runner gives it standard input of its own.
    monkeypatch.setattr(command, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True), exit=sys.exit))
    done = run("approve", request.id, "--no-wait", input=f"{request.digest[:8] if right else 'y'}\n")
    assert isinstance(done.exception, Refused) != right
    assert look(office, request).state is (S.APPROVED if right else S.PENDING)
    assert views(office) == [("leo", request.id)]


@pytest.mark.parametrize("as_json", [True, False])
def test_what_somebody_asks_for_they_have_seen_where_it_is_printed_whole(
    office: Office,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    as_json: bool,  # noqa: FBT001
) -> None:
    done = executed(office, "nudge")
    # An executor looks at the target meanwhile. Only this module waits so: the whole process has other threads that sleep.
    waiting_room = SimpleNamespace(sleep=lambda _seconds: step(office), monotonic=time.monotonic)
    monkeypatch.setattr(approval_desk, "time", waiting_room)
    made: Any = run("undo", done.id, *(["--json"] if as_json else []))
    assert made.exit_code == 0
    (waiting,) = [one.request for one in office.desk.store.list(TENANT) if one.request.id != done.id]
    assert views(office) == ([("leo", waiting.id)] if as_json else [])


def test_a_request_that_nobody_looked_at_yet_can_be_listed(office: Office, run: Run) -> None:
    made = office.gateway.submit(remediation())
    assert [(row["id"], row["asked"]) for row in json.loads(run("list", "--json").output)] == [(made.id, "")]
    assert step(office)


def test_nobody_is_named_who_could_not_approve_it_any_more(office: Office, run: Run) -> None:
    def named(request: ApprovalRequest) -> set[str]:
        return {person["id"] for person in json.loads(run("show", request.id, "--json").output)["deciders"]}

    request = asked(office, "both", proposer="lea")
    assert "leo" in named(request)
    assert "lea" not in named(request)  # she proposed it
    resolve(office, request, "leo")
    assert "leo" not in named(request)  # he approved it
    assert "mara" in named(request)


def test_who_looks_again_and_again_is_written_down_once_for_each_face_and_digest(office: Office) -> None:
    request, leo = asked(office), office.policy.person("leo")
    for face in ("api", "api", "web", "api", "web"):
        office.gateway.viewed(request, leo, face=face)
    office.gateway.viewed(request, office.policy.person("mia"), face="api")
    office.gateway.viewed(request, None, face="api")
    assert [actor for actor, _ in views(office)] == ["leo", "leo", "mia"]
    office.gateway.viewed(request.model_copy(update={"digest": "0" * 64}), leo, face="api")
    assert len(views(office)) == 4


def test_what_could_not_be_written_down_is_written_the_next_time(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    request, leo = asked(office), office.policy.person("leo")

    def broken(*_: object, **__: object) -> None:
        raise Unavailable("The store does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(Desk, "tell", broken)
        with pytest.raises(Unavailable):
            office.gateway.viewed(request, leo, face="api")
    office.gateway.viewed(request, leo, face="api")
    assert views(office) == [("leo", request.id)]
