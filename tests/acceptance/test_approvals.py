"""Invariant: through the command line, what was shown and approved runs once, and nothing else runs.

One worker with its executor, in processes of their own, serves the whole module; each test has an investigation of its own.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from middlewatch.records import ApprovalRequest
from tests.acceptance.approvals_site import FREEZE, GLASS, Site, site, token
from tests.acceptance.command import SECONDS, command, environment, refused
from tests.contract.actions.loopback import Answer, Request


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("approvals") / "data") as made, made.worker():
        yield made


@pytest.fixture
def propose(shop: Site, request: pytest.FixtureRequest) -> Callable[..., ApprovalRequest]:
    name = re.sub(r"\W", "-", request.node.name)[-40:]
    shop.end.state["replicas"] = 2
    return lambda action="scale_up", **update: shop.request(shop.propose(action, investigation=f"inv-{name}", **update).id)


def approve(shop: Site, person: str, request: str, *words: str) -> subprocess.CompletedProcess[str]:
    """As a script does that was shown the card."""
    digest = shop.request(request).digest
    assert digest, shop.request(request).why
    return shop.run(person, "approvals", "approve", request, "--yes", "--digest", digest, *words)


def printed(result: subprocess.CompletedProcess[str]) -> Any:
    """What a command says with --json."""
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def carried_out(shop: Site, request: str) -> int:
    digest = shop.request(request).digest
    return sum(body["request"] == digest for body in shop.end.carried_out)


def test_what_was_shown_is_approved_runs_once_and_is_undone(shop: Site, propose: Callable[..., ApprovalRequest]) -> None:
    id_ = propose().id
    before = shop.end.state["replicas"]
    result = shop.run("mia", "approvals", "show", id_, COLUMNS="80")
    text = result.stdout
    assert result.returncode == 0, result.stderr
    assert "Add instances on checkout (scale_up, low risk)" in text
    listed = printed(shop.run("mia", "approvals", "list", "--json"))
    assert id_ in [row["id"] for row in listed]

    assert "not a terminal" in refused(shop.run("mia", "approvals", "approve", id_), 77)
    stale = shop.run("mia", "approvals", "approve", id_, "--yes", "--digest", "0" * 64)
    assert stale.returncode == 77
    assert "what was shown is not what would run now" in stale.stderr
    assert carried_out(shop, id_) == 0

    done = approve(shop, "mia", id_)
    assert done.returncode == 0, done.stderr
    assert "mia approved it" in done.stderr
    assert "succeeded" in done.stderr
    assert carried_out(shop, id_) == 1
    assert shop.end.state["replicas"] == before + 2
    again = approve(shop, "leo", id_)
    assert (again.returncode, carried_out(shop, id_)) == (0, 1)
    assert "was done already" in again.stderr

    undo = printed(shop.run("mia", "approvals", "undo", id_, "--json"))
    assert (undo["remediation"]["action"], undo["undo"], undo["rule"]["tier"]) == ("scale_down", True, "high")
    refused_own = approve(shop, "mia", undo["id"])
    assert refused_own.returncode == 77
    taken_back = approve(shop, "mara", undo["id"])
    assert taken_back.returncode == 0, taken_back.stderr
    assert shop.end.state["replicas"] == before


def test_a_person_is_shown_the_plan_and_types_the_digest(shop: Site, propose: Callable[..., ApprovalRequest]) -> None:
    id_ = propose().id
    for typed, code in (("y", 77), (None, 0)):
        said, text = _on_a_terminal(shop, id_, typed)
        assert said == code, text
        plan = shop.request(id_).plan[0]
        assert plan.split("json ")[1][:30] in text, text
        assert text.index("Will run") < text.index("Approve exactly this?")
        assert carried_out(shop, id_) == (code == 0)


def _on_a_terminal(shop: Site, request: str, typed: str | None) -> tuple[int, str]:
    """Run the command on a terminal of its own; where nothing is given, what it asks for is typed."""
    mine, theirs = pty.openpty()
    variables = environment(shop.data, MIDDLEWATCH_TOKEN=token("mia"), COLUMNS="100")
    with subprocess.Popen(
        command("approvals", "approve", request), env=variables, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        text = ""
        answered = False
        while True:
            ready, _, _ = select.select([mine], [], [], SECONDS)
            try:
                read = os.read(mine, 65536) if ready else b""
            except OSError:  # they closed it
                read = b""
            if not read:
                break
            text += read.decode().replace("\r", "")
            if "of the digest" in text and not answered:
                answered = True
                found = re.search(r"Digest +([0-9a-f]{8})", text)
                assert found is not None
                os.write(mine, f"{found[1] if typed is None else typed}\n".encode())
        os.close(mine)
        return process.wait(SECONDS), text


def test_what_is_denied_or_edited_never_runs(shop: Site, propose: Callable[..., ApprovalRequest]) -> None:
    id_ = propose().id
    denied = shop.run("mia", "approvals", "deny", id_, "--reason", "not the cause")
    assert denied.returncode == 0, denied.stderr
    refused(approve(shop, "leo", id_), 77)
    new = printed(shop.run("leo", "approvals", "again", id_, "--json"))
    assert new["remediation"]["instead_of"] == id_

    assert "takes: by" in refused(shop.run("leo", "approvals", "edit", new["id"], "to=3"), 65)
    assert "of the type integer" in refused(shop.run("leo", "approvals", "edit", new["id"], "by=many"), 65)
    edited = printed(shop.run("leo", "approvals", "edit", new["id"], "by=3", "--json"))
    assert edited["remediation"]["parameters"] == {"by": 3}
    assert shop.request(new["id"]).state == "superseded"
    refused(approve(shop, "mia", new["id"]), 77)
    assert approve(shop, "leo", edited["id"]).returncode == 77, "the editor does not decide"
    assert [carried_out(shop, one) for one in (id_, new["id"], edited["id"])] == [0, 0, 0]


def test_a_request_is_named_by_its_beginning_if_that_is_only_its(shop: Site, propose: Callable[..., ApprovalRequest]) -> None:
    propose()
    propose("set_flag", parameters={"flag": "dark_mode", "value": False})
    assert "is the beginning of" in refused(shop.run("leo", "approvals", "show", "apr-"), 65)
    assert "There is no approval request" in refused(shop.run("leo", "approvals", "show", "apr-zzz"), 65)


def test_two_people_decide_where_policy_says_so_and_with_a_reason(shop: Site, propose: Callable[..., ApprovalRequest]) -> None:
    id_ = propose("restart_service").id
    assert "reason" in approve(shop, "leo", id_).stderr
    first = approve(shop, "leo", id_, "--reason", "it leaks")
    assert first.returncode == 0, first.stderr
    assert "needs more approvals" in first.stderr
    assert (shop.request(id_).state, carried_out(shop, id_)) == ("pending", 0)
    second = approve(shop, "mara", id_, "--reason", "go on")
    assert second.returncode == 0, second.stderr
    assert carried_out(shop, id_) == 1


def test_while_everything_is_halted_nothing_begins(shop: Site, propose: Callable[..., ApprovalRequest]) -> None:
    id_ = propose().id
    halted = shop.run("mia", "halt", "--reason", "it gets worse")
    assert "HALTED by mia" in halted.stdout
    try:
        assert approve(shop, "leo", id_, "--no-wait").returncode == 0
        assert "HALTED by mia" in shop.run("leo", "approvals", "list").stdout
        assert "takes a manager" in refused(shop.run("leo", "resume", "--reason", "please"), 77)
        assert (shop.request(id_).state, carried_out(shop, id_)) == ("approved", 0)
    finally:
        assert shop.run("mara", "resume", "--reason", "it was the network").returncode == 0
    assert approve(shop, "leo", id_).returncode == 0  # approved already: it waits for the end
    assert carried_out(shop, id_) == 1


def test_a_freeze_is_broken_by_a_manager_with_a_credential_and_reviewed_by_another(
    shop: Site, propose: Callable[..., ApprovalRequest], tmp_path: Path
) -> None:
    good, bad = tmp_path / "glass", tmp_path / "other"
    good.write_text(f"{GLASS}\n", encoding="utf-8")
    bad.write_text("guess\n", encoding="utf-8")
    shop.write_policy(FREEZE)
    try:
        id_ = propose().id
        assert approve(shop, "leo", id_, "--no-wait").returncode == 0
        words = ("approvals", "break-glass", id_, "--reason", "checkout is down", "--credential-file")
        assert "takes a manager" in shop.run("leo", *words, good).stderr
        assert "not the break-glass credential" in shop.run("mara", *words, bad).stderr
        assert (shop.request(id_).state, carried_out(shop, id_)) == ("approved", 0)
        assert shop.run("mara", *words, good).returncode == 0
        assert approve(shop, "leo", id_).returncode == 0  # waits for the end
    finally:
        shop.write_policy()
    assert carried_out(shop, id_) == 1
    listed = shop.run("leo", "approvals", "list").stdout
    assert id_ in listed, "its review is open"
    review = ("approvals", "review", id_, "--reason", "it was right")
    assert "somebody else reviews it" in shop.run("mara", *review).stderr
    assert shop.run("max", *review).returncode == 0


def test_what_nobody_can_tell_is_unknown_until_a_person_says_what_became_of_it(
    shop: Site, propose: Callable[..., ApprovalRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = propose().id
    handle = shop.end.handle

    def forgetful(request: Request) -> Answer:
        """It does what it is told, and then tells nobody."""
        if request.path.endswith("/run"):
            handle(request)
            return Answer(502, {"problem": "bad gateway"})
        asked_after = (
            request.method == "GET" and shop.end.carried_out and request.path.endswith(shop.end.carried_out[-1]["request"])
        )
        return Answer(503, {"problem": "try later"}) if asked_after else handle(request)

    monkeypatch.setattr(shop.end, "handle", forgetful)
    lost = approve(shop, "leo", id_)
    assert lost.returncode == 4, lost.stderr
    assert "nobody can tell whether it was done" in lost.stdout
    assert carried_out(shop, id_) == 1
    told = shop.run("leo", "approvals", "reconcile", id_, "--happened", "--reason", "two more instances run")
    assert told.returncode == 0, told.stderr
    assert (shop.request(id_).state, carried_out(shop, id_)) == ("succeeded", 1)


def test_whoever_policy_does_not_know_decides_nothing(shop: Site, propose: Callable[..., ApprovalRequest]) -> None:
    id_ = propose().id
    digest = shop.request(id_).digest
    for words in (("approve", id_, "--yes", "--digest", digest), ("deny", id_), ("again", id_)):
        assert "Policy does not know" in shop.run("eve", "approvals", *words).stderr.replace("policy", "Policy")
    assert "policy does not know you" in " ".join(shop.run("eve", "approvals", "show", id_).stdout.split())
    assert shop.request(id_).state == "pending"


def test_without_a_policy_nobody_decides_and_it_is_said_what_is_missing(tmp_path: Path) -> None:
    with site(tmp_path / "data") as empty:
        (empty.data / "policy.toml").unlink()
        result = empty.run("leo", "halt", "--reason", "x")
        assert result.returncode in {77, 78}
        assert "policy" in result.stderr
