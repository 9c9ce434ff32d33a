"""Invariant: who waits is told what holds a request up, as it was met; an executor is blamed only where none looked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace

import pytest
from click.testing import Result

from middlewatch.approval import controls
from middlewatch.approval.outcomes import refuse
from middlewatch.approvals import Approvals
from middlewatch.frontends.cli import approval_desk
from middlewatch.frontends.cli import approvals as command
from middlewatch.records import ApprovalRequest, Inspection
from middlewatch.records import RequestState as S
from middlewatch.records.errors import AuditBroken, BadInput, MiddlewatchError, Refused, Unavailable
from tests.approval_data import TENANT, Office, remediation
from tests.integration.approval.working import all_due, approved, asked, executed, freeze, kept, look, resolve, step

Run = Callable[..., Result]
MET = "Nothing was sent: no connection."


def spread(result: Result) -> str:
    return " ".join(result.output.split())


def failure(result: Result) -> MiddlewatchError:
    assert isinstance(result.exception, MiddlewatchError), result.output
    return result.exception


@pytest.fixture
def works(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """An executor works whenever a command waits."""
    clock = count(step=10)

    def sleep(_seconds: float) -> None:
        all_due(office)
        step(office)

    monkeypatch.setattr(approval_desk, "time", SimpleNamespace(monotonic=lambda: float(next(clock)), sleep=sleep))


def unreachable(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def inspect(*_: object) -> Inspection:
        raise Unavailable(MET)

    monkeypatch.setattr(type(office.hands), "inspect", inspect)


@pytest.mark.usefixtures("works")
def test_an_unreachable_target_is_not_blamed_on_the_executor(office: Office, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable(office, monkeypatch)
    done = executed_nothing(office)
    result = run("again", done.id)
    assert f"{MET} ..." in result.output, "as soon as it is known"
    assert MET.rstrip(".") in failure(result).message
    assert "No executor" not in failure(result).message
    (waiting,) = [one.request for one in office.desk.store.list(TENANT) if one.request.state is S.PREPARING]
    freeze(office)  # looking at the target is not held up by one
    assert f"{waiting.id}: {MET}" in spread(run("list"))
    assert "preparing, held up" in spread(run("list"))
    assert MET in spread(run("show", waiting.id))


def executed_nothing(office: Office) -> ApprovalRequest:
    """A request that is over without having been done."""
    request = office.gateway.submit(remediation("nudge"))
    return refuse(office.desk, kept(office, request), "the other end says no").request


def test_where_nothing_looked_no_executor_may_run(office: Office, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval_desk, "PREPARE_SECONDS", -1.0)
    done = executed_nothing(office)
    assert "No executor has looked" in failure(run("again", done.id)).message


@pytest.mark.parametrize("words", [("undo",), ("again",), ("edit", "by=2")], ids=" ".join)
@pytest.mark.usefixtures("works")
def test_what_a_person_asks_for_waits_until_people_are_asked(office: Office, run: Run, words: tuple[str, ...]) -> None:
    made = {
        "undo": lambda: executed(office, "nudge"),
        "again": lambda: executed_nothing(office),
        "edit": lambda: asked(office, "nudge"),
    }
    schema = {"properties": {"by": {"type": "integer"}}}
    office.catalogue.specs["nudge"] = office.catalogue.specs["nudge"].model_copy(update={"parameters_schema": schema})
    old = made[words[0]]()
    assert "is pending: it waits for a decision" in run(words[0], old.id, *words[1:]).stdout
    assert [one.request.state for one in office.desk.store.list(TENANT) if one.request.id != old.id] == [S.PENDING]


def test_what_a_freeze_outlasts_says_so_before_and_after_the_approval(
    office: Office, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, request = asked(office, "nudge"), asked(office)
    freeze(office, until_seconds=5)
    monkeypatch.setattr(command, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True), exit=sys.exit))
    assert "runs out" not in run("approve", other.id, "--no-wait", input="no\n").output
    freeze(office, until_seconds=86_400)
    told = spread(run("approve", request.id, "--no-wait", input=f"{request.digest[:8]}\n"))
    for words in ('the freeze "release" holds it up until', "the approval runs out at", "approvals break-glass"):
        assert words in told.split("Approve exactly this?")[0]
    assert look(office, request).state is S.APPROVED
    assert "approved, frozen" in spread(run("list"))


def test_a_digest_is_given_whole(run: Run) -> None:
    refused = run("approve", "apr-7be14c09a5d1", "--yes", "--digest", "ab12cd34")
    assert refused.exit_code == 2
    assert "64 hexadecimal digits, and this is 8 characters" in spread(refused)


def test_who_types_something_else_may_try_again(office: Office, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    request = asked(office)
    monkeypatch.setattr(command, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True), exit=sys.exit))
    wrong = failure(run("approve", request.id, "--no-wait", input="y\n"))
    assert isinstance(wrong, Refused)
    assert wrong.remedy.startswith("Try again: ")


def test_what_is_over_says_when_it_ended(office: Office, run: Run) -> None:
    done = executed(office, "nudge")
    assert done.execution is not None
    assert done.execution.ended_at is not None
    told = run("approve", done.id, "--yes", "--digest", done.digest).output
    assert f"{done.execution.ended_at:%H:%M:%S} succeeded" in told
    assert ".." not in failure(run("again", done.id)).message


def test_an_action_without_parameters_says_so(office: Office, run: Run) -> None:
    request = asked(office, "drain")
    wrong = failure(run("edit", request.id, "by=2"))
    assert isinstance(wrong, BadInput)
    assert wrong.message == "drain takes no parameters."


def test_where_nobody_executes_that_is_said(office: Office, run: Run) -> None:
    request = asked(office)
    words = ("approve", request.id, "--yes", "--digest", request.digest, "--no-wait")
    app = SimpleNamespace(owner=True, settings=SimpleNamespace(redis_url=None))
    assert run(*words).exit_code == 0
    said = approval_desk.unattended(app, look(office, request))  # type: ignore[arg-type]
    assert "no executor runs here now" in said
    app.owner = False
    assert not approval_desk.unattended(app, approved(office, "nudge"))  # type: ignore[arg-type]


@pytest.mark.parametrize(("halted", "idle", "blamed"), [(20, 6, False), (0, 14, True)])
def test_an_executor_is_missed_only_once_it_had_its_time(
    office: Office, run: Run, monkeypatch: pytest.MonkeyPatch, *, halted: int, idle: int, blamed: bool
) -> None:
    request = approved(office)
    mara = office.policy.person("mara")
    passed = 0

    def sleep(_seconds: float) -> None:
        nonlocal passed
        passed += 1
        if passed == halted:
            controls.lift(office.desk, TENANT, mara, "over", face="test")
        if passed > halted + idle:
            all_due(office)
            step(office)

    if halted:
        controls.halt(office.desk, TENANT, mara, "wait", face="test")
    monkeypatch.setattr(approval_desk, "time", SimpleNamespace(monotonic=lambda: float(passed), sleep=sleep))
    told = run("approve", request.id, "--yes", "--digest", request.digest).output
    assert "succeeded" in told
    assert ("no executor took it up" in told) == blamed
    assert ("everything is halted" in told) == bool(halted)


def test_what_is_told_is_signed_once_and_is_told_where_the_log_is_broken(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    request, leo = asked(office), office.policy.person("leo")
    sealed: list[str] = []
    monkeypatch.setattr(office.audit, "seal", sealed.append)
    office.gateway.viewed(request, leo, face="test")
    office.gateway.login(TENANT, leo, face="test")
    assert sealed == [TENANT, TENANT]

    def broken(_tenant: str) -> None:
        raise AuditBroken

    monkeypatch.setattr(office.audit, "seal", broken)
    office.gateway.viewed(request, leo, face="other")
    with pytest.raises(Refused):
        controls.lift(office.desk, TENANT, leo, "it is out", face="test")
    events = [row.event.event for row in office.audit.store.read(TENANT)][-4:]
    assert events == ["request.viewed", "principal.login", "request.viewed", "halt.kept"]


def test_what_is_denied_is_said_to_be_that_also_where_nobody_can_be_asked(office: Office, run: Run) -> None:
    request = asked(office)
    assert "not a terminal" in str(run("approve", request.id).exception)
    resolve(office, request, "mia", deny=True)
    said = str(run("approve", request.id).exception)
    assert "It is denied already: mia denied it" in said
    assert "not a terminal" not in said


def test_who_gives_a_token_that_nobody_has_is_told_that(office: Office, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    request = asked(office)
    monkeypatch.setenv("MIDDLEWATCH_TOKEN", "nobody-has-it")
    monkeypatch.setattr(Approvals, "local_identity", lambda approvals: f"token:{approvals.settings.token.get_secret_value()}")
    for words in (("deny", request.id), ("approve", request.id, "--yes", "--digest", request.digest)):
        said = run(*words).exception
        assert isinstance(said, Refused)
        assert "does not know the token in MIDDLEWATCH_TOKEN" in said.message
        assert "nobody-has-it" not in str(said)
        assert said.remedy
    assert look(office, request).state is S.PENDING


def test_all_who_approved_it_together_are_named(office: Office) -> None:
    request = approved(office, "both")
    assert request.why == "leo and mara approved it"
    assert request.held_up == ""
