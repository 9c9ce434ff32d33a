"""Invariants: whatever waits for a person is at the top of the inbox, and says for whom; nothing of others in it becomes markup."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from middlewatch.frontends.web.inbox import PAGE_SIZE
from middlewatch.records import ApprovalRequest, BreakGlass, Principal, Report, RequestState
from tests.hostile import MARKUP
from tests.hostile_reports import filled
from tests.markup import Seen, foreign_markup, seen
from tests.reports import finding, inconclusive
from tests.web_site import WebSite

FOUND, UNSURE, ODD, RUNNING, CANCELLED, ODDLY_UNSURE = (f"inv-a{n:011x}" for n in range(6))
OLD = tuple(f"inv-0{n:011x}" for n in range(PAGE_SIZE))
GONE = (f"inv-b{n:011x}" for n in itertools.count())
"""Of requests: each of an investigation of its own, which is not there any more."""


def entitled(report: Report, title: str) -> Report:
    return report.model_copy(update={"alert": report.alert.model_copy(update={"title": title, "source_id": title})})


@pytest.fixture(scope="module")
def leo(site: WebSite) -> TestClient:
    """A lead, and a store with what a night leaves behind."""
    for name in OLD:
        site.seed(entitled(finding(), "An older one"), name)
    site.seed(finding(), FOUND)
    site.seed(inconclusive(), UNSURE)
    site.seed(filled(finding(), MARKUP), ODD)
    site.seed(filled(inconclusive(), MARKUP), ODDLY_UNSURE)
    for name in (RUNNING, CANCELLED):
        site.open(entitled(finding(), name), name)
    site.app.kept.cancel(CANCELLED)
    return site.client("leo")


def inbox(client: TestClient, query: str = "") -> Seen:
    answer = client.get(f"/{query}")
    assert answer.status_code == 200, answer.text
    page = seen(answer.text)
    assert foreign_markup(page) == []
    return page


def rows(page: Seen) -> list[str]:
    """Investigations in the table, in order."""
    found = [link.rpartition("/")[2] for link in page.links if link.startswith("/investigations/")]
    return [name for name in found if f"No cause found: {name}" not in page.heading]


def person(site: WebSite, name: str) -> Principal:
    return next(one for one in site.app.approvals.people() if one.id == name)


def test_the_newest_are_first_and_a_page_ends(leo: TestClient) -> None:
    first, second, beyond = (inbox(leo, f"?page={n}") for n in (1, 2, 99))
    shown = [name for name in rows(first) if name not in {UNSURE, ODDLY_UNSURE}]
    assert shown == [CANCELLED, RUNNING, ODD, FOUND, *reversed(OLD[-(PAGE_SIZE - 6) :])]
    assert [name for name in rows(second) if name in OLD] == [*reversed(OLD[:6])]
    assert "/?show=all&q=&page=2" in first.links
    assert {"/?show=all&q=&page=1"} == {link for link in second.links if "page=" in link}
    assert "None of these." in beyond.heading
    assert leo.get("/?page=0").status_code == leo.get("/?page=x").status_code == 422


@pytest.mark.parametrize(
    ("show", "there", "gone"),
    [
        ("open", {RUNNING, UNSURE, ODDLY_UNSURE}, {FOUND, CANCELLED}),
        ("finished", {FOUND, CANCELLED}, {RUNNING}),
        ("all", {RUNNING, FOUND, CANCELLED}, set()),
        ("mine", set(), {RUNNING, FOUND, CANCELLED}),
        ("<script>", {RUNNING, FOUND, CANCELLED}, set()),
    ],
)
def test_a_list_has_what_its_name_says(leo: TestClient, show: str, there: set[str], gone: set[str]) -> None:
    found = set(rows(inbox(leo, f"?show={show}")))
    assert found >= there
    assert not found & gone


@pytest.mark.parametrize(
    ("text", "there"), [("catalog-API", {UNSURE}), ("latencyp99", {FOUND}), (RUNNING, {RUNNING}), ("no such thing", set())]
)
def test_a_search_looks_at_title_service_and_id(leo: TestClient, text: str, there: set[str]) -> None:
    assert {name for name in rows(inbox(leo, f"?q={text}")) if name not in {UNSURE, ODDLY_UNSURE}} == there - {UNSURE}
    assert ("None of these contains" in inbox(leo, f"?q={text}").heading) == (not there)


@pytest.mark.parametrize("text", MARKUP)
def test_what_is_searched_for_is_said_and_not_obeyed(leo: TestClient, text: str) -> None:
    answer = leo.get("/", params={"q": text, "show": text[:20]})
    page = seen(answer.text)
    assert foreign_markup(page) == []
    (field,) = [given for tag, given in page.tags if given.get("name") == "q"]
    assert field["value"] == text
    assert foreign_markup(seen(leo.get("/parts/inbox", params={"q": text}).text)) == []


def test_what_has_no_answer_waits_until_somebody_takes_it(site: WebSite, leo: TestClient) -> None:
    site.app.handlings.assign(ODDLY_UNSURE, "mia", person(site, "mia"), face="web")
    before = inbox(leo)
    assert "No cause found: catalog-api p95 above 0.4 s" in before.heading
    assert "Nobody has taken it." in before.heading
    assert "Not taken" in before.heading
    assert "No deadline" not in before.heading, "when to acknowledge it stands in its row"
    assert "best guess image-resizer, 21 %" in before.heading
    site.app.handlings.assign(UNSURE, "leo", person(site, "leo"), face="web")
    assert "No cause found" not in inbox(leo).heading
    assert rows(inbox(leo, "?show=mine")) == [UNSURE]
    assert rows(inbox(site.client("mia"), "?show=mine")) == [ODDLY_UNSURE]


@contextmanager
def asked(site: WebSite, action: str = "scale_up", **update: object) -> Iterator[ApprovalRequest]:
    """A request that waits, for as long as it is looked at."""
    request = site.propose(action, investigation=next(GONE), **update)
    yield request
    site.rewrite(site.look(request.id), state=RequestState.DENIED, break_glass=None)


def test_a_decision_says_until_when_and_for_whom_it_waits(site: WebSite, leo: TestClient) -> None:
    with asked(site, "restart_service", note="<script>alert(1)</script>") as request:
        mine, others = inbox(leo), inbox(site.client("mia"))
        bound = site.app.approvals.show(request.id, face="")
        assert "Needs a human now: 1" in mine.heading
        assert "Not you: " in others.heading
        assert "leo, lea, mara, max. You may." in mine.heading
        assert mine.links.count(f"/approvals/{request.id}") == others.links.count(f"/approvals/{request.id}") == 2
        assert "Review and decide" in mine.heading
        assert "Review and decide" not in others.heading
        (deadline,) = [given["data-deadline"] for _, given in mine.tags if "data-deadline" in given]
        assert datetime.fromisoformat(deadline) > datetime.now(UTC)
        assert f"of {bound.remediation.investigation}" in mine.heading


def test_of_many_the_most_urgent_are_shown_and_all_are_counted(
    site: WebSite, leo: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("middlewatch.frontends.web.inbox.MOST_WAITING", 1)
    with asked(site) as urgent, asked(site):
        page = inbox(leo)
        assert {link for link in page.links if link.startswith("/approvals/")} == {f"/approvals/{urgent.id}"}
        assert "Needs a human now: 2" in page.heading
        assert "1 more: all approvals" in page.heading


def test_what_nobody_knows_the_end_of_waits_without_a_deadline(site: WebSite, leo: TestClient) -> None:
    with asked(site) as request:
        site.rewrite(request, state=RequestState.UNKNOWN)
        page = inbox(leo)
        assert "Find out what became of scale_up on checkout" in page.heading
        assert "No deadline" in page.heading


def test_what_was_broken_open_waits_for_its_review(site: WebSite, leo: TestClient) -> None:
    with asked(site) as request:
        broken = BreakGlass(principal="mara", reason="It burns.", at=datetime.now(UTC))
        site.rewrite(request, state=RequestState.SUCCEEDED, break_glass=broken)
        assert "Review the broken glass: scale_up on checkout" in inbox(leo).heading


@contextmanager
def policy_of(site: WebSite, text: str | None) -> Iterator[TestClient]:
    """Whoever started the server, while the policy says this; None for no policy at all."""
    path = Path(site.app.settings.policy_path)
    kept = path.read_text(encoding="utf-8")
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    try:
        client = site.client()
        secret, _ = site.app.sessions.open(site.app.approvals.local_identity())
        client.cookies.set("middlewatch", secret)
        yield client
    finally:
        path.write_text(kept, encoding="utf-8")


@pytest.mark.parametrize(("text", "says"), [(None, "There is no policy"), ("[principals", "policy.toml")])
def test_without_a_policy_that_can_be_used_it_can_be_read(site: WebSite, leo: TestClient, text: str | None, says: str) -> None:
    assert leo
    with asked(site) as request, policy_of(site, text) as local:
        page = inbox(local)
        assert rows(page)[0]
        assert f"/approvals/{request.id}" in page.links
        assert says in page.heading
        assert "Review and decide" not in page.heading
