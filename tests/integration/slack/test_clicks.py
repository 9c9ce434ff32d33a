"""Invariants: who may decides, once, what they were shown; everybody else is refused, is told why, alone, and the log says so."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI
from httpx import Response
from starlette.testclient import TestClient

from middlewatch.context_store.stored import text_of
from middlewatch.records import DEFAULT_TENANT, ApprovalRequest, Remediation, RequestState
from tests.contract.actions.loopback import Answer
from tests.reports import finding
from tests.slack_end import TEAM, signed, texts_in
from tests.slack_site import INVESTIGATION, USERS, SlackSite, eventually

S = RequestState


@pytest.fixture
def request_(slack: SlackSite) -> ApprovalRequest:
    """Of the low tier: any member decides."""
    slack.web.seed(finding(), INVESTIGATION)
    return slack.asked()


def refused(slack: SlackSite, answer: Response) -> str:
    """What the clicker alone was told."""
    assert answer.status_code == 200
    (said,) = slack.end.said
    assert not any(said.words in post.words for post in slack.end.posts)
    return said.words


def test_approve(slack: SlackSite, request_: ApprovalRequest) -> None:
    assert slack.click(request_.id, "approve", "leo").status_code == 200
    (approval,) = slack.web.look(request_.id).approvals
    assert (approval.principal, approval.face, approval.digest) == ("leo", "slack", request_.digest)
    slack.look()
    for post in (slack.post_of(request_.id), slack.main):
        assert "leo, a lead, approved it at" in post.words
        assert post.button("approve") is None
    assert slack.end.said == []
    assert [event["face"] for event in slack.events("principal.login")] == ["slack"]


def test_deny(slack: SlackSite, request_: ApprovalRequest) -> None:
    slack.click(request_.id, "deny", "mia")
    assert slack.state(request_) is S.DENIED
    slack.look()
    assert "mia, a member, denied it at" in slack.post_of(request_.id).words


def test_the_button_asks_once_more_with_the_exact_action(slack: SlackSite, request_: ApprovalRequest) -> None:
    button = slack.post_of(request_.id).button("approve")
    assert button is not None
    assert all(line in button["confirm"]["text"]["text"] for line in request_.plan)
    assert button["value"] == f"{request_.id} {request_.digest}"


def test_a_reason_is_asked_in_a_modal_below_the_exact_action(slack: SlackSite) -> None:
    slack.web.seed(finding(), INVESTIGATION)
    request = slack.asked("restart_service")
    slack.click(request.id, "approve_with_reason", "leo")
    ((trigger, view),) = slack.end.views
    assert trigger
    assert all(line in texts_in(view["blocks"]) for line in request.plan)
    assert slack.state(request) is S.PENDING
    assert slack.events("request.viewed")[-1]["actor"] == "leo"
    without = slack.deliver(slack.end.send_in(view, USERS["leo"], ""))
    assert "reason" in without.json()["errors"]["reason"]
    done = slack.deliver(slack.end.send_in(view, USERS["leo"], "the pods leak <!here>"))
    assert done.status_code == 200
    assert done.content == b""
    slack.look()
    assert slack.state(request) is S.PENDING
    post = slack.post_of(request.id)
    assert "approved it at" in post.words
    assert '"the pods leak <!here>"' in post.words
    again = slack.deliver(slack.end.send_in(view, USERS["mara"], "I agree"))
    assert again.content == b""
    assert slack.state(request) is S.APPROVED


def test_a_high_tier_asks_in_a_modal_and_who_may_not_is_told_at_once(slack: SlackSite) -> None:
    slack.web.seed(finding(), INVESTIGATION)
    request = slack.asked("scale_down")
    assert slack.post_of(request.id).button("approve") is None
    words = refused(slack, slack.click(request.id, "approve_with_reason", "leo"))
    assert "leo is a lead" in words
    assert slack.end.views == []
    assert slack.events("decision.refused")[-1]["actor"] == "leo"
    slack.click(request.id, "approve_with_reason", "mara")
    slack.deliver(slack.end.send_in(slack.end.views[0][1], USERS["mara"], ""))
    assert slack.state(request) is S.APPROVED


def test_the_own_proposal(slack: SlackSite) -> None:
    slack.web.seed(finding(), INVESTIGATION)
    leo = next(person for person in slack.app.approvals.people() if person.id == "leo")
    wanted = Remediation(
        tenant=DEFAULT_TENANT, investigation=INVESTIGATION, action="scale_up", target="checkout", parameters={"by": 1},
        proposed_by="leo", confidence=0.0,
    )  # fmt: skip
    made = slack.app.approvals.propose_as(leo, wanted)
    assert slack.web.step()
    slack.look()
    assert "somebody else decides" in refused(slack, slack.click(made.id, "approve", "leo"))
    assert slack.state(made) is S.PENDING


@pytest.mark.parametrize(
    "update",
    [
        {"user": {"id": USERS["leo"], "team_id": "T0OTHER"}},
        {"team": {"id": "T0OTHER"}},
        {"user": {"id": USERS["leo"]}, "team": None},
        {"user": {"id": USERS["leo"], "team_id": "T0OTHER"}, "team": {"id": "T0OTHER"}},
    ],
)
def test_another_workspace(slack: SlackSite, request_: ApprovalRequest, update: dict[str, object]) -> None:
    """Policy knows the account of the other workspace even: it is not the one that is served."""
    assert "another workspace" in refused(slack, slack.click(request_.id, "approve", "leo", **update))
    assert slack.state(request_) is S.PENDING
    assert slack.events("login.refused")


@pytest.mark.parametrize("user", ["U0NOBODY", USERS["leo"]])
def test_somebody_unknown_or_deactivated_is_told_how_they_are_added(slack: SlackSite, request_: ApprovalRequest, user: str) -> None:
    """Of the name that Slack sends, which is a manager's, nothing is believed."""
    slack.write_policy(lambda text: text.replace("[principals.leo]\n", "[principals.leo]\nactive = false\n"))
    slack.end.users.append(user)
    words = refused(slack, slack.deliver(slack.end.click(slack.post_of(request_.id), "approve", user)))
    assert f'slack = ["{TEAM}/{user}"]' in words
    assert slack.state(request_) is S.PENDING
    assert slack.events("login.refused")


def test_a_stale_digest(slack: SlackSite, request_: ApprovalRequest) -> None:
    post = slack.post_of(request_.id)
    button = post.button("approve")
    assert button is not None
    button["value"] = f"{request_.id} {'0' * 64}"
    words = refused(slack, slack.deliver(slack.end.click(post, "approve", USERS["leo"])))
    assert "It changed" in words
    assert "Look again" in words
    assert slack.state(request_) is S.PENDING
    button = post.button("deny")
    assert button is not None
    button["value"] = f"{request_.id} {'0' * 64}"
    assert slack.deliver(slack.end.click(post, "deny", USERS["leo"])).status_code == 200  # that is safe, as in every face
    assert slack.state(request_) is S.DENIED


@pytest.mark.parametrize("value", ["", "apr-1", "apr-1 zz", "../../x " + "0" * 64, f"apr-0 {'0' * 64}"])
def test_a_button_that_is_none_of_ours(slack: SlackSite, request_: ApprovalRequest, value: str) -> None:
    post = slack.post_of(request_.id)
    for action in ("approve", "view"):
        button = post.button(action)
        assert button is not None
        button["value"] = value
        assert slack.deliver(slack.end.click(post, action, USERS["leo"])).status_code == 200
    assert len(slack.end.said) == 2
    assert slack.state(request_) is S.PENDING


def test_a_double_click_is_one_decision(slack: SlackSite, request_: ApprovalRequest) -> None:
    assert [slack.click(request_.id, "approve", "leo").status_code for _ in range(2)] == [200, 200]
    assert len(slack.web.look(request_.id).approvals) == 1
    assert len(slack.events("request.approved")) == 1
    assert slack.end.said == []


def test_who_comes_second_with_another_word_is_told(slack: SlackSite, request_: ApprovalRequest) -> None:
    approve, deny = (slack.end.click(slack.post_of(request_.id), action, USERS["leo"]) for action in ("approve", "deny"))
    slack.deliver(deny)
    slack.deliver(approve)
    assert slack.state(request_) is S.DENIED
    assert "It is denied already: leo denied it at " in slack.end.said[0].words


def test_expired(slack: SlackSite, request_: ApprovalRequest) -> None:
    over = slack.web.look(request_.id).model_copy(update={"state": S.EXPIRED, "why": "nobody decided in time"})
    body = slack.end.click(slack.post_of(request_.id), "approve", USERS["leo"])
    slack.web.redis.hset("middlewatch:approvals:{default}:requests", request_.id, text_of(over))
    assert "It expired before you decided. Nothing ran." in refused(slack, slack.deliver(body))
    slack.look()
    assert "expired: nothing ran" in slack.post_of(request_.id).words
    assert slack.post_of(request_.id).button("deny") is None


def test_a_replay_is_refused_and_a_retry_is_answered_without_doing_it_again(slack: SlackSite, request_: ApprovalRequest) -> None:
    body = slack.end.click(slack.post_of(request_.id), "view", USERS["leo"])
    assert slack.deliver(body).status_code == 200
    assert slack.deliver(body).status_code == 409
    retry = slack.deliver(body, **{"x-slack-retry-num": "1", "x-slack-retry-reason": "http_timeout"})
    assert (retry.status_code, retry.content) == (200, b"")
    assert len(slack.end.views) == 1
    assert len(slack.events("request.viewed")) == 1


def test_a_replay_is_refused_by_another_process_too(slack: SlackSite, request_: ApprovalRequest) -> None:
    body = slack.end.click(slack.post_of(request_.id), "approve", USERS["leo"])
    slack.deliver(body)
    asgi = FastAPI()
    asgi.include_router(slack.another().router)
    with TestClient(asgi) as client:
        assert client.post("/slack/events", content=body, headers=signed(body)).status_code == 409


def test_two_who_click_at_once(slack: SlackSite, request_: ApprovalRequest) -> None:
    post = slack.post_of(request_.id)
    bodies = [slack.end.click(post, action, USERS[name]) for action, name in (("approve", "leo"), ("deny", "lea"))]
    start = threading.Barrier(2)

    def click(body: bytes) -> int:
        start.wait()
        return slack.deliver(body).status_code

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(click, bodies)) == [200, 200]
    decided = slack.web.look(request_.id)
    assert decided.state in {S.APPROVED, S.DENIED}
    slack.look()
    assert slack.post_of(request_.id).button("approve") is None


def test_looking_closer_is_an_event(slack: SlackSite, request_: ApprovalRequest) -> None:
    slack.click(request_.id, "view", "mia")
    ((_, view),) = slack.end.views
    shown = json.dumps(view, ensure_ascii=False)
    for text in (request_.digest, "Touches: ", "Undo: ", "More instances share the load."):
        assert text in shown
    assert [event["actor"] for event in slack.events("request.viewed")] == ["mia"]


def test_slack_being_away_does_not_lose_a_decision(slack: SlackSite, request_: ApprovalRequest) -> None:
    body = slack.end.click(slack.post_of(request_.id), "approve", USERS["leo"])
    slack.end.fail("chat.update", Answer(503, {}), Answer(503, {}))
    assert slack.deliver(body).status_code == 200
    assert slack.state(request_) is S.APPROVED
    slack.look(times=4)
    assert "approved it at" in slack.post_of(request_.id).words


def test_a_click_goes_from_the_wire_to_the_edited_message_by_itself(slack: SlackSite, request_: ApprovalRequest) -> None:
    """With everything running in threads of its own, as it is served."""
    slack.face._pool = ThreadPoolExecutor(2)
    with slack.face.running():
        slack.click(request_.id, "approve", "leo")
        eventually(lambda: "approved it at" in slack.post_of(request_.id).words and "approved it at" in slack.main.words)
    assert slack.main.button("approve") is None
