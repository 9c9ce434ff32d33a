"""The contract of the faces with the gateway: the same decision gets the same answer in each, another one a clear refusal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any

import anyio
import pytest
from click.testing import CliRunner
from mcp import Client
from redis import Redis

from middlewatch.app import App
from middlewatch.approvals import Approvals
from middlewatch.frontends.cli import approvals as command
from middlewatch.frontends.cli import cli, investigations
from middlewatch.frontends.mcp.server import create_server
from middlewatch.records import ApprovalRequest, InvestigationState, RequestState
from tests.acceptance.approvals_site import token
from tests.reports import finding
from tests.slack_end import workspace
from tests.slack_site import INVESTIGATION, USERS, SlackSite, open_slack_site
from tests.store_fixtures import redis
from tests.web_site import csrf_of

__all__ = ["redis"]

S = RequestState
FACES = ("api", "web", "slack", "cli", "mcp")
STALE = "0f" * 32
Said = tuple[bool, str]
"""Whether it was taken, and what the face said."""


class Faces:
    """Mara, a manager, in each face of one application."""

    def __init__(self, slack: SlackSite) -> None:
        self._slack = slack
        self.web = slack.web.__class__(slack.app, slack.web.redis, slack.web.policy, slack.web.beside())

    def decide(self, face: str, request: ApprovalRequest, decision: str, digest: str = "") -> Said:
        act: Callable[[ApprovalRequest, str, str], Said] = getattr(self, f"_over_{face}")
        return act(request, decision, digest or request.digest)

    def _over_api(self, request: ApprovalRequest, decision: str, digest: str) -> Said:
        body = {"decision": decision, "digest": digest}
        answer = self.web.program("mara").post(f"/api/v1/approvals/{request.id}/decision", json=body)
        if answer.status_code != 200:
            assert (answer.status_code, answer.json()["type"]) == (409, "urn:middlewatch:problem:already-decided")
            assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code == 200, answer.text

    def _over_web(self, request: ApprovalRequest, decision: str, digest: str) -> Said:
        visitor = self.web.client("mara")
        data = {"decision": decision, "digest": digest, "csrf": csrf_of(visitor.get("/halt"))}
        answer = visitor.post(f"/approvals/{request.id}/decision", data=data)
        assert answer.status_code in {303, 409}
        return answer.status_code == 303, re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))

    def _over_slack(self, request: ApprovalRequest, decision: str, digest: str) -> Said:
        post = self._slack.post_of(request.id)
        button = post.button(decision)
        assert button is not None
        button["value"] = f"{request.id} {digest}"
        self._slack.end.said.clear()
        assert self._slack.deliver(self._slack.end.click(post, decision, USERS["mara"])).status_code == 200
        return not self._slack.end.said, " ".join(said.words for said in self._slack.end.said)

    def _over_cli(self, request: ApprovalRequest, decision: str, digest: str) -> Said:
        flags = ["--yes", "--digest", digest, "--no-wait"] if decision == "approve" else []
        done = CliRunner().invoke(cli, ["approvals", decision, request.id, *flags])
        assert done.exit_code == 0 or done.exception is not None
        return done.exit_code == 0, done.output + str(done.exception or "")

    def _over_mcp(self, request: ApprovalRequest, decision: str, digest: str) -> Said:
        async def talk() -> Any:
            async with Client(create_server(self._slack.app, f"token:{token('mara')}")) as client:
                arguments = {"request": request.id, "decision": decision, "digest": digest}
                return await client.call_tool("decide_approval", arguments)

        answer = anyio.run(talk)
        return not answer.is_error, answer.content[0].text


@pytest.fixture
def slack(redis: Redis, tmp_path: Path) -> Iterator[SlackSite]:
    with workspace() as (end, url), open_slack_site(redis, tmp_path, end, url) as made:
        made.write_policy(lambda text: text.replace("[principals.mara]\n", "[principals.mara]\ndecides_over_mcp = true\n"))
        made.web.seed(finding(), INVESTIGATION)
        yield made


@pytest.fixture
def faces(slack: SlackSite, monkeypatch: pytest.MonkeyPatch) -> Faces:
    @contextmanager
    def application() -> Iterator[App]:
        yield slack.app

    for module in (command, investigations):
        monkeypatch.setattr(module, "application", application)
    monkeypatch.setattr(Approvals, "local_identity", lambda _approvals: f"token:{token('mara')}")
    return Faces(slack)


@pytest.mark.parametrize("face", FACES)
def test_another_decision_on_what_ran_is_refused_and_the_same_one_is_answered(slack: SlackSite, faces: Faces, face: str) -> None:
    request = slack.asked()
    assert faces.decide("api", request, "approve")[0]
    assert slack.web.step()
    done = slack.web.look(request.id)
    assert done.state is S.SUCCEEDED
    taken, said = faces.decide(face, request, "deny")
    assert not taken
    assert f"It was done already: mara approved it at {done.approvals[0].at:%Y-%m-%d %H:%M:%S} UTC, and it ended at " in said
    assert faces.decide(face, request, "approve")[0]
    assert slack.web.look(request.id) == done


@pytest.mark.parametrize("recorded", [True, False])
def test_nobody_is_told_that_a_recording_is_watched(slack: SlackSite, faces: Faces, recorded: bool) -> None:  # noqa: FBT001  of a test
    report, name = finding(), "inv-00000000c0de"
    scope = report.scope.model_copy(update={"recording": "shop-slow-pages" if recorded else ""})
    slack.web.seed(report.model_copy(update={"scope": scope}), name)
    request = slack.asked(investigation=name)
    assert faces.decide("api", request, "approve")[0]
    assert slack.web.step()
    slack.look()
    cli_page = CliRunner().invoke(cli, ["approvals", "show", request.id]).output
    for told in (cli_page, slack.end.named(f"{name}/{request.id}").words):
        said = " ".join(told.split())
        assert ("the symptom is being watched" in said) is not recorded
        assert ("is of a recording, which ends before the action" in said) is recorded


@pytest.mark.parametrize("face", ["api", "web", "cli"])
def test_who_cancels_is_in_the_log(slack: SlackSite, faces: Faces, face: str) -> None:
    running = slack.web.open(finding(), "inv-00000000c0de").id
    if face == "api":
        faces.web.program("mara").post(f"/api/v1/investigations/{running}/cancel")
    elif face == "web":
        visitor = faces.web.client("mara")
        visitor.post(f"/investigations/{running}/cancel", data={"csrf": csrf_of(visitor.get("/halt"))})
    else:
        CliRunner().invoke(cli, ["cancel", running])
    assert slack.app.investigation(running).state is InvestigationState.CANCELLED
    assert slack.events("cancellation.asked") == [{"actor": "mara", "face": face}]


@pytest.mark.parametrize("face", FACES)
def test_to_deny_what_changed_since_it_was_shown_is_taken(slack: SlackSite, faces: Faces, face: str) -> None:
    request = slack.asked()
    assert faces.decide(face, request, "deny", STALE)[0]
    (denial,) = slack.web.look(request.id).approvals
    assert denial.digest == ("0" * 64 if face == "cli" else STALE)  # the command shows nothing
    taken, said = faces.decide(face, request, "approve")
    assert not taken
    assert "It is denied already: mara denied it at " in said
