"""Invariants: the API passes on who decides and what the gateway says, keeps secrets out of every log, and repeats nothing."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from starlette.testclient import TestClient

from middlewatch import auditing
from middlewatch.auditing import entries
from middlewatch.context_store.idempotency import IdempotencyStore
from middlewatch.records import DEFAULT_TENANT, ApprovalRequest, RequestState
from tests.acceptance.approvals_site import FREEZE, GLASS
from tests.report_finding import finding
from tests.web_site import WebSite

API = "/api/v1"


@pytest.fixture
def mia(site: WebSite) -> TestClient:
    return site.program("mia")


def approved(site: WebSite, **update: Any) -> ApprovalRequest:
    request = site.propose(**update)
    answer = site.program("leo").post(
        f"{API}/approvals/{request.id}/decision", json={"decision": "approve", "digest": request.digest}
    )
    assert answer.status_code == 200, answer.text
    return site.look(request.id)


def audited(site: WebSite, name: str) -> list[Any]:
    found = entries(site.app.store.server, DEFAULT_TENANT, limit=1000)
    return [entry for entry in found if entry.event == name]


def test_a_card_is_shown_and_decided_on(site: WebSite, mia: TestClient) -> None:
    request = site.propose(parameters={"by": 1})
    card = mia.get(f"{API}/approvals/{request.id}").json()
    assert (card["viewer"]["id"], card["objection"]) == ("mia", "")
    decision = {"decision": "approve", "digest": card["request"]["digest"], "reason": "it is slow"}
    first = mia.post(f"{API}/approvals/{request.id}/decision", json=decision).json()
    assert (first["changed"], first["request"]["state"]) == (True, "approved")
    assert mia.post(f"{API}/approvals/{request.id}/decision", json=decision).json()["changed"] is False
    approval = site.look(request.id).approvals[0]
    assert (approval.principal, approval.face) == ("mia", "api")


def test_a_decision_on_something_else_than_was_shown_is_refused(site: WebSite, mia: TestClient) -> None:
    request = site.propose(parameters={"by": 2})
    answer = mia.post(f"{API}/approvals/{request.id}/decision", json={"decision": "approve", "digest": "0" * 64})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:middlewatch:problem:refused")
    assert site.look(request.id).state is RequestState.PENDING


def test_a_refusal_under_a_key_is_repeated_and_not_judged_anew(site: WebSite) -> None:
    request = site.propose("restart_service")
    once = {"Idempotency-Key": "refusal"}
    body = {"decision": "approve", "digest": request.digest, "reason": "because"}
    first, second = (site.program("mia").post(f"{API}/approvals/{request.id}/decision", json=body, headers=once) for _ in range(2))
    assert first.status_code == second.status_code == 403
    assert first.text == second.text
    assert len([entry for entry in audited(site, "decision.refused") if entry.obj == request.id]) == 1


def test_a_crash_between_proposing_and_keeping_the_answer_proposes_nothing_twice(
    site: WebSite, mia: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = site.seed(finding(), "inv-crash").id
    wanted = {"investigation": about, "action": "scale_up", "target": "checkout", "parameters": {"by": 1}}
    with monkeypatch.context() as patch:
        patch.setattr(IdempotencyStore, "end", lambda *_: False)  # the process is dead by then
        made = mia.post(f"{API}/approvals", json=wanted, headers={"Idempotency-Key": "crash"}).json()["id"]
    for name in site.redis.keys("middlewatch:once:*"):
        site.redis.hset(str(name), "until", 1)  # the minute is over
    assert mia.post(f"{API}/approvals", json=wanted, headers={"Idempotency-Key": "crash"}).json()["id"] == made
    assert mia.post(f"{API}/approvals", json=wanted, headers={"Idempotency-Key": "another"}).json()["id"] != made


def test_proposing_editing_asking_again_and_listing(site: WebSite, mia: TestClient) -> None:
    about = site.seed(finding(), "inv-asks").id
    wanted = {"investigation": about, "action": "scale_up", "target": "checkout", "parameters": {"by": 3}, "note": "try this"}
    made = mia.post(f"{API}/approvals", json=wanted, headers={"Idempotency-Key": "propose"})
    assert made.status_code == 201, made.text
    assert mia.post(f"{API}/approvals", json=wanted, headers={"Idempotency-Key": "propose"}).json() == made.json()
    assert made.json()["remediation"]["proposed_by"] == "mia"
    card = mia.get(made.headers["location"]).json()
    assert card["request"]["id"] == made.json()["id"]
    edited = mia.post(f"{made.headers['location']}/edit", json={"parameters": {"by": 4}})
    assert (edited.status_code, edited.json()["remediation"]["parameters"]) == (201, {"by": 4})
    assert mia.get(made.headers["location"]).json()["request"]["state"] == "superseded"
    again = mia.post(f"{made.headers['location']}/again")
    assert (again.status_code, again.json()["remediation"]["parameters"]) == (201, {"by": 3})
    rows = mia.get(f"{API}/approvals", params={"investigation": about}).json()["approvals"]
    assert {row["id"] for row in rows} == {made.json()["id"], edited.json()["id"], again.json()["id"]}


def test_requests_are_listed_page_by_page(site: WebSite, mia: TestClient) -> None:
    for by in range(1, 6):
        site.propose(parameters={"by": by}, investigation="inv-pages")
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2, "investigation": "inv-pages"}
    while True:
        page = mia.get(f"{API}/approvals", params=query).json()
        seen += [row["id"] for row in page["approvals"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"decision": "maybe", "digest": "0" * 64},
        {"decision": "approve", "digest": "short"},
        {"decision": "approve", "digest": "0" * 64, "principal": "mara"},
        {"decision": "approve", "digest": "0" * 64, "reason": "x" * 2001},
    ],
)
def test_a_decision_is_said_whole_and_by_nobody_else(site: WebSite, mia: TestClient, body: dict[str, str]) -> None:
    request = site.propose(parameters={"by": 2})
    assert mia.post(f"{API}/approvals/{request.id}/decision", json=body).status_code == 422
    assert site.look(request.id).state is RequestState.PENDING


def test_the_glass_is_broken_and_its_credential_is_in_no_log_and_no_store(site: WebSite, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    request = approved(site, parameters={"by": 5})
    site.policy.write_policy(FREEZE)
    try:
        path = f"{API}/approvals/{request.id}/break-glass"
        wrong = site.program("mara").post(path, json={"credential": "not-it-at-all", "reason": "now"})
        assert wrong.status_code == 403
        assert site.program("mara").post(path, json={"credential": 17, "reason": "now"}).status_code == 422
        broken = site.program("mara").post(
            path, json={"credential": GLASS, "reason": "customers wait"}, headers={"Idempotency-Key": "glass"}
        )
        assert broken.status_code == 200, broken.text
        assert broken.json()["break_glass"]["principal"] == "mara"
    finally:
        site.policy.write_policy()
    everything = caplog.text + wrong.text + broken.text
    for name in site.redis.scan_iter("*"):
        everything += repr(site.redis.dump(str(name))) if site.redis.type(name) != "string" else str(site.redis.get(name))
    assert GLASS not in everything
    assert "not-it-at-all" not in everything


def test_halting_and_resuming(site: WebSite, mia: TestClient) -> None:
    assert mia.get(f"{API}/halt").json()["halt"] is None
    assert mia.post(f"{API}/halt", json={"reason": "all is on fire"}).json()["halt"]["by"] == "mia"
    assert mia.post(f"{API}/resume", json={}).status_code == 403
    assert site.program("mara").post(f"{API}/resume", json={"reason": "out"}).json()["halt"] is None


def test_the_audit_log_is_read_backwards_page_by_page(site: WebSite, mia: TestClient) -> None:
    everything = [entry.seq for entry in entries(site.app.store.server, DEFAULT_TENANT, limit=10_000)]
    seen: list[int] = []
    query: dict[str, Any] = {"limit": 7}
    while True:
        page = mia.get(f"{API}/audit", params=query).json()
        seen += [entry["seq"] for entry in page["entries"]]
        if page["next"] is None:
            break
        query["before"] = page["next"]
    assert seen[-len(everything) :] == everything[::-1]
    assert mia.get(f"{API}/audit", params={"about": "mia"}).json()["entries"][0]["obj"] == "mia"


def test_what_is_about_one_object_is_looked_for_a_part_at_a_time(
    site: WebSite, mia: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = site.propose()
    mia.get(f"{API}/approvals/{request.id}")
    for _ in range(9):
        site.app.approvals.identify("token:nobody", face="api")
    monkeypatch.setattr(auditing, "LOOKED_AT", 4)
    seen, query, parts = list[str](), {"about": request.id}, 0
    while True:
        page = mia.get(f"{API}/audit", params=query).json()
        assert page["partial"] == (page["next"] is not None)
        seen += [entry["event"] for entry in page["entries"]]
        if "request.proposed" in seen:
            break
        parts, query = parts + 1, query | {"before": page["next"]}
    assert seen[0] == "request.viewed"
    assert parts >= 2


def test_who_asks_is_told_who_they_are_and_what_there_is(site: WebSite, mia: TestClient) -> None:
    assert mia.get(f"{API}/me").json() | {"principal": ""} == {
        "tenant": "default",
        "principal": "",
        "tiers": ["low"],
        "may_halt": True,
        "may_resume": False,
    }
    assert site.program("mara").get(f"{API}/me").json()["tiers"] == ["low", "medium", "high"]
    assert {one["id"] for one in mia.get(f"{API}/people").json()["people"]} == {"mia", "leo", "lea", "mara", "max"}
    (target,) = mia.get(f"{API}/targets").json()["targets"]
    assert target["target"] == "checkout"
    assert "scale_up" in [action["id"] for action in target["actions"]]
    recordings = mia.get(f"{API}/recordings").json()["recordings"]  # whatever other tests imported
    assert [one["name"] for one in recordings] == [one.name for one in site.app.recordings()]
    assert mia.get(f"{API}/version").json()["report"] == "middlewatch.report/v1"


@pytest.mark.parametrize("path", ["", "/decision", "/edit", "/again", "/undo", "/reconcile", "/break-glass", "/review"])
def test_a_request_that_is_not_there_is_not_found(mia: TestClient, path: str) -> None:
    body = {
        "/decision": {"decision": "deny", "digest": "0" * 64},
        "/edit": {"parameters": {}},
        "/reconcile": {"happened": True},
        "/break-glass": {"credential": "c", "reason": "r"},
        "/review": {},
    }.get(path)
    method = "GET" if path == "" else "POST"
    answer = mia.request(method, f"{API}/approvals/apr-none{path}", json=body)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:middlewatch:problem:unknown-request"), answer.text
