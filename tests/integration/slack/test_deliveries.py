"""Invariants: what is not signed by Slack, just now, does nothing; what is signed and makes no sense breaks nothing."""

from __future__ import annotations

import json
import time

import pytest
from starlette.testclient import TestClient

from middlewatch.frontends.slack.guard import LARGEST_BODY, Guard
from middlewatch.frontends.web.site import create_site
from middlewatch.records import RequestState
from tests.reports import finding
from tests.slack_end import SECRET, form, signed
from tests.slack_site import EVENTS, INVESTIGATION, PUBLIC_URL, USERS, SlackSite


def test_every_single_bit_counts(slack: SlackSite) -> None:
    """A real click, each bit of its body, its time and its signature flipped in turn; then the click itself, which is let in."""
    slack.web.seed(finding(), INVESTIGATION)
    request = slack.asked()
    body = slack.end.click(slack.post_of(request.id), "approve", USERS["leo"])
    headers, guard = signed(body), Guard(SECRET)
    refused = 0
    for place in range(8 * len(body)):
        flipped = bytearray(body)
        flipped[place // 8] ^= 1 << place % 8
        assert guard.objection(headers, bytes(flipped))[0] == 401
        refused += 1
    for name in ("x-slack-request-timestamp", "x-slack-signature"):
        value = headers[name].encode("latin-1")
        for place in range(8 * len(value)):
            flipped = bytearray(value)
            flipped[place // 8] ^= 1 << place % 8
            assert guard.objection(headers | {name: flipped.decode("latin-1")}, body)[0] == 401
            refused += 1
    assert refused == 8 * (len(body) + 10 + 67)
    assert slack.state(request) is RequestState.PENDING
    assert slack.client.post(EVENTS, content=body, headers=headers).status_code == 200
    assert slack.state(request) is RequestState.APPROVED


@pytest.mark.parametrize(
    "change",
    [
        {"x-slack-request-timestamp": "soon"},
        {"x-slack-request-timestamp": ""},
        {"x-slack-request-timestamp": "１７６３７０００００"},  # noqa: RUF001  digits, and no integer of Slack's
        {"x-slack-request-timestamp": "1e9"},
        {"x-slack-request-timestamp": "9" * 400},
        {"x-slack-request-timestamp": str(int(time.time()) + 1)},
        {"x-slack-signature": ""},
        {"x-slack-signature": "v0="},
        {"x-slack-signature": "v0=" + "é" * 64},
        {"x-slack-signature": "v1=" + "0" * 64},
    ],
)
def test_what_is_signed_otherwise(slack: SlackSite, change: dict[str, str]) -> None:
    body = slack.end.command("help", USERS["leo"])
    headers = {name.encode(): value.encode() for name, value in (signed(body) | change).items()}
    assert slack.client.post(EVENTS, content=body, headers=headers).status_code == 401


@pytest.mark.parametrize(("seconds", "status"), [(-301, 401), (-290, 200), (290, 200), (302, 401)])
def test_what_is_too_old_or_from_the_future(slack: SlackSite, seconds: int, status: int) -> None:
    body = slack.end.command("help", USERS["leo"])
    answer = slack.client.post(EVENTS, content=body, headers=signed(body, at=time.time() + seconds))
    assert answer.status_code == status


def test_what_is_signed_with_another_secret_or_not_at_all(slack: SlackSite) -> None:
    body = slack.end.command("help", USERS["leo"])
    assert slack.client.post(EVENTS, content=body, headers=signed(body, secret=SECRET[::-1])).status_code == 401
    assert slack.client.post(EVENTS, content=body).status_code == 401
    assert slack.client.get(EVENTS).status_code == 405


def test_it_is_served_beside_the_pages_behind_their_guards(slack: SlackSite) -> None:
    site = create_site(slack.app)
    site.include_router(slack.face.router)
    body = slack.end.command("help", USERS["leo"])
    with TestClient(site, base_url=PUBLIC_URL) as client:
        assert client.post(EVENTS, content=body).status_code == 401
        assert client.post(EVENTS, content=body, headers=signed(body) | {"host": "evil.example"}).status_code == 421
        assert client.post(EVENTS, content=body, headers=signed(body)).status_code == 200


def test_a_body_has_its_bounds(slack: SlackSite) -> None:
    body = b"a" * (LARGEST_BODY + 1)
    assert slack.deliver(body).status_code == 413
    assert slack.deliver(b"a" * (40 * LARGEST_BODY)).status_code == 413


def test_nothing_that_slack_does_not_send_is_dealt_with(slack: SlackSite) -> None:
    bodies = [
        b"",
        b"{}",
        b"[]",
        b"payload=",
        b"payload=[]",
        b"payload={",
        b"payload=null",
        form(payload=json.dumps({"type": "block_actions"})),
        form(payload=json.dumps({"type": "block_actions", "user": 1, "team": [], "trigger_id": {}, "actions": 3})),
        form(payload=json.dumps({"type": "view_submission", "user": {"id": "U1"}, "view": []})),
        form(payload=json.dumps({"enterprise": 3, "team": 4, "type": "shortcut"})),
        form(payload=json.dumps({"authorizations": 7})),
        form(command="/middlewatch", text="help", team_id="x", user_id="y", trigger_id="z"),
        json.dumps({"type": "event_callback", "event": {"type": "message"}}).encode(),
        b"\xff\xfe",
    ]
    statuses = [slack.deliver(body).status_code for body in bodies]
    assert all(400 <= status < 500 for status in statuses), statuses


def test_slack_may_verify_the_address_again_and_again(slack: SlackSite) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "c" * 20, "token": "x"}).encode()
    answers = [slack.deliver(body, **{"content-type": "application/json"}) for _ in range(2)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"challenge": "c" * 20})] * 2
