"""Invariants: what is asked for over the API is what the application has, page by page, and nothing is started twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import BoundedSemaphore
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from middlewatch.context_store.idempotency import IdempotencyStore
from middlewatch.frontends.cli.contract import report_schema
from middlewatch.frontends.web.api import investigations
from middlewatch.live import Live
from middlewatch.records import InvestigationState, Report
from middlewatch.records.errors import StoreUnavailable
from tests.report_finding import finding
from tests.web_server import served
from tests.web_site import WebSite

API = "/api/v1"
AT = "2026-11-21T01:56:00Z"


@pytest.fixture(scope="module")
def reported(site: WebSite) -> str:
    """Id of a finished investigation."""
    return site.seed(finding()).id


@pytest.fixture
def mia(site: WebSite) -> TestClient:
    return site.program("mia")


def open_ids(site: WebSite) -> list[str]:
    return [row.id for row in site.app.investigations(limit=1000) if row.state is InvestigationState.OPEN]


@pytest.fixture(autouse=True)
def nothing_left_open(site: WebSite) -> Iterator[None]:
    yield
    for identifier in open_ids(site):
        site.app.kept.cancel(identifier)


def test_starting_polling_and_cancelling(site: WebSite, mia: TestClient) -> None:
    begun = mia.post(f"{API}/investigations", json={"service": "checkout", "at": AT})
    assert begun.status_code == 202, begun.text
    identifier = begun.json()["id"]
    assert begun.headers["location"] == f"{API}/investigations/{identifier}"
    standing = mia.get(begun.headers["location"]).json()
    assert standing["investigation"]["state"] == "open"
    assert standing["investigation"]["alert"]["symptom"]["service"] == "checkout"
    assert (standing["tasks_done"], standing["tasks"], standing["evidence"]) == (0, 1, 0)
    report = mia.get(f"{API}/investigations/{identifier}/report")
    assert (report.status_code, report.json()["type"]) == (404, "urn:middlewatch:problem:no-report")
    assert mia.post(f"{API}/investigations/{identifier}/cancel").json()["state"] == "cancelled"
    assert mia.post(f"{API}/investigations/{identifier}/cancel").json()["state"] == "cancelled"
    assert open_ids(site) == []


def test_the_open_investigation_of_the_same_alert_is_joined(site: WebSite, mia: TestClient) -> None:
    first, second = (mia.post(f"{API}/investigations", json={"service": "cart", "at": AT}).json()["id"] for _ in range(2))
    assert first == second
    assert open_ids(site) == [first]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"service": "a", "recording": "b"},
        {"service": ""},
        {"recording": "r", "at": AT},
        {"service": "a", "incident": "i"},
        {"service": "a", "at": "2026-11-21T01:56:00"},
        {"service": "a", "surprise": 1},
        {"service": "a", "at": "9999-01-01T00:00:00Z"},
        {"service": "a", "at": "0001-01-01T00:00:00+14:00"},
        {"service": "a" * 257},
        [],
        None,
    ],
)
def test_what_cannot_be_investigated_is_a_problem_and_starts_nothing(site: WebSite, mia: TestClient, body: Any) -> None:
    answer = mia.post(f"{API}/investigations", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert open_ids(site) == []


def test_a_recording_that_is_not_there_is_not_found(mia: TestClient) -> None:
    answer = mia.post(f"{API}/investigations", json={"recording": "nothing"})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:middlewatch:problem:unknown-incident")


def test_with_a_key_one_investigation_is_started_however_often_it_is_asked_for(site: WebSite, mia: TestClient) -> None:
    answers = [mia.post(f"{API}/investigations", json={"service": "pay"}, headers={"Idempotency-Key": "k1"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert len({answer.text for answer in answers}) == 1
    assert ["idempotency-replayed" in answer.headers for answer in answers] == [False, True, True]
    assert answers[2].headers["location"] == answers[0].headers["location"]
    other = mia.post(f"{API}/investigations", json={"service": "other"}, headers={"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["type"]) == (422, "urn:middlewatch:problem:key-used")
    assert len(open_ids(site)) == 1
    assert site.program("leo").post(f"{API}/investigations", json={"service": "pay"}, headers={"Idempotency-Key": "k1"}).text


@pytest.mark.parametrize("over", [False, True])
def test_a_crash_between_starting_and_keeping_the_answer_starts_no_second_one(
    site: WebSite, mia: TestClient, monkeypatch: pytest.MonkeyPatch, *, over: bool
) -> None:
    """Also where the first one is over by the time the request is repeated, and the service was named without a time."""
    request: dict[str, Any] = {"json": {"service": "ship"}, "headers": {"Idempotency-Key": f"crash-{over}"}}
    with monkeypatch.context() as patch:
        patch.setattr(IdempotencyStore, "end", lambda *_: False)  # the process is dead by then
        begun = mia.post(f"{API}/investigations", **request).json()["id"]
    assert mia.post(f"{API}/investigations", **request).status_code == 409, "it may be alive"
    if over:
        site.app.kept.cancel(begun)
    for name in site.redis.keys("middlewatch:once:*"):
        site.redis.hset(str(name), "until", 1)  # the minute is over
    assert mia.post(f"{API}/investigations", **request).json()["id"] == begun
    assert len(open_ids(site)) == (0 if over else 1)


def test_what_failed_is_started_by_the_next_attempt(site: WebSite, mia: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    start = site.app.investigate

    def start_and_fail(*args: Any, **options: Any) -> Any:
        begun.append(start(*args, **options).id)
        raise StoreUnavailable

    request: dict[str, Any] = {"json": {"service": "ship"}, "headers": {"Idempotency-Key": "fails"}}
    with monkeypatch.context() as patch:
        patch.setattr(site.app, "investigate", start_and_fail)
        failed = mia.post(f"{API}/investigations", **request)
    assert (failed.status_code, failed.headers["retry-after"]) == (503, "5")
    assert mia.post(f"{API}/investigations", **request).json()["id"] == begun[0]
    assert len(open_ids(site)) == 1


def test_while_one_starts_another_with_the_same_key_is_told_to_wait(
    site: WebSite, mia: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    request: dict[str, Any] = {"json": {"service": "ship"}, "headers": {"Idempotency-Key": "busy"}}
    told = []
    start = site.app.investigate

    def start_slowly(*args: Any, **options: Any) -> Any:
        told.append(site.program("mia").post(f"{API}/investigations", **request))
        return start(*args, **options)

    monkeypatch.setattr(site.app, "investigate", start_slowly)
    assert mia.post(f"{API}/investigations", **request).status_code == 202
    assert (told[0].status_code, told[0].json()["type"]) == (409, "urn:middlewatch:problem:under-way")
    assert told[0].headers["retry-after"] == "1"


def test_the_list_is_read_page_by_page_whatever_is_opened_meanwhile(mia: TestClient, reported: str) -> None:
    made = [mia.post(f"{API}/investigations", json={"service": f"s{n}", "at": AT}).json()["id"] for n in range(5)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = mia.get(f"{API}/investigations", params=query).json()
        seen += [row["id"] for row in page["investigations"]]
        mia.post(f"{API}/investigations", json={"service": f"late{len(seen)}", "at": AT})
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert seen[0] == made[-1]
    assert len(seen) == len(set(seen))
    assert {*made, reported} <= set(seen)


def test_the_list_is_filtered(mia: TestClient, reported: str) -> None:
    made = mia.post(f"{API}/investigations", json={"service": "rare", "at": AT}).json()

    def found(**query: Any) -> list[str]:
        answer = mia.get(f"{API}/investigations", params=query)
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json()["investigations"]]

    assert found(service="rare") == [made["id"]]
    assert reported in found(state="closed", limit=200)
    assert made["id"] not in found(state="closed", limit=200)
    assert made["id"] in found(since=made["opened_at"])
    assert found(since=(datetime.now(UTC) + timedelta(hours=1)).isoformat()) == []


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 201}, {"state": "gone"}, {"since": "yesterday"}, {"after": "?"}, {"stat": "open"}]
)
def test_a_query_that_cannot_be_used_is_a_problem(mia: TestClient, query: dict[str, Any]) -> None:
    answer = mia.get(f"{API}/investigations", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_the_report_is_the_contract_byte_for_byte_what_the_terminal_prints(site: WebSite, mia: TestClient, reported: str) -> None:
    answer = mia.get(f"{API}/investigations/{reported}/report")
    assert Report.model_validate_json(answer.text) == site.app.report(reported)
    assert set(report_schema()["required"]) <= set(answer.json())


def test_evidence_is_read_page_by_page_and_one_by_one(site: WebSite, mia: TestClient, reported: str) -> None:
    everything = [fact.id for fact in site.app.snapshot(reported).evidence]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = mia.get(f"{API}/investigations/{reported}/evidence", params=query).json()
        assert page["total"] == len(everything)
        seen += [fact["id"] for fact in page["evidence"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert seen == everything
    assert mia.get(f"{API}/investigations/{reported}/evidence/{seen[0]}").json()["id"] == seen[0]
    assert mia.get(f"{API}/investigations/{reported}/evidence/ev-0").status_code == 404
    assert mia.get(f"{API}/investigations/{reported}/evidence?after=ev-0").status_code == 422
    of_logs = mia.get(f"{API}/investigations/{reported}/evidence?agent=logs").json()
    assert {fact["agent"] for fact in of_logs["evidence"]} == {"logs"}


def test_hypotheses_come_with_their_votes(site: WebSite, mia: TestClient, reported: str) -> None:
    snapshot = site.app.snapshot(reported)
    rows = mia.get(f"{API}/investigations/{reported}/hypotheses").json()["hypotheses"]
    assert [row["hypothesis"]["id"] for row in rows] == [one.id for one in snapshot.hypotheses]
    assert sum(len(row["votes"]) for row in rows) == len(snapshot.votes)


def test_events_are_read_from_a_cursor_and_hold_what_people_did(mia: TestClient, reported: str) -> None:
    path = f"{API}/investigations/{reported}"
    first = mia.get(f"{path}/events").json()
    assert first["updates"][0]["kind"] == "investigation.opened"
    assert mia.post(f"{path}/acknowledge").status_code == 200
    more = mia.get(f"{path}/events", params={"after": first["cursor"], "wait": 5}).json()
    assert [one["kind"] for one in more["updates"]] == ["investigation.acknowledged"]
    assert mia.get(f"{path}/events", params={"after": more["cursor"]}).json()["updates"] == []
    everything = mia.get(f"{path}/events").json()["updates"]
    told = [(one["at"], one["kind"], one["actor"]) for one in first["updates"] + more["updates"]]
    assert [(one["at"], one["kind"], one["actor"]) for one in everything] == told  # a place may skip what is not about it
    standing = mia.get(path).json()
    assert mia.get(f"{path}/events", params={"after": standing["cursor"]}).json()["updates"] == []


def test_so_many_wait_and_the_next_one_is_answered_at_once(mia: TestClient, reported: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = BoundedSemaphore(1)
    taken.acquire()
    monkeypatch.setattr(investigations, "WAITERS", taken)
    asked: list[float] = []
    since = Live.since

    def noted(live: Live, *args: Any, wait_seconds: float) -> Any:
        asked.append(wait_seconds)
        return since(live, *args, wait_seconds=wait_seconds)

    monkeypatch.setattr(Live, "since", noted)
    cursor = mia.get(f"{API}/investigations/{reported}").json()["cursor"]
    query = {"after": cursor, "wait": 0.01}
    assert mia.get(f"{API}/investigations/{reported}/events", params=query).json()["updates"] == []
    taken.release()
    mia.get(f"{API}/investigations/{reported}/events", params=query)
    mia.get(f"{API}/investigations/{reported}/events", params=query)
    assert asked == [0.0, 0.01, 0.01], "and whoever waited lets the next one wait"


def test_the_stream_has_the_same_cursors(site: WebSite, mia: TestClient, reported: str) -> None:
    first = mia.get(f"{API}/investigations/{reported}/events").json()["updates"][0]
    with served(site.site) as url, httpx.Client(base_url=url, headers=dict(mia.headers), timeout=30) as client:
        with client.stream("GET", f"{API}/investigations/{reported}/stream") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            ids = (line for line in answer.iter_lines() if line.startswith("id: "))
            assert next(ids) == f"id: {first['cursor']}"
        assert client.get(f"{API}/investigations/inv-none/stream").status_code == 404
        assert client.get(f"{API}/investigations/{reported}/stream?after=x").status_code == 422
        site.site.state.stopping.set()
    site.site.state.stopping.clear()


@pytest.mark.parametrize("after", ["?", "1-1", "-1.2", ".9999999999999"])
def test_a_cursor_that_is_none_is_a_problem(mia: TestClient, reported: str, after: str) -> None:
    assert mia.get(f"{API}/investigations/{reported}/events", params={"after": after}).status_code == 422


def test_handling(mia: TestClient, reported: str) -> None:
    path = f"{API}/investigations/{reported}"
    given = mia.post(f"{path}/assign", json={"to": "leo", "note": "it is yours now"}).json()
    assert given["handovers"][-1]["to"] == "leo"
    said = mia.post(f"{path}/feedback", json={"verdict": "wrong", "cause": "the moon"}).json()
    assert said["feedback"][-1].items() >= {"by": "mia", "verdict": "wrong", "cause": "the moon", "face": "api"}.items()
    assert mia.get(f"{path}/handling").json() == said
    assert mia.post(f"{path}/assign", json={"to": "nobody"}).status_code == 422
    assert mia.post(f"{path}/feedback", json={"verdict": "fine"}).status_code == 422


@pytest.mark.parametrize("part", ["", "/report", "/evidence", "/evidence/ev-1", "/hypotheses", "/events", "/handling"])
def test_what_is_not_there_is_not_found(mia: TestClient, part: str) -> None:
    answer = mia.get(f"{API}/investigations/inv-none{part}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["type"] == "urn:middlewatch:problem:unknown-investigation"


def test_what_does_not_fit_is_said_in_words_and_where_it_was_asked_is_kept(site: WebSite, mia: TestClient) -> None:
    said = mia.post(f"{API}/investigations", json={"service": "checkout", "colour": "red"}).json()
    assert said["errors"] == [{"where": "body.colour", "what": "is not known here"}]
    both = mia.post(f"{API}/investigations", json={"service": "checkout", "recording": "shop"}).json()
    assert both["detail"] == "body: give either `service` or `recording`"
    made = mia.post(f"{API}/investigations", json={"service": "checkout"}).json()
    assert made["alert"]["source"] == "api"
    site.app.kept.cancel(made["id"])
